"""Ids that are made here for tool calls, where the server gives none and all its answers have one id."""

import httpx
import pytest

from dbx_gateway import Client, ToolSpec
from dbx_gateway.call.minted_ids import MintedIds
from dbx_gateway.chat import Alternative, ChatRequest, Finish, ToolCall, ToolChoice, assistant, tool_result, user
from dbx_gateway.events import End, ToolCallEnd, ToolCallStart, fold
from dbx_gateway.testing import Workspace, workspace_transport

NUMBERS = {"x": {"type": "integer"}, "y": {"type": "integer"}}
ADD = ToolSpec(name="add", parameters={"type": "object", "properties": NUMBERS, "required": ["x", "y"]})
CALLED = Finish(reason="tool_calls")


def connected(model):
    workspace = Workspace()
    http = httpx.Client(transport=workspace_transport(workspace))
    return Client(
        model=model, host="https://ws.example.com", token=workspace.token, surface="ai-gateway", http_client=http
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "choice"),
    [("databricks-gemini-2-5-pro", None), ("databricks-claude-sonnet-5-5", ToolChoice("required", ("add",)))],
)
def test_no_two_calls_of_a_conversation_have_one_id_where_all_answers_have_one(model, choice, stream):
    client, history, ids = connected(model), [], []
    for number in range(4):
        history.append(user(f"add {number} and 1"))
        if stream:
            answer = fold(client.stream(history, tools=[ADD], tool_choice=choice))
        else:
            answer = client.chat(history, tools=[ADD], tool_choice=choice)
        (call,) = answer.executable_tool_calls
        ids.append(call.call_id)
        history += [answer.message, tool_result(call, str(number + 1)), assistant("Done.")]
    assert len(set(ids)) == 4


def minted(call_id, name="add"):
    return ToolCall(call_id=call_id, name=name, arguments="{}", minted=True)


def test_an_id_is_changed_alike_in_an_answer_its_stream_and_its_alternatives():
    ids = MintedIds(frozenset({"a"}))
    message, _ = ids.message(assistant(minted("a"), minted("b")), CALLED)
    changed, kept = message.tool_calls
    assert changed.call_id not in ("a", "b")
    assert kept == minted("b")
    reader = ids.reader()
    end = End(CALLED, alternatives=(Alternative(message=assistant(minted("a")), finish=CALLED),))
    events = [ToolCallStart(0, "a", "add"), ToolCallEnd(0, minted("a")), ToolCallStart(1, "b", "add"), end]
    start, ended, other, last = (one for event in events for one in reader(event))
    assert start.call_id == ended.call.call_id == changed.call_id
    assert other.call_id == "b"
    assert last.alternatives[0].message.tool_calls[0].call_id == changed.call_id


def test_a_conversation_whose_ids_are_the_servers_needs_nothing():
    history = (user("q"), assistant(ToolCall(call_id="a", name="add", arguments="{}")))
    assert MintedIds.of(ChatRequest(model="m", messages=history)) is None
