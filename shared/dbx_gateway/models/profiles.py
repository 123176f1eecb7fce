"""What each model accepts and can do, as data.

The rows are in :mod:`dbx_gateway.models.profile_rows`, which ``shared/profile_data/generate.py`` writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from dbx_gateway.models.families import Family, family_of
from dbx_gateway.models.profile import Profile

__all__ = ["known_models", "profile_of", "version_of"]


@cache
def _rows() -> dict[str, Profile]:
    from dbx_gateway.models.profile_rows import ROWS  # noqa: PLC0415  # read on first use, not at import

    return {row.model: row for row in ROWS}


def _row_of_family(family: Family) -> Profile:
    """Return the profile of a family that has no model in the table."""
    from dbx_gateway.models.profile_rows import FAMILY_ROWS  # noqa: PLC0415  # read on first use, not at import

    for row in FAMILY_ROWS:
        if row.family == family:
            return row
    raise LookupError(f"the table of models has no row for the family {family!r}; run shared/profile_data/generate.py")


def known_models() -> tuple[Profile, ...]:
    """Return the profile of every model in the table, in the table's order."""
    return tuple(_rows().values())


def version_of(model: str) -> tuple[int, ...]:
    """Return the version in a model's name: digits separated by dashes are a dotted version.

    ``claude-opus-4-5`` is (4, 5), ``kimi-k3`` is (3,), a name without a version is (). A size (``70b``) or a date
    (``1017``) is no part of it. Source: docs/wire/models.md#versions.
    """
    found = re.search(r"(?<![a-z\d])[a-z]*?(\d{1,2}(?:[-.]\d{1,2}(?![a-z\d]))*)(?![a-z\d])", model.lower())
    return tuple(int(part) for part in re.split(r"[-.]", found[1])) if found else ()


@cache
def profile_of(model: str, family: Family | None = None, identities: tuple[str, ...] = ()) -> Profile:
    """Return what is known about ``model``.

    A Unity Catalog name (``system.ai.<rest>``) is looked up as ``databricks-<rest>``. A name that is not in the table
    gets the capabilities and limits of the most similar row of its family, and no prices. That is the row of the same
    version if there is one, else the newest of its line (sonnet, codex, flash), else the newest. A family without a
    model in the table has a row of its own. No name is refused.

    Args:
        model: a name as the user sets it.
        family: the family where it is known from elsewhere (the user, an endpoint's metadata).
        identities: names of what an endpoint serves, from its metadata; used for the version where ``model`` has none.
    """
    rows = _rows()
    name = model.lower()
    short = name.removeprefix("system.ai.").removeprefix("databricks-")
    row = rows.get("databricks-" + short)
    if row is not None and (family is None or row.family == family):
        return replace(row, model=model)
    family = family or family_of(model) or "other"
    nearest = _nearest((model, *identities), family) or _row_of_family(family)
    older = _BEFORE_REASONING.get(family)
    if older is not None and any(older.search(name.lower()) for name in (model, *identities)):
        nearest = replace(nearest, reasoning=False, efforts=(), sampling=True, responses_only=False)
    return replace(nearest, model=model, known=False, input_dbu=None, output_dbu=None, cache_read_dbu=None)


_BEFORE_REASONING: Mapping[Family, re.Pattern[str]] = {
    "gpt": re.compile(r"(?<![a-z\d])(?:chat)?gpt[-_]?(?:3[.-]?5|4o|4[.-][15]|4)(?![a-z\d])"),
}
"""Names of models that do not reason, in families whose models of the table all do.

Source: docs/wire/errors.md#refused-fields, the encrypted content that GPT 3.5, 4, 4o and 4.1 refuse.
"""


def _nearest(names: tuple[str, ...], family: Family) -> Profile | None:
    """Return the row of ``family`` that a model without a row of its own is most likely to behave like."""
    rows = [row for row in known_models() if row.family == family and row.kind in ("chat", "embedding")]
    # A name that does not show its family was chosen by the user: its numbers are no versions and its words no lines.
    telling = next((name for name in names if family_of(name) == family), "").lower()
    name = telling.rsplit(".", 1)[-1].replace("_", "-") if telling.count(".") >= 2 else telling.replace("_", "-")
    words, version = _words(name), version_of(name)

    def nearness(row: Profile) -> tuple[bool, int, tuple[int, ...], bool]:
        same = version != () and version_of(row.model) == version
        return same, len(words & _words(row.model)), version_of(row.model), row.context_window is not None

    # Of two equally similar rows the later one: max() returns the first of equals.
    return max(reversed(rows), key=nearness, default=None)


def _words(name: str) -> frozenset[str]:
    """Return the words that name a line of models inside a family: ``sonnet``, ``codex``, ``flash``."""
    return frozenset(re.findall(r"(?<![a-z\d])[a-z]{3,}(?![a-z\d])", name)) & _LINES


_LINES = frozenset({"fable", "opus", "sonnet", "haiku", "codex", "pro", "mini", "nano", "flash", "lite"})
