"""Model families: the makers whose models speak one wire format and share one set of habits."""

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
    """What there is to know of a family as a whole; what its models accept is in their profiles.

    Args:
        family: its name.
        markers: words of a model's name that give it away, in small letters; none where no name does.
        native_api: the api that its maker defined and that a workspace serves it by; None where its models are no
            chat models or the task of an endpoint decides.
    """

    family: Family
    markers: tuple[str, ...]
    native_api: Api | None


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
    FamilyRow("agent", (), None),
    FamilyRow("other", (), "chat-completions"),
)
"""Every family, in the order in which a name is searched.

Source: docs/wire/models.md#families-from-names, #native-apis.
"""

OPEN_FAMILIES: frozenset[Family] = frozenset(row.family for row in FAMILIES if row.native_api == "chat-completions")
"""Families that only speak chat-completions on a workspace (docs/wire/models.md#native-apis)."""


def of_every_family(name: str, table: Mapping[Family, _Entry]) -> Mapping[Family, _Entry]:
    """Return ``table``, which must have an entry for every family, so that a new family is not left out in silence.

    Args:
        name: of the table, for the error.
        table: an entry for each family.

    Raises:
        LookupError: a family has no entry.
    """
    missing = [family for family in get_args(Family) if family not in table]
    if missing:
        raise LookupError(f"{name} has no entry for the family {', '.join(missing)}")
    return table


_ROWS: Final = of_every_family("dbx_gateway.models.families.FAMILIES", {row.family: row for row in FAMILIES})


def native_api_of(family: Family) -> Api | None:
    """Return the api that the maker of ``family`` defined; None where its models are no chat models, or a task decides."""
    return _ROWS[family].native_api


def family_of(*identities: str | None) -> Family | None:
    """Return the family that the first telling identity names, or None when no name tells.

    Args:
        identities: names to search in order: the model's own name, then what an endpoint's metadata says it serves.
            A Unity Catalog name is searched by its last part only, so that a schema's name misleads nobody.
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
    """Return the family that an endpoint's ``task`` settles, or None when the task leaves it open.

    Source: docs/wire/discovery.md#tasks (``agent/v1/responses``, ``agent/v2/chat``, ``llm/v1/embeddings``).
    """
    if task is None:
        return None
    if task.startswith("agent/"):
        return "agent"
    return "embeddings" if task == "llm/v1/embeddings" else None
