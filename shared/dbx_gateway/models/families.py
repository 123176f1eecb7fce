"""Model families: the makers whose models speak one wire format and share one set of habits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FAMILIES", "OPEN_FAMILIES", "Family", "FamilyRow", "family_of", "family_of_task"]

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


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One family and the words in a model's name that give it away."""

    family: Family
    markers: tuple[str, ...]


FAMILIES: tuple[FamilyRow, ...] = (
    # Order matters: an embedding model is called after its family (qwen3-embedding), and gpt-oss contains "gpt-".
    FamilyRow("embeddings", ("embedding", "gte-", "bge-")),
    FamilyRow("claude", ("claude",)),
    FamilyRow("gpt-oss", ("gpt-oss", "gpt_oss")),
    FamilyRow("gpt", ("codex", "gpt-")),
    FamilyRow("gemini", ("gemini",)),
    FamilyRow("gemma", ("gemma",)),
    FamilyRow("llama", ("llama",)),
    FamilyRow("qwen", ("qwen",)),
    FamilyRow("deepseek", ("deepseek",)),
    FamilyRow("kimi", ("kimi",)),
    FamilyRow("glm", ("glm",)),
    FamilyRow("grok", ("grok",)),
    FamilyRow("inkling", ("inkling",)),
)
"""The order in which a name is searched (source: docs/wire/models.md#families-from-names)."""

OPEN_FAMILIES: frozenset[Family] = frozenset(
    {"gpt-oss", "gemma", "llama", "qwen", "deepseek", "glm", "kimi", "grok", "inkling", "other"}
)
"""Families that only speak chat-completions on a workspace (docs/wire/models.md#native-apis)."""


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
