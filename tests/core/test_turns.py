"""The order of turns: results directly after their calls on every api, and no call without its result."""

import copy
from dataclasses import replace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.promises import promise

from dbx_gateway import Client
from dbx_gateway.call.turns import check_answered, in_order
from dbx_gateway.chat import (
    Message,
    Native,
    Origin,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    assistant,
    system,
    user,
)
from dbx_gateway.errors import BadRequestError, InvalidRequestError
from dbx_gateway.testing import Workspace, workspace_transport

ADD = ToolSpec(name="add", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})
CLAUDE, GPT = "databricks-claude-sonnet-4-6", "databricks-gpt-5-4"
GEMINI, GEMINI_3 = "databricks-gemini-2-5-pro", "databricks-gemini-3-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
ROUTES = {
    "claude": {"model": CLAUDE},
    "claude on chat": {"model": CLAUDE, "api": "chat-completions"},
    "gpt": {"model": GPT},
    "gpt on chat": {"model": "databricks-gpt-5-1", "api": "chat-completions"},
    "gemini": {"model": GEMINI},
    "gemini 3": {"model": GEMINI_3},
    "gemini on chat": {"model": GEMINI, "api": "chat-completions"},
    "llama": {"model": LLAMA},
    "qwen": {"model": "databricks-qwen35-122b-a10b"},
}
each_route = pytest.mark.parametrize("route", ROUTES)


def call(number, name="add"):
    return ToolCall(call_id=f"c{number}", name=name, arguments='{"a": 1}')


def result(*numbers, text="done"):
    parts = tuple(ToolResult(call_id=f"c{number}", name="add", content=(Text(text),)) for number in numbers)
    return Message(role="tool", parts=parts)


def client(workspace, **settings):
    fields = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway", "max_retries": 0}
    return Client(**fields | {"http_client": httpx.Client(transport=workspace_transport(workspace))} | settings)


def asked(route, *messages, **settings):
    """The answer of a workspace that has the strictness of a real one, and what it was sent."""
    workspace = Workspace()
    answer = client(workspace, **ROUTES[route], **settings).chat(messages, tools=(ADD,))
    return answer, [one.body for one in workspace.ledger.model_calls()]


ASKED, GO_ON = user("Add it."), user("And now?")
A, B, AB = assistant(call(1)), assistant(call(2)), assistant(call(1), call(2))
WAIT, HURRY, NOTE = user("Wait."), user("Hurry."), system("Be brief.")

SHUFFLED = {
    "a user between": ((ASKED, A, WAIT, result(1)), (ASKED, A, result(1), WAIT)),
    "a user between who is answered": (
        (ASKED, A, WAIT, assistant("I am."), result(1), GO_ON),
        (ASKED, A, result(1), WAIT, assistant("I am."), GO_ON),
    ),
    "a user between results": ((ASKED, AB, result(1), WAIT, result(2)), (ASKED, AB, result(1), result(2), WAIT)),
    "two users between": ((ASKED, A, WAIT, HURRY, result(1)), (ASKED, A, result(1), WAIT, HURRY)),
    "nothing between": ((ASKED, A, Message(role="user"), result(1)), (ASKED, A, result(1), Message(role="user"))),
    "a system message between": ((ASKED, A, NOTE, result(1)), (ASKED, A, result(1), NOTE)),
    "text before a result in one message": (
        (ASKED, A, Message(role="user", parts=(Text("So?"), *result(1).parts))),
        (ASKED, A, result(1), user("So?")),
    ),
    "a result and text, before another result": (
        (ASKED, AB, Message(role="user", parts=(*result(1).parts, Text("So?"))), result(2)),
        (ASKED, AB, result(1), result(2), user("So?")),
    ),
    "results of two messages in one": (
        (ASKED, A, WAIT, B, Message(role="tool", parts=(*result(2).parts, *result(1).parts))),
        (ASKED, A, result(1), WAIT, B, result(2)),
    ),
    "two messages of one reply": ((ASKED, A, B, result(2), result(1)), (ASKED, AB, result(2), result(1))),
    "words after the call": (
        (ASKED, A, assistant("Adding."), result(1)),
        (ASKED, assistant(call(1), "Adding."), result(1)),
    ),
    "words after one result": (
        (ASKED, AB, result(1), assistant("Half."), result(2)),
        (ASKED, assistant("Half."), AB, result(1), result(2)),
    ),
    "another model's call after a call": (
        (ASKED, A, replace(B, origin=Origin("messages", "m")), result(2), result(1)),
        (ASKED, A, result(1), replace(B, origin=Origin("messages", "m")), result(2)),
    ),
    "a later round": (
        (ASKED, A, result(1), B, WAIT, result(2)),
        (ASKED, A, result(1), B, result(2), WAIT),
    ),
    "an id that comes back": (
        (ASKED, A, result(1), A, WAIT, result(1, text="again")),
        (ASKED, A, result(1), A, result(1, text="again"), WAIT),
    ),
}


@pytest.mark.parametrize("case", SHUFFLED)
def test_what_stands_between_a_call_and_its_result_moves(case):
    given, wanted = SHUFFLED[case]
    before = copy.deepcopy(given)
    assert in_order(given) == wanted
    assert given == before
    assert in_order(wanted) is wanted


IN_ORDER = {
    "words": (NOTE, ASKED, assistant("So."), GO_ON),
    "a round": (ASKED, A, result(1), assistant("So."), GO_ON),
    "calls at once": (ASKED, AB, result(2), result(1)),
    "calls at once, one message": (ASKED, AB, result(1, 2)),
    "results and words in one message": (ASKED, A, Message(role="user", parts=(*result(1).parts, Text("So?")))),
    "a result in the message of its call": (ASKED, assistant(call(1), *result(1).parts, "So."), GO_ON),
    "a call that a server ran": (ASKED, assistant(Native(api="messages", payload={"type": "server_tool_use"})), GO_ON),
    "an id that comes back": (ASKED, A, result(1), GO_ON, A, result(1)),
}


@pytest.mark.parametrize("case", IN_ORDER)
def test_a_conversation_in_order_is_left_as_it_is(case):
    given = IN_ORDER[case]
    assert in_order(given) is given
    check_answered(given)


@promise("turns-in-any-order")
@each_route
@pytest.mark.parametrize("case", [case for case in SHUFFLED if case != "an id that comes back"])
def test_every_family_takes_turns_in_any_order(route, case):
    given, _ = SHUFFLED[case]
    _, bodies = asked(route, *given)
    assert len(bodies) == 1
    for message in given:
        for part in message.parts:
            if isinstance(part, Text):
                assert part.text in str(bodies[0])


@each_route
def test_every_family_refuses_a_user_between_a_call_and_its_result_but_messages_and_responses(route, monkeypatch):
    """So the order is needed: as it is given, a workspace does not take it."""
    monkeypatch.setattr("dbx_gateway.call.flow.in_order", lambda messages: messages)
    if route in ("claude", "gpt"):  # their writers, or the api itself, take any place after the call
        asked(route, ASKED, A, WAIT, result(1))
        return
    with pytest.raises(BadRequestError):
        asked(route, ASKED, A, WAIT, result(1))


UNANSWERED = {
    "the last turn": (
        (ASKED, A),
        "'c1' of 'add' has no result: the conversation ends with tool calls; add the tools' results",
    ),
    "an interrupted run": ((ASKED, A, GO_ON), "tool call 'c1' of 'add' has no result: .* leave the call out"),
    "one of two": ((ASKED, AB, result(1), GO_ON), "tool call 'c2' of 'add' has no result"),
    "the first of two rounds": ((ASKED, A, GO_ON, B, result(2)), "tool call 'c1' of 'add' has no result"),
    "an id twice": ((ASKED, A, A, result(1)), "tool call 'c1' of 'add' has no result"),
    "two results": ((ASKED, A, result(1), result(1)), "tool call 'c1' has two results; keep one"),
}


@promise("calls-have-results")
@each_route
@pytest.mark.parametrize("case", UNANSWERED)
def test_a_call_that_has_not_one_result_is_refused_with_its_id_before_anything_is_sent(route, case):
    messages, words = UNANSWERED[case]
    workspace = Workspace()
    with pytest.raises(InvalidRequestError, match=words) as caught:
        client(workspace, **ROUTES[route]).chat(messages, tools=(ADD,))
    assert 'disabled_quirks=["unanswered-calls"]' in caught.value.message
    assert workspace.ledger.entries("") == []


@each_route
@pytest.mark.parametrize("case", [case for case in UNANSWERED if case != "an id twice"])
def test_without_that_check_the_request_is_sent_and_the_workspace_refuses_it(route, case):
    messages, _ = UNANSWERED[case]
    for disabled in ("unanswered-calls", "all"):
        with pytest.raises(BadRequestError):
            asked(route, *messages, disabled_quirks=(disabled,))


# --- system messages ---------------------------------------------------------------------------------------------

TAKES_LATE_SYSTEM = ("gpt", "gpt on chat")
LATER = (system("First rule."), system("Second rule."), user("Hi."), assistant("Ho."), system("Be brief."), user("So?"))


@promise("later-system-messages")
@each_route
def test_a_later_system_message_keeps_its_place_on_every_family(route):
    _, (body,) = asked(route, *LATER)
    sent = str(body)
    assert ("<system>" in sent) is (route not in TAKES_LATE_SYSTEM)
    assert sent.index("Ho.") < sent.index("Be brief.") < sent.index("So?")
    assert "First rule." in sent
    assert "Second rule." in sent


@each_route
@pytest.mark.parametrize(
    "messages",
    [
        (ASKED, A, NOTE, result(1)),
        (ASKED, A, result(1), NOTE),
        (ASKED, AB, result(1), NOTE, result(2), user("So?")),
        (ASKED, NOTE),
        (ASKED, assistant("Ho."), NOTE),
        (NOTE, ASKED, assistant("Ho."), NOTE, NOTE, user("So?"), NOTE),
    ],
)
def test_a_system_message_may_stand_anywhere(route, messages):
    _, (body,) = asked(route, *messages)
    assert str(body).count("Be brief.") == messages.count(NOTE)


def test_a_model_that_takes_system_messages_in_the_middle_is_sent_one_where_it_may_stand():
    workspace, model = Workspace(), "databricks-claude-opus-5"
    client(workspace, model=model).chat((user("Hi."), NOTE, assistant("Ho."), NOTE, user("So?")))
    (sent,) = workspace.ledger.model_calls()
    assert [message["role"] for message in sent.body["messages"]] == ["user", "system", "assistant", "user"]


# --- the first and the last turn ---------------------------------------------------------------------------------

GREETED = (assistant("How can I help?"), user("Add it."))


@promise("assistant-first")
@each_route
@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_begins_with_the_assistant_goes_as_it_is_and_after_a_refusal_behind_a_users_turn(
    route, stream, caplog
):
    workspace = Workspace()
    front = client(workspace, **ROUTES[route])
    for _ in range(2):
        if stream:
            list(front.stream(GREETED))
        else:
            front.chat(GREETED)
    bodies = [one.body for one in workspace.ledger.model_calls()]
    refuses = route not in ("gpt", "gpt on chat")
    assert len(bodies) == (3 if refuses else 2)
    assert "begins.)" not in str(bodies[0])
    assert all(("begins.)" in str(body)) is refuses for body in bodies[1:])
    assert ("begin with the assistant, which was refused" in caplog.text) is refuses
    assert (assistant("How can I help?"), user("Add it.")) == GREETED


@pytest.mark.parametrize("messages", [(NOTE, *GREETED), (AB, result(1, 2), user("So?"))])
@each_route
def test_so_does_one_that_begins_with_rules_or_with_calls(route, messages):
    _, bodies = asked(route, *messages)
    assert "How can I help?" in str(bodies[-1]) or "done" in str(bodies[-1])


@pytest.mark.parametrize("disabled", ["user-first", "all"])
def test_that_repair_can_be_turned_off(disabled):
    with pytest.raises(BadRequestError, match='first message must use the "user" role'):
        asked("claude", *GREETED, disabled_quirks=(disabled,))


@each_route
@pytest.mark.parametrize(
    "last", [(assistant("Once upon"),), (A, WAIT, assistant("I am."), result(1)), (assistant(Refusal("No.")),)]
)
def test_a_conversation_that_ends_with_the_assistant_is_refused_with_the_remedy_where_the_model_does_not_go_on(
    route, last
):
    if not route.startswith("claude"):
        asked(route, ASKED, *last)
        return
    with pytest.raises(InvalidRequestError, match=r"does not continue one \(no prefill\); end with a user message"):
        asked(route, ASKED, *last)


# --- any order ---------------------------------------------------------------------------------------------------

words = st.integers(0, 999).map(lambda number: f"word {number}.")
plain = st.one_of(words.map(user), words.map(system), words.map(assistant), st.sampled_from([assistant(), user()]))


@st.composite
def conversations(draw):
    """Turns of every kind; most calls have their results somewhere after them."""
    made, number = [], 0
    for turn in draw(st.lists(plain | st.integers(1, 3), min_size=1, max_size=6)):
        if isinstance(turn, Message):
            made.append(turn)
            continue
        ids = range(number, number + turn)
        number += turn
        made.append(
            replace(assistant(*map(call, ids)), origin=draw(st.sampled_from([None, Origin("messages", CLAUDE)])))
        )
        here = len(made)
        for one in ids:
            beside = draw(words)
            message = draw(
                st.sampled_from([result(one), Message(role="user", parts=(Text(beside), *result(one).parts))])
            )
            made.insert(draw(st.integers(here, len(made))), message)
    lost = draw(st.integers(-20, len(made) - 1))
    return [message for at, message in enumerate(made) if at != lost] or made


@promise("turns-in-any-order")
@given(messages=conversations())
@settings(max_examples=60, deadline=None)
def test_any_turns_in_any_order_are_our_own_error_or_taken_by_every_family_with_no_text_lost(messages):
    before = copy.deepcopy(messages)
    for workspace, front in LAW.values():
        asked_before = len(workspace.ledger.model_calls())
        try:
            front.chat(messages, tools=(ADD,))
        except InvalidRequestError:
            assert len(workspace.ledger.model_calls()) == asked_before
            continue
        sent = str(workspace.ledger.model_calls()[-1].body)
        assert all(part.text in sent for message in messages for part in message.parts if isinstance(part, Text))
    assert messages == before


def _law():
    for route, fields in ROUTES.items():
        workspace = Workspace()
        yield route, (workspace, client(workspace, **fields))


LAW = dict(_law())
"""A workspace for each route, and a client of it."""
