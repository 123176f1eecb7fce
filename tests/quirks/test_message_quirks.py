import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.models.profile import Profile
from dbx_gateway.quirks.catalogue import applicable, fix_request
from dbx_gateway.quirks.quirk import Context


def call(call_id, name="add"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def turn(*ids, content=None):
    return {"role": "assistant", "content": content, "tool_calls": [call(one) for one in ids]}


def result(call_id, content="4"):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


USER = {"role": "user", "content": "2 + 2?"}
BLANK = {"type": "text", "text": " \n"}


@pytest.mark.parametrize("content", ["", "  ", [], [{"type": "text", "text": ""}]])
def test_tool_calls_beside_blank_content_are_sent_with_null(content, at, fixed):
    body = {"messages": [USER, turn("a", content=content)]}
    assert fixed("empty-assistant-content", body, at("claude"))["messages"] == [USER, turn("a", content=None)]


def test_tool_calls_beside_real_content_keep_it(at, fixed):
    body = {"messages": [turn("a", content="Let me see.")]}
    assert fixed("empty-assistant-content", body, at("claude")) is body


def test_blank_text_parts_are_left_out_and_the_others_stay(at, fixed):
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    body = {"messages": [{"role": "user", "content": [BLANK, {"type": "text", "text": "What is it?"}, picture]}]}
    assert fixed("empty-parts", body, at("claude"))["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}
    ]


@pytest.mark.parametrize("content", ["", " ", [BLANK], []])
def test_messages_that_say_nothing_are_left_out(content, at, fixed):
    body = {"messages": [{"role": "user", "content": content}, USER]}
    assert fixed("empty-parts", body, at("claude"))["messages"] == [USER]


def test_a_conversation_is_never_emptied(at, fixed):
    body = {"messages": [{"role": "user", "content": ""}]}
    assert fixed("empty-parts", body, at("claude")) is body


def test_messages_with_calls_or_results_stay_when_their_text_goes(at, fixed):
    body = {"messages": [turn("a", content=[BLANK]), result("a", [BLANK])]}
    assert fixed("empty-parts", body, at("claude"))["messages"] == [turn("a", content=[]), result("a", [])]


def test_a_blank_part_with_a_signature_stays(at, fixed):
    signed = {"type": "text", "text": "", "thoughtSignature": "c2ln"}
    body = {"messages": [{"role": "assistant", "content": [signed]}]}
    assert fixed("empty-parts", body, at("gemini")) is body


def test_the_cache_mark_of_a_blank_part_moves_to_the_part_before(at, fixed):
    mark = {"type": "ephemeral"}
    spoken = {"type": "text", "text": "A long document."}
    body = {"messages": [{"role": "user", "content": [spoken, {**BLANK, "cache_control": mark}]}]}
    assert fixed("empty-parts", body, at("claude", "messages"))["messages"] == [
        {"role": "user", "content": [{**spoken, "cache_control": mark}]}
    ]


def test_a_cache_mark_with_no_part_to_move_to_is_warned_about(at, fixed, caplog):
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    blank = {**BLANK, "cache_control": {"type": "ephemeral"}}
    body = {"messages": [USER, {"role": "assistant", "content": [thought, blank]}]}
    assert fixed("empty-parts", body, at("claude", "messages"))["messages"][1]["content"] == [thought]
    assert "cache_control" in caplog.text


def test_blank_system_text_is_left_out_on_messages(at, fixed):
    told = {"type": "text", "text": "Be brief."}
    body = {"system": [BLANK, told], "messages": [USER]}
    assert fixed("empty-parts", body, at("claude", "messages")) == {"system": [told], "messages": [USER]}
    assert fixed("empty-parts", {"system": "", "messages": [USER]}, at("claude", "messages")) == {"messages": [USER]}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [BLANK]},
        {"type": "document", "source": {"type": "content", "content": []}, "content": []},
    ],
)
def test_a_list_inside_another_block_than_a_tool_result_stays(block, at, fixed):
    body = {"messages": [USER, {"role": "assistant", "content": [block]}]}
    assert fixed("empty-parts", body, at("claude", "messages")) is body


def test_blank_text_inside_a_tool_result_is_left_out_on_messages(at, fixed):
    given = {"type": "tool_result", "tool_use_id": "a", "content": [BLANK]}
    body = {"messages": [{"role": "user", "content": [given]}]}
    assert fixed("empty-parts", body, at("claude", "messages"))["messages"] == [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}
    ]


@pytest.mark.parametrize("content", ["", "\n", None, [], [BLANK]])
def test_an_empty_tool_result_becomes_a_placeholder(content, at, fixed):
    body = {"messages": [turn("a"), result("a", content)]}
    assert fixed("empty-tool-result", body, at("qwen"))["messages"] == [turn("a"), result("a", "[No output]")]


@pytest.mark.parametrize("bare", [{"role": "assistant"}, {"role": "assistant", "content": None, "tool_calls": []}])
def test_an_assistant_turn_without_anything_is_left_out(bare, at, fixed):
    assert fixed("bare-assistant", {"messages": [USER, bare, USER]}, at("claude"))["messages"] == [USER, USER]


@pytest.mark.parametrize("extra", [{"refusal": "No."}, {"audio": {"id": "sound"}}, {"tool_calls": [call("a")]}])
def test_an_assistant_turn_with_anything_else_than_content_stays(extra, at, fixed):
    body = {"messages": [USER, {"role": "assistant", "content": None, **extra}]}
    assert fixed("bare-assistant", body, at("claude")) is body


def test_parallel_calls_are_told_one_after_the_other_with_the_text_on_the_first(at, fixed):
    body = {"messages": [USER, turn("a", "b", content="Two at once."), result("b", "B"), result("a", "A"), USER]}
    assert fixed("split-parallel-tool-results", body, at("llama"))["messages"] == [
        USER,
        turn("a", content="Two at once."),
        result("a", "A"),
        turn("b"),
        result("b", "B"),
        USER,
    ]


@pytest.mark.parametrize(
    "results", [[result("a")], [result("a"), result("c")], [result("a"), result("a")], [result("a"), USER, result("b")]]
)
def test_calls_and_results_that_do_not_match_are_left_to_the_server(results, at, fixed):
    body = {"messages": [turn("a", "b"), *results]}
    assert fixed("split-parallel-tool-results", body, at("llama")) is body


def test_gemini_and_claude_batches_stay_together(at):
    for family in ("claude", "gemini"):
        assert "split-parallel-tool-results" not in {quirk.name for quirk in applicable(at(family))}


def test_system_messages_in_a_row_become_one(at, fixed):
    body = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "system", "content": "Be brief."}, USER]}
    assert fixed("merge-system", body, at("gpt"))["messages"] == [
        {"role": "system", "content": "Be kind.\n\nBe brief."},
        USER,
    ]


def test_system_messages_of_parts_are_joined_part_by_part(at, fixed):
    part = {"type": "text", "text": "Be kind."}
    body = {"messages": [{"role": "developer", "content": [part]}, {"role": "system", "content": "Be brief."}, USER]}
    assert fixed("merge-system", body, at("gpt"))["messages"] == [
        {"role": "developer", "content": [part, {"type": "text", "text": "Be brief."}]},
        USER,
    ]


def test_system_messages_apart_stay_apart(at, fixed):
    body = {"messages": [{"role": "system", "content": "One."}, USER, {"role": "system", "content": "Two."}]}
    assert fixed("merge-system", body, at("gpt")) is body


def test_the_name_of_a_message_is_left_out_with_one_warning(at, fixed, caplog):
    body = {"messages": [{**USER, "name": "Ada"}, {**USER, "name": "Bob"}]}
    assert fixed("drop-name", body, at("llama"))["messages"] == [USER, USER]
    assert caplog.text.count("name of a message was left out") == 1
    assert 'disabled_quirks=["drop-name"]' in caplog.text


def test_the_name_of_a_tool_message_goes_without_a_word(at, fixed, caplog):
    body = {"messages": [turn("a"), {**result("a"), "name": "add"}]}
    assert fixed("drop-name", body, at("llama"))["messages"] == [turn("a"), result("a")]
    assert caplog.text == ""


TEXTS = st.sampled_from(["", " ", "text"])
PARTS = st.lists(st.builds(lambda text: {"type": "text", "text": text}, TEXTS), max_size=2)
CONTENTS = st.one_of(st.none(), TEXTS, PARTS)
PLAIN = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "user"]),
    st.one_of(TEXTS, PARTS),
)
SAID = st.builds(lambda content: {"role": "assistant", "content": content}, CONTENTS)


@st.composite
def rounds(draw):
    ids = [f"call_{draw(st.integers(0, 9))}_{number}" for number in range(draw(st.integers(1, 3)))]
    asked = turn(*ids, content=draw(CONTENTS))
    return [asked, *(result(one, draw(CONTENTS)) for one in draw(st.permutations(ids)))]


HISTORIES = st.lists(st.one_of(PLAIN.map(lambda one: [one]), SAID.map(lambda one: [one]), rounds()), max_size=6).map(
    lambda groups: [{"role": "user", "content": "Begin."}, *(message for group in groups for message in group)]
)


@settings(max_examples=100, deadline=None)
@given(messages=HISTORIES, family=st.sampled_from(["claude", "gpt", "llama", "gemini"]))
def test_any_history_is_fixed_in_one_pass_loses_no_call_and_changes_nothing_given(messages, family):
    profile = Profile(model="m", family=family)
    context = Context(
        model="m", surface="ai-gateway", family=family, api="chat-completions", stream=False, profile=profile
    )
    body = {"messages": messages}
    before = copy.deepcopy(body)
    sent = fix_request(body, context, applicable(context))
    assert body == before
    assert fix_request(sent, context, applicable(context)) is sent
    for key, inner in (("tool_calls", "id"), ("tool_call_id", None)):
        assert sorted(ids(body, key, inner)) == sorted(ids(sent, key, inner))


def ids(body, key, inner):
    for message in body["messages"]:
        if key in message:
            yield from [one[inner] for one in message[key]] if inner else [message[key]]


def test_a_long_history_without_anything_to_fix_is_not_copied(at):
    body = {"model": "m", "messages": [USER, turn("a"), result("a")] * 100}
    context = at("claude")
    assert fix_request(body, context, applicable(context)) is body


def test_what_a_fix_does_not_change_is_not_copied(at, fixed):
    body = {"messages": [USER, turn("a", content=""), result("a")]}
    sent = fixed("empty-assistant-content", body, at("claude"))
    assert sent["messages"][0] is USER
    assert sent["messages"][1]["tool_calls"] is body["messages"][1]["tool_calls"]


def test_turns_in_a_row_of_one_speaker_become_one(at, fixed):
    body = {
        "messages": [
            {"role": "user", "content": "2 + 2?"},
            {"role": "user", "content": "Quick!"},
            {"role": "user", "content": [{"type": "text", "text": "Please."}]},
            {"role": "assistant", "content": "Let me see."},
            turn("a"),
            result("a"),
            {"role": "user", "content": "So?"},
        ]
    }
    texts = [{"type": "text", "text": text} for text in ("2 + 2?\n\nQuick!", "Please.")]
    assert fixed("merge-turns", body, at("llama"))["messages"] == [
        {"role": "user", "content": texts},
        turn("a", content="Let me see."),
        result("a"),
        {"role": "user", "content": "So?"},
    ]


@pytest.mark.parametrize(
    "messages",
    [
        [USER, turn("a"), result("a"), turn("b"), result("b"), USER],
        [USER, {**USER, "cache_control": {"type": "ephemeral"}}],
        [turn("a"), {"role": "assistant", "content": "So."}],
    ],
)
def test_other_turns_are_not_merged(messages, at, fixed):
    body = {"messages": messages}
    assert fixed("merge-turns", body, at("llama")) is body
