import pytest

from dbx_gateway.quirks.catalogue import applicable

LONG = "call_" + "x" * 187
OTHER = "call_" + "x" * 186 + "y"


def test_long_ids_of_responses_are_shortened_alike_on_a_call_and_its_result(at, fixed):
    call = {"type": "function_call", "id": "fc_" + LONG, "call_id": LONG, "name": "add", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": LONG, "output": "4"}
    sent = fixed("resp-id-64", {"input": [call, output]}, at("gpt", "responses"))["input"]
    assert sent[0]["call_id"] == sent[1]["call_id"]
    assert all(len(sent[0][key]) <= 64 for key in ("id", "call_id"))
    assert {**sent[0], "id": call["id"], "call_id": LONG} == call


def test_long_ids_of_chat_are_shortened_alike_on_a_call_and_its_result(at, fixed):
    call = {"id": LONG, "type": "function", "function": {"name": "add", "arguments": "{}"}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    told = {"role": "tool", "tool_call_id": LONG, "content": "4"}
    sent = fixed("resp-id-64", {"messages": [asked, told]}, at("claude"))["messages"]
    assert sent[0]["tool_calls"][0]["id"] == sent[1]["tool_call_id"]
    assert len(sent[1]["tool_call_id"]) <= 64


def test_two_long_ids_that_differ_at_their_end_stay_different(at, fixed):
    items = [{"type": "function_call_output", "call_id": one, "output": ""} for one in (LONG, OTHER)]
    first, second = fixed("resp-id-64", {"input": items}, at("gpt", "responses"))["input"]
    assert first["call_id"] != second["call_id"]


@pytest.mark.parametrize("body", [{"input": "2 + 2?"}, {"input": [{"role": "user", "content": "Hi", "id": "a" * 64}]}])
def test_ids_that_fit_stay(body, at, fixed):
    assert fixed("resp-id-64", body, at("gpt", "responses")) is body


def test_a_reference_to_a_stored_item_keeps_its_id(at, fixed):
    body = {"input": [{"type": "item_reference", "id": LONG}]}
    assert fixed("resp-id-64", body, at("gpt", "responses")) is body


def test_what_only_an_answer_holds_is_not_sent_back(at, fixed):
    text = {"type": "output_text", "text": "4", "annotations": [], "logprobs": None}
    said = {"type": "message", "role": "assistant", "status": "completed", "phase": None, "content": [text]}
    sent = fixed("resp-output-only-fields", {"input": [said]}, at("gpt", "responses"))
    assert sent["input"] == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "4", "annotations": []}],
        }
    ]


@pytest.mark.parametrize(("family", "applies"), [("gpt", True), ("agent", True), ("grok", False)])
def test_output_only_fields_go_for_gpt_and_agents(family, applies, at):
    assert ("resp-output-only-fields" in {quirk.name for quirk in applicable(at(family, "responses"))}) is applies
