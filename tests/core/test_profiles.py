import importlib.util
import pickle
import sys
from dataclasses import fields, replace
from difflib import unified_diff
from pathlib import Path
from typing import get_args

import pytest

from dbx_gateway.models.families import Family, family_of
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profile_rows import FAMILY_ROWS
from dbx_gateway.models.profiles import known_models, profile_of, version_of

ROOT = Path(__file__).parents[2]
BESIDE = ("tool_choice", "known")
"""Facts that are true or false and say nothing more: of the same value as another, or true of every row."""


def matrix_line(row: Profile) -> str:
    """One line that shows every fact of a row that is not a number."""
    letters = {
        "t": row.tools,
        "f": row.forced_tool_choice,
        "s": row.structured_output,
        "T": row.sampling,
        "r": row.reasoning,
        "i": row.images,
        "p": row.pdf,
        "a": row.audio,
        "v": row.video,
        "I": row.image_tool_results,
        "c": row.prompt_caching,
        "P": row.prefill,
        "m": row.mid_system,
        "O": row.responses_only,
        "w": row.forced_tool_choice_while_thinking,
        "S": row.signed_tool_calls,
        "l": row.content_lists,
        "M": row.intermediate_messages,
        "C": row.custom_inputs,
        "d": row.client_defaults,
        "g": row.on_gateway,
        "x": row.stop_sequences,
        "n": row.several_answers,
        "u": row.media_urls,
    }
    assert len(letters) == sum(isinstance(getattr(row, field.name), bool) for field in fields(row)) - len(BESIDE)
    shown = "".join(letter if on else "." for letter, on in letters.items())
    name = row.model.removeprefix("databricks-")
    return f"{name:32}{row.family:11}{row.kind:11}{shown}  {row.thinking:9}{','.join(row.efforts)}".rstrip()


def changes_between(before: list[str], after: list[str]) -> list[str]:
    """The lines that went, and those that came."""
    return [line for line in unified_diff(before, after, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]


MATRIX = """\
bge-large-en                    embeddings embedding  ...........P..w.l..dgxnu  none
claude-fable-5                  claude     chat       t.s.rip..Ic.m...l..dgx..  adaptive low,medium,high,xhigh,max
claude-fable-5-1                claude     chat       t.s.rip..Ic.m...l..dgx..  adaptive low,medium,high,xhigh,max
claude-haiku-4-5                claude     chat       tfsTrip..IcP....l..dgx..  budget
claude-haiku-5-5                claude     chat       tfs.rip..Ic.m...l..dgx..  adaptive low,medium,high,xhigh,max
claude-opus-4                   claude     chat       tf.Trip..IcP....l..dgx..  budget
claude-opus-4-1                 claude     chat       tf.Trip..IcP....l..dgx..  budget
claude-opus-4-5                 claude     chat       tfsTrip..IcP....l..dgx..  budget   low,medium,high
claude-opus-4-6                 claude     chat       tfsTrip..Ic.....l..dgx..  both     low,medium,high,max
claude-opus-4-7                 claude     chat       tfs.rip..Ic.....l..dgx..  adaptive low,medium,high,xhigh,max
claude-opus-4-8                 claude     chat       tfs.rip..Ic.m...l..dgx..  adaptive low,medium,high,xhigh,max
claude-opus-5                   claude     chat       tfs.rip..Ic.m...l..dgx..  adaptive low,medium,high,xhigh,max
claude-opus-5-5                 claude     chat       t.s.rip..Ic.....l..dgx..  always   low,medium,high,xhigh,max
claude-sonnet-4                 claude     chat       tf.Trip..IcP....l..dgx..  budget
claude-sonnet-4-1               claude     chat       tf.Trip..IcP....l..dgx..  budget
claude-sonnet-4-5               claude     chat       tfsTrip..IcP....l..dgx..  budget
claude-sonnet-4-6               claude     chat       tfsTrip..Ic.....l..dgx..  both     low,medium,high,max
claude-sonnet-5                 claude     chat       tfs.rip..Ic.m...l..dgx..  adaptive low,medium,high,xhigh,max
claude-sonnet-5-5               claude     chat       t.s.rip..Ic.m...l..dgx..  adaptive low,medium,high,xhigh,max
deepseek-v4-1-flash             deepseek   chat       tfsTri.....P..w.l..dgxnu  none     none,minimal,low,medium,high,xhigh,max
deepseek-v4-1-flash-1017        deepseek   chat       tfsTri.....P..w.l..dgxnu  none     none,minimal,low,medium,high,xhigh,max
deepseek-v4-flash-0731          deepseek   chat       tfsTr......P..w.l..dgxnu  none     low,high,max
deepseek-v4-pro-0813            deepseek   chat       tfsTr......P..w.l..dgxnu  none     low,high,max
gemini-2-5-flash                gemini     chat       tfsTripav..P..wSl..dgxnu  budget
gemini-2-5-flash-lite           gemini     chat       tfsTripav..P..wSl..dgxnu  budget
gemini-2-5-pro                  gemini     chat       tfsTripav..P..wSl..dgxnu  budget
gemini-3-1-flash-image          gemini     image      ...T.i.....P..w.l..dgxnu  none
gemini-3-1-flash-lite           gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-1-flash-lite-image     gemini     image      ...T.i.....P..w.l..dgxnu  none
gemini-3-1-pro                  gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-5-flash                gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-5-flash-lite           gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-6-flash                gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-7-flash                gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-8-flash                gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-flash                  gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-pro                    gemini     chat       tfsTripavI.P..wSl..dgxnu  none     minimal,low,medium,high
gemini-3-pro-image              gemini     image      ...T.i.....P..w.l..dgxnu  none
gemini-4-argon                  gemini     chat       tfsTripavI.P..wSl..dgxnu  none     low,medium,high
gemma-3-12b                     gemma      chat       ..sT.i.....P..w.l..dgxnu  none
glm-5-2                         glm        chat       tfsTr......P..w.l..dgxnu  none
glm-5-3                         glm        chat       tfsTr......P..w.l..dgxnu  none
glm-5-3-flash                   glm        chat       tfsTri.....P..w.l..dgxnu  none
gpt-5                           gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     minimal,low,medium,high
gpt-5-1                         gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high
gpt-5-2                         gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh
gpt-5-3-codex                   gpt        chat       tfs.rip..I.PmOw.l..dg.nu  none     low,medium,high
gpt-5-4                         gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh
gpt-5-4-mini                    gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh
gpt-5-4-nano                    gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh
gpt-5-4-pro                     gpt        chat       tfs.rip..I.PmOw.l..dg.nu  none     medium,high,xhigh
gpt-5-5                         gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh
gpt-5-5-pro                     gpt        chat       tfs.rip..I.PmOw.l..dg.nu  none     medium,high,xhigh
gpt-5-6-luna                    gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh,max
gpt-5-6-sol                     gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh,max
gpt-5-6-terra                   gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh,max
gpt-5-mini                      gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     minimal,low,medium,high
gpt-5-nano                      gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     minimal,low,medium,high
gpt-6-1-sol                     gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh,max
gpt-6-1-terra                   gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh,max
gpt-6-astra                     gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     low,medium,high,xhigh,max
gpt-6-luna                      gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh,max
gpt-6-sol                       gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     none,low,medium,high,xhigh,max
gpt-image-1                     gpt        image      ...T.......P..w.l..dgxnu  none
gpt-image-1-5                   gpt        image      ...T.ip....P..w.l..dgxnu  none
gpt-image-1-mini                gpt        image      ...T.......P..w.l..dgxnu  none
gpt-image-2                     gpt        image      ...T.ip....P..w.l..dgxnu  none
gpt-oss-120b                    gpt-oss    chat       tfsTr......P..w.l..dgxnu  none     low,medium,high
gpt-oss-20b                     gpt-oss    chat       tfsTr......P..w.l..dgxnu  none     low,medium,high
grok-4-6                        grok       chat       tfsTr......P..w.l..dgxnu  none
grok-4-7                        grok       chat       tfsTri.....P..w.l..dgxnu  none
gte-large-en                    embeddings embedding  ...........P..w.l..dgxnu  none
inkling                         inkling    chat       tfsTri.....P..w.l..dgxnu  none
kimi-k2-7                       kimi       chat       tfsTri.....P..w.l..dgxnu  none
kimi-k3                         kimi       chat       tfsTri.....P..w.l..dgxnu  none     low,high,max
llama-4-maverick                llama      chat       tfsT.i.....P..w.l..dgxnu  none
meta-llama-3-1-8b-instruct      llama      chat       tfsT.......P..w.l..dgxnu  none
meta-llama-3-3-70b-instruct     llama      chat       tfsT.......P..w.l..dgxnu  none
openjev-qwen35-4b               qwen       evaluation ...........P..w.l..dgxnu  none
qwen3-embedding-0-6b            embeddings embedding  ...........P..w.l..dgxnu  none
qwen3-next-80b-a3b-instruct     qwen       chat       tfsT.......P..w.l..dgxnu  none
qwen35-122b-a10b                qwen       chat       tfsTr......P..w.l..dgxnu  none
typesafeai-jev-1-14-0           other      evaluation .....i.....P..w.l..dgxnu  none
gpt-5-1-codex-max               gpt        chat       tfs.rip..I.PmOw.l..dg.nu  none     low,medium,high
gpt-5-1-codex-mini              gpt        chat       tfs.rip..I.PmOw.l..dg.nu  none     low,medium,high
gpt-5-2-codex                   gpt        chat       tfs.rip..I.PmOw.l..dg.nu  none     low,medium,high
deepseek-v3-2                   deepseek   chat       tfsT.......P..w.l..dgxnu  none
claude-3-7-sonnet               claude     chat       tf.Trip..IcP....l..dgx..  budget
gemini-4-carbon                 gemini     chat       tfsTripavI.P..wSl..dgxnu  none     low,medium,high
gpt-astra-6                     gpt        chat       tfs.rip..I.Pm.w.l..dg.nu  none     low,medium,high,xhigh,max
"""


def test_the_facts_of_every_known_model_are_the_ones_written_here():
    assert changes_between(MATRIX.splitlines(), [matrix_line(row) for row in known_models()]) == []


def test_the_committed_rows_are_what_the_script_makes_of_the_table_and_the_rules():
    spec = importlib.util.spec_from_file_location("generate_profiles", ROOT / "shared/profile_data/generate.py")
    generate = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = generate
    try:
        spec.loader.exec_module(generate)
        committed, generated = generate.TARGET.read_text(encoding="utf-8"), generate.generate()
    finally:
        del sys.modules[spec.name]
    assert changes_between(committed.splitlines(), generated.splitlines()) == [], "run shared/profile_data/generate.py"


def test_every_row_is_of_the_family_its_name_tells():
    assert {row.model: row.family for row in known_models()} == {
        row.model: family_of(row.model) or "other" for row in known_models()
    }


FAMILIES = """\
                                agent      chat       tfsT.......Pm.w..MC..xnu  none
                                other      chat       tfsT.......Pm.w.l..dgxnu  none
"""


def test_a_family_without_rows_has_the_facts_that_are_written_here():
    assert "\n".join(map(matrix_line, FAMILY_ROWS)) + "\n" == FAMILIES


def test_every_family_has_a_row_to_take():
    assert {profile_of("a-model", family).family for family in get_args(Family)} == set(get_args(Family))


def test_an_older_gpt_is_known_not_to_reason():
    older = (
        "gpt-4o",
        "my-gpt-4o-endpoint",
        "gpt-4.1-mini",
        "gpt-4-1",
        "gpt-3.5-turbo",
        "gpt-35-turbo",
        "GPT-4-1106",
        "chatgpt-4o",
    )
    for name in older:
        profile = profile_of(name, "gpt")
        assert (profile.reasoning, profile.efforts, profile.sampling, profile.known) == (False, (), True, False), name
    assert not profile_of("team-chat", "gpt", ("gpt-4o-2024-11-20",)).reasoning
    for name in ("gpt-5", "gpt-5-4-mini", "gpt-7", "gpt-40", "my-gpt"):
        assert profile_of(name, "gpt").reasoning, name


@pytest.mark.parametrize("family", get_args(Family))
def test_an_unknown_model_has_what_every_known_one_of_its_family_has(family):
    rows = [row for row in known_models() if row.family == family and row.kind == "chat"]
    found = profile_of("a-model", family)
    for field in fields(found):
        if field.name in ("model", "known", "input_dbu", "output_dbu", "cache_read_dbu"):
            continue
        values = {getattr(row, field.name) for row in rows}
        assert len(values) != 1 or {getattr(found, field.name)} == values, field.name


def test_a_profile_that_was_pickled_before_it_had_a_field_has_its_default():
    made = profile_of("databricks-claude-sonnet-4-5")
    state = made.__getstate__()
    names = [field.name for field in fields(made)]
    loaded = Profile.__new__(Profile)
    loaded.__setstate__(state[: names.index("denied") + 1])
    newer = {
        "forced_tool_choice_while_thinking": True,
        "property_names": "any",
        "answers_without": (),
        "several_answers": True,
        "media_urls": True,
    }
    assert loaded == replace(made, **newer)
    assert pickle.loads(pickle.dumps(made)) == made


def test_numbers_of_a_row_are_those_of_the_table():
    row = profile_of("databricks-claude-sonnet-4-5")
    assert (row.context_window, row.max_output) == (200_000, 64_000)
    assert (row.input_dbu, row.output_dbu) == (42.857, 214.29)


def test_the_price_of_cached_tokens_is_converted_from_dollars_at_seven_cents_a_dbu():
    # $0.3 per million tokens (docs/wire/models.md#limits-and-prices) at $0.07 per DBU.
    assert profile_of("databricks-claude-sonnet-4-5").cache_read_dbu == 4.2857


def test_numbers_the_table_lacks_are_none():
    row = profile_of("databricks-gpt-5-2-codex")
    assert (row.context_window, row.max_output, row.input_dbu, row.output_dbu, row.cache_read_dbu) == (None,) * 5


@pytest.mark.parametrize(
    "name", ["databricks-gpt-5-1", "system.ai.gpt-5-1", "gpt-5-1", "system.ai.databricks-gpt-5-1", "Databricks-GPT-5-1"]
)
def test_every_spelling_of_a_known_name_finds_its_row_and_keeps_the_spelling(name):
    found = profile_of(name)
    assert found.known
    assert found.model == name
    assert found.input_dbu == 17.857


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("databricks-claude-sonnet-6", "databricks-claude-sonnet-5-5"),
        ("databricks-claude-opus-6", "databricks-claude-opus-5-5"),
        ("main.prod.claude-sonnet-4-5", "databricks-claude-sonnet-4-5"),
        ("claude-haiku-4-5-for-search", "databricks-claude-haiku-4-5"),
        ("system.ai.gpt-7-codex", "databricks-gpt-5-3-codex"),
        ("databricks-gpt-9", "databricks-gpt-6-1-terra"),
        ("databricks-gemini-5", "databricks-gemini-4-argon"),
        ("databricks-gemini-9-flash", "databricks-gemini-3-8-flash"),
        ("databricks-llama-5-scout", "databricks-llama-4-maverick"),
        ("databricks-kimi-k4", "databricks-kimi-k3"),
        ("databricks-qwen4-embedding", "databricks-qwen3-embedding-0-6b"),
    ],
)
def test_an_unknown_name_takes_the_nearest_row_of_its_family_without_its_prices(name, row):
    found, nearest = profile_of(name), profile_of(row)
    assert not found.known
    assert (found.input_dbu, found.output_dbu, found.cache_read_dbu) == (None, None, None)
    assert found.context_window == nearest.context_window
    assert matrix_line(found).split(maxsplit=1)[1] == matrix_line(nearest).split(maxsplit=1)[1]


@pytest.mark.parametrize("name", ["team-chat", "main.ai.team_chat", "team-chat-4", "pro-chat-3-7"])
def test_a_name_of_the_users_own_takes_the_newest_row_of_the_family_that_is_known_from_elsewhere(name):
    found = profile_of(name, "claude")
    assert (found.family, found.known, found.thinking) == ("claude", False, "adaptive")
    assert profile_of(name, "gpt").responses_only is False


@pytest.mark.parametrize(
    ("identity", "row"),
    [
        ("claude-sonnet-4-5", "databricks-claude-sonnet-4-5"),
        ("system.ai.databricks-gpt-5-4-nano", "databricks-gpt-5-4-nano"),
        ("system.ai.llama_v3_3_70b_instruct", "databricks-meta-llama-3-3-70b-instruct"),
        ("gemini-2.5-pro", "databricks-gemini-2-5-pro"),
    ],
)
def test_a_name_of_the_users_own_takes_the_row_of_the_model_that_its_endpoint_serves(identity, row):
    found, nearest = profile_of("team-chat-7", family_of(identity), ("team-chat-7-1", identity)), profile_of(row)
    assert (found.model, found.known, found.input_dbu) == ("team-chat-7", False, None)
    assert found.max_output == nearest.max_output
    assert matrix_line(found).split(maxsplit=1)[1] == matrix_line(nearest).split(maxsplit=1)[1]


def test_a_family_that_is_given_wins_over_the_name():
    assert profile_of("databricks-gpt-5", "llama").family == "llama"


def test_a_name_nothing_is_known_of_is_another_family_that_may_do_everything_a_chat_can():
    found = profile_of("team-chat")
    assert (found.family, found.known, found.tools, found.structured_output, found.sampling) == (
        "other",
        False,
        True,
        True,
        True,
    )
    assert found.context_window is None


@pytest.mark.parametrize(
    ("name", "capability", "reason"),
    [
        ("databricks-gemma-3-12b", "tools", "it writes tool calls as raw text"),
        ("databricks-gte-large-en", "tools", "an embedding model answers with vectors"),
        ("databricks-gpt-image-2", "structured_output", "an image model answers with pictures"),
        ("databricks-gpt-oss-20b", "mid_system", "not known to take mid system"),
        ("databricks-gpt-oss-20b", "tools", None),
    ],
)
def test_a_profile_says_why_a_capability_is_missing(name, capability, reason):
    assert profile_of(name).why_not(capability) == reason


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("databricks-claude-opus-4-5", (4, 5)),
        ("databricks-claude-3-7-sonnet", (3, 7)),
        ("databricks-gemini-3-flash", (3,)),
        ("databricks-gemini-3-5-flash", (3, 5)),
        ("gemini-3.5-flash", (3, 5)),
        ("databricks-meta-llama-3-3-70b-instruct", (3, 3)),
        ("databricks-deepseek-v4-1-flash-1017", (4, 1)),
        ("databricks-deepseek-v4-pro-0813", (4,)),
        ("databricks-kimi-k2-7", (2, 7)),
        ("databricks-qwen35-122b-a10b", (35,)),
        ("databricks-gpt-oss-120b", ()),
        ("databricks-inkling", ()),
    ],
)
def test_the_version_in_a_name_is_its_digits_between_dashes(name, version):
    assert version_of(name) == version


def test_only_codex_and_pro_are_served_on_responses_alone():
    assert {row.model for row in known_models() if row.responses_only} == {
        "databricks-gpt-5-1-codex-max",
        "databricks-gpt-5-1-codex-mini",
        "databricks-gpt-5-2-codex",
        "databricks-gpt-5-3-codex",
        "databricks-gpt-5-4-pro",
        "databricks-gpt-5-5-pro",
    }


def test_only_gemini_2_5_has_a_greatest_thinking_budget():
    bounded = {row.model: row.max_thinking_budget for row in known_models() if row.max_thinking_budget is not None}
    assert bounded == {f"databricks-gemini-2-5-{line}": 24_576 for line in ("flash", "flash-lite", "pro")}


def test_embeddings_are_sent_twenty_at_a_time():
    assert {row.model: row.embedding_batch for row in known_models() if row.kind == "embedding"} == {
        "databricks-bge-large-en": 20,
        "databricks-gte-large-en": 20,
        "databricks-qwen3-embedding-0-6b": 20,
    }
