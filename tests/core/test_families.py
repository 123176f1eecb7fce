import re
from typing import get_args

import pytest
from support.source_words import ROOT

from dbx_gateway.models.families import (
    FAMILIES,
    OPEN_FAMILIES,
    Family,
    family_of,
    family_of_task,
    of_every_family,
)

NAMES = [
    ("databricks-claude-sonnet-4-5", "claude"),
    ("system.ai.claude-opus-5-5", "claude"),
    ("databricks-gpt-oss-120b", "gpt-oss"),
    ("system.ai.gpt_oss_20b", "gpt-oss"),
    ("databricks-gpt-5-4", "gpt"),
    ("databricks-gpt-5-3-codex", "gpt"),
    ("databricks-gemini-2-5-pro", "gemini"),
    ("databricks-gemma-3-12b", "gemma"),
    ("databricks-meta-llama-3-3-70b-instruct", "llama"),
    ("databricks-qwen3-next-80b-a3b-instruct", "qwen"),
    ("databricks-qwen3-embedding-0-6b", "embeddings"),
    ("databricks-gte-large-en", "embeddings"),
    ("databricks-bge-large-en", "embeddings"),
    ("databricks-deepseek-v4-pro", "deepseek"),
    ("databricks-kimi-k3", "kimi"),
    ("databricks-glm-5-2", "glm"),
    ("databricks-grok-4", "grok"),
    ("databricks-inkling", "inkling"),
    ("MY-CLAUDE", "claude"),
    ("team-chat", None),
    ("main.ai.team_chat", None),
    ("claude.gemini.team_chat", None),
    ("llama.models.qwen3", "qwen"),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("name", "family"), NAMES)
def test_a_name_tells_the_family_by_its_last_part(name, family):
    assert family_of(name) == family


def test_every_family_that_a_name_tells_has_a_name_here():
    assert {family for _, family in NAMES if family} == {row.family for row in FAMILIES if row.markers}


def test_every_family_stands_in_the_page_of_models_with_the_words_that_give_it_away():
    text = section("docs/wire/models.md", "Families from names")
    markers = {marker for row in FAMILIES for marker in row.markers}
    assert {marker for marker in markers if f"`{marker.strip('-')}" not in text} == set()


@pytest.mark.parametrize(
    ("page", "heading"), [("docs/wire/models.md", "Native APIs"), ("docs/wire/surfaces.md", "Routing table")]
)
def test_every_family_stands_in_the_tables_of_the_pages(page, heading):
    rows = "\n".join(line for line in section(page, heading).splitlines() if line.startswith("|"))
    named = {row.family for row in FAMILIES if row.markers}
    assert {name for name in named if not re.search(rf"(?<![\w-]){name}(?![\w-])", rows)} == set()


def section(page: str, heading: str) -> str:
    """A section of a page of facts."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_family_has_one_row():
    assert sorted(row.family for row in FAMILIES) == sorted(get_args(Family))


def test_a_table_that_lacks_a_family_or_knows_one_too_many_is_refused_with_its_name():
    table = dict.fromkeys(get_args(Family), 1)
    assert of_every_family("TABLE", table) is table
    with pytest.raises(LookupError, match="TABLE has an entry for nobody, and Family has no such name"):
        of_every_family("TABLE", {**table, "nobody": 1})
    del table["gemma"]
    with pytest.raises(LookupError, match="TABLE has no entry for the family gemma"):
        of_every_family("TABLE", table)


def test_the_first_identity_that_tells_counts():
    assert family_of("team-chat", None, "claude-3", "gpt-5") == "claude"
    assert family_of() is None


@pytest.mark.parametrize(
    ("task", "family"),
    [
        ("agent/v1/responses", "agent"),
        ("agent/v2/chat", "agent"),
        ("llm/v1/embeddings", "embeddings"),
        ("llm/v1/chat", None),
        (None, None),
    ],
)
def test_a_task_settles_agents_and_embeddings_only(task, family):
    assert family_of_task(task) == family


def test_native_apis_belong_to_the_families_that_are_not_open():
    assert set(get_args(Family)) - OPEN_FAMILIES == {"claude", "gpt", "gemini", "embeddings", "agent"}
