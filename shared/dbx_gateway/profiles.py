"""What each model accepts and can do, as data.

The rows are in :mod:`dbx_gateway.profile_rows`, which ``shared/profile_data/generate.py`` writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from dbx_gateway.families import OPEN_FAMILIES, Family, family_of

__all__ = ["Profile", "known_models", "profile_of"]

Thinking = Literal["none", "budget", "adaptive", "both", "always"]
"""How a Claude model takes its thinking control: a token budget, adaptive only, either, or adaptive that cannot be
switched off (databricks-wire.md section 5.4). ``none`` for every other family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one model accepts and can do.

    Limits are in tokens, prices in DBU per million tokens; None where nothing is known. They are defaults and facts to
    show: no model name is ever refused, and no value is clamped, because of them.
    """

    model: str
    family: Family
    kind: Literal["chat", "embedding", "image", "evaluation"] = "chat"
    context_window: int | None = None
    max_output: int | None = None
    input_dbu: float | None = None
    output_dbu: float | None = None
    cache_read_dbu: float | None = None
    tools: bool = True
    tool_choice: bool = True
    forced_tool_choice: bool = True
    """Takes a tool choice that forces a call (some Claude models refuse it: dialects.md section 3.1)."""
    structured_output: bool = True
    """Takes a JSON schema for its answer on its native api."""
    images: bool = False
    pdf: bool = False
    audio: bool = False
    video: bool = False
    image_tool_results: bool = False
    reasoning: bool = False
    efforts: tuple[str, ...] = ()
    """Values of the reasoning effort it takes; empty where none are known."""
    thinking: Thinking = "none"
    prompt_caching: bool = False
    """Takes cache marks inside the prompt."""
    prefill: bool = False
    """Takes a conversation that ends with an assistant turn and continues it."""
    mid_system: bool = False
    """Takes a system message in the middle of a conversation (messages api)."""
    sampling: bool = True
    """Takes temperature, top_p and top_k."""
    responses_only: bool = False
    """Is served on the Responses api and no other."""
    embedding_batch: int | None = None
    """Texts per embeddings request."""
    known: bool = True
    """False for a name the table does not hold: the row is then its family's newest."""


@cache
def _rows() -> dict[str, Profile]:
    from dbx_gateway.profile_rows import ROWS  # noqa: PLC0415  # read on first use, not at import

    return {row.model: row for row in ROWS}


def known_models() -> tuple[Profile, ...]:
    """Return the profile of every model in the table, in the table's order."""
    return tuple(_rows().values())


@cache
def profile_of(model: str, family: Family | None = None) -> Profile:
    """Return what is known about ``model``.

    A Unity Catalog name (``system.ai.<rest>``) is looked up as ``databricks-<rest>``. A name that is not in the table
    takes its family's newest row, with prices and limits unknown; nothing is ever refused.

    Args:
        model: a name as the user gives it.
        family: the family where it is known from elsewhere (the user, an endpoint's metadata).
    """
    rows = _rows()
    name = model.lower()
    short = name.removeprefix("system.ai.")
    for candidate in (name, "databricks-" + short, "databricks-" + short.removeprefix("databricks-")):
        row = rows.get(candidate)
        if row is not None and (family is None or row.family == family):
            return replace(row, model=model)
    family = family or family_of(model) or "other"
    newest = next(
        (row for row in reversed(rows.values()) if row.family == family and row.kind in ("chat", "embedding")), None
    )
    if newest is None:
        return Profile(model=model, family=family, known=False, sampling=family in OPEN_FAMILIES or family == "agent")
    return replace(newest, model=model, known=False, input_dbu=None, output_dbu=None, cache_read_dbu=None)
