"""Model families: groups of models with the same wire format and the same behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from dbx_gateway.surfaces import Api

__all__ = [
    "FAMILIES",
    "OPEN_FAMILIES",
    "Family",
    "FamilyRow",
    "acts",
    "family_of",
    "family_of_task",
    "native_api_of",
    "of_every_family",
]

Family = Literal[
    "claude",
    "gpt",
    "gpt-oss",
    "gemini",
    "gemma",
    "llama",
    "qwen",
    "deepseek",
    "glm",
    "kimi",
    "grok",
    "inkling",
    "embeddings",
    "agent",
    "other",
]


_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """The facts about a family as a whole; what its models accept is in their profiles.

    Args:
        family: its name.
        markers: lower-case words in a model's name that show the family; none where no name shows it.
        native_api: the api that its vendor defined and a workspace serves; None where its models are no chat models
            or the task of an endpoint decides.
        acts: whether what answers may act on the world, as agents do; None where the family does not tell.
    """

    family: Family
    markers: tuple[str, ...]
    native_api: Api | None
    acts: bool | None = False


FAMILIES: tuple[FamilyRow, ...] = (
    # Order matters: an embedding model is called after its family (qwen3-embedding), and gpt-oss contains "gpt-".
    FamilyRow("embeddings", ("embedding", "gte-", "bge-"), None),
    FamilyRow("claude", ("claude",), "messages"),
    FamilyRow("gpt-oss", ("gpt-oss", "gpt_oss"), "chat-completions"),
    FamilyRow("gpt", ("codex", "gpt-"), "responses"),
    FamilyRow("gemini", ("gemini",), "generate-content"),
    FamilyRow("gemma", ("gemma",), "chat-completions"),
    FamilyRow("llama", ("llama",), "chat-completions"),
    FamilyRow("qwen", ("qwen",), "chat-completions"),
    FamilyRow("deepseek", ("deepseek",), "chat-completions"),
    FamilyRow("kimi", ("kimi",), "chat-completions"),
    FamilyRow("glm", ("glm",), "chat-completions"),
    FamilyRow("grok", ("grok",), "chat-completions"),
    FamilyRow("inkling", ("inkling",), "chat-completions"),
    FamilyRow("agent", (), None, acts=True),
    FamilyRow("other", (), "chat-completions", acts=None),
)
"""Every family, in the order in which a name is searched.

Source: docs/wire/models.md#families-from-names, #native-apis.
"""

OPEN_FAMILIES: frozenset[Family] = frozenset(row.family for row in FAMILIES if row.native_api == "chat-completions")
"""Families that only speak chat-completions on a workspace (docs/wire/models.md#native-apis)."""


def of_every_family(name: str, table: Mapping[Family, _Entry]) -> Mapping[Family, _Entry]:
    """Return ``table`` after checking that it has an entry for every family and no other.

    Args:
        name: of the table, for the error.
        table: an entry for each family.

    Raises:
        LookupError: a family has no entry, or an entry no family.
    """
    missing = [family for family in get_args(Family) if family not in table]
    unknown = [family for family in table if family not in get_args(Family)]
    if missing:
        raise LookupError(f"{name} has no entry for the family {', '.join(missing)}")
    if unknown:
        raise LookupError(f"{name} has an entry for {', '.join(unknown)}, and Family has no such name")
    return table


_ROWS: Final = of_every_family("dbx_gateway.models.families.FAMILIES", {row.family: row for row in FAMILIES})


def native_api_of(family: Family) -> Api | None:
    """Return the api that the vendor of ``family`` defined; None where its models are no chat models, or a task decides."""
    return _ROWS[family].native_api


def acts(family: Family) -> bool | None:
    """Return whether what answers may act on the world, as agents do; None where the family does not tell."""
    return _ROWS[family].acts


def family_of(*identities: str | None) -> Family | None:
    """Return the family that the first name with a known marker shows, or None when there is no such name.

    Args:
        identities: names to search in order: the model's own name, then what an endpoint's metadata says it serves.
            Of a Unity Catalog name only the last part is searched, as a schema's name may contain a marker by chance.
    """
    for identity in identities:
        if not identity:
            continue
        name = identity.lower().rsplit(".", 1)[-1] if identity.count(".") >= 2 else identity.lower()
        for row in FAMILIES:
            if any(marker in name for marker in row.markers):
                return row.family
    return None


def family_of_task(task: str | None) -> Family | None:
    """Return the family that an endpoint's ``task`` determines, or None when it determines none.

    Source: docs/wire/discovery.md#tasks (``agent/v1/responses``, ``agent/v2/chat``, ``llm/v1/embeddings``).
    """
    if task is None:
        return None
    if task.startswith("agent/"):
        return "agent"
    return "embeddings" if task == "llm/v1/embeddings" else None
