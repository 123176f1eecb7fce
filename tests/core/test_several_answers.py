"""Several answers by several calls: when, and what they add up to."""

import threading

import pytest

from dbx_gateway import AsyncClient, Client
from dbx_gateway.auth.callers_thread import callers_thread
from dbx_gateway.call.actions import left_when, together, wait
from dbx_gateway.call.several_answers import check_calls, combined, missing, needs_calls
from dbx_gateway.chat import Alternative, ChatRequest, ChatResponse, Exchange, Finish, Usage, assistant, user
from dbx_gateway.errors import DbxGatewayError, InvalidRequestError, ServerError

STOP, CUT = Finish(reason="stop"), Finish(reason="length")
EXCHANGE = Exchange(surface="s", family="f", api="a", url="u")


def request(**fields):
    return ChatRequest(model="m", messages=(user("Hi"),), **fields)


def response(text, finish=STOP, **fields):
    return ChatResponse(message=assistant(text), finish=finish, exchange=EXCHANGE, **fields)


@pytest.mark.parametrize(
    ("api", "body", "expected"),
    [
        ("responses", {}, True),
        ("messages", {"n": 2}, True),
        ("chat-completions", {}, True),
        ("chat-completions", {"n": 2}, False),
        ("generate-content", {"generationConfig": {"candidateCount": 2}}, False),
        ("generate-content", {"generationConfig": {}}, True),
        ("generate-content", {"n": 2}, True),
    ],
)
def test_calls_are_made_where_the_request_is_for_one_answer(api, body, expected):
    assert needs_calls(request(n=2), body, api) is expected


@pytest.mark.parametrize("n", [None, 1])
def test_one_answer_needs_no_more_calls(n):
    assert not needs_calls(request(n=n), {}, "responses")


def test_a_stream_and_an_agent_are_refused_with_what_to_do():
    with pytest.raises(InvalidRequestError, match="leave n out of it, or ask without streaming, which makes 3 calls"):
        check_calls(request(n=3, stream=True), may_act=False)
    with pytest.raises(InvalidRequestError, match="it may be an agent, which would act 3 times: leave n out"):
        check_calls(request(n=3), may_act=True)
    check_calls(request(n=3), may_act=False)


def test_the_others_are_alternatives_and_tokens_are_summed():
    first = Usage(input=1, output=2, total=3, cache_read=4, reasoning=1, raw={"a": 1})
    second = Usage(input=10, output=20, total=30, cache_read=40, audio_in=5, raw={"b": 2})
    whole = combined([response("a", usage=first, id="1", extras={"x": 1}), response("b", CUT, usage=second, id="2")])
    assert (whole.text, whole.finish, whole.id, whole.extras) == ("a", STOP, "1", {"x": 1})
    assert whole.alternatives == (Alternative(message=assistant("b"), finish=CUT),)
    assert whole.usage == Usage(input=11, output=22, total=33, cache_read=44, reasoning=1, audio_in=5)
    assert whole.usage.raw == {"answers": [{"a": 1}, {"b": 2}]}


def test_answers_of_one_request_and_of_calls_come_together_in_order():
    first = response("a", alternatives=(Alternative(message=assistant("b"), finish=CUT),))
    whole = combined([first, response("c"), response("d")])
    assert [other.message.text for other in whole.alternatives] == ["b", "c", "d"]


@pytest.mark.parametrize(("n", "expected"), [(None, 0), (1, 0), (2, 0), (3, 1), (4, 2)])
def test_answers_that_a_server_left_out_are_counted(n, expected):
    two = response("a", alternatives=(Alternative(message=assistant("b"), finish=CUT),))
    assert missing(request(n=n), two) == expected
    assert missing(request(n=n), None) == 0


def test_tokens_are_unknown_where_those_of_one_call_are():
    assert combined([response("a", usage=Usage(input=1, total=1)), response("b")]).usage is None


def test_a_flow_is_left_before_its_next_action_and_closed():
    ended, over = [], []

    def flow():
        try:
            yield from wait(0)
            yield from wait(0)
        finally:
            ended.append(True)
        return "done"

    left = left_when(lambda: bool(over), flow())
    next(left)
    over.append(True)
    with pytest.raises(StopIteration) as end:
        next(left)
    assert (end.value.value, ended) == (None, [True])


def test_a_flow_that_nobody_leaves_returns_its_result():
    def flow():
        yield from wait(0)
        return "done"

    running = left_when(lambda: False, flow())
    next(running)
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == "done"


# --- flows at once -----------------------------------------------------------------------------------------------

CLIENT = {"model": "m", "host": "https://w.example.com", "token": "t"}


def returns(value):
    yield from wait(0)
    return value


def endless(ended):
    try:
        while True:
            yield from wait(0.001)
    finally:
        ended.set()


async def run(way, flow):
    if way == "async":
        return await AsyncClient(**CLIENT)._driver.run(flow)
    return Client(**CLIENT)._driver.run(flow)


WAYS = pytest.mark.parametrize("way", ["sync", "async"])


@WAYS
async def test_flows_at_once_return_their_results_in_order(way):
    assert await run(way, together([returns(number) for number in range(5)])) == list(range(5))


@WAYS
async def test_the_first_failure_is_the_outcome_and_the_others_are_left(way):
    failure, ended = ServerError("no"), threading.Event()
    assert await run(way, together([returns(1), endless(ended), returns(failure)])) is failure
    assert ended.wait(5)


@WAYS
async def test_what_is_no_failure_of_a_call_is_raised_and_the_others_are_left(way):
    ended = threading.Event()

    def broken():
        yield from wait(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run(way, together([endless(ended), broken()]))
    assert ended.wait(5)


def test_a_thread_that_asks_for_something_after_no_other_could_begin_is_refused(monkeypatch):
    start, begun, left, refused = threading.Thread.start, [], threading.Event(), threading.Event()

    def one_only(thread):
        if thread.name == "dbx-gateway-answer":
            begun.append(thread)
            if len(begun) > 1:
                raise RuntimeError("can't start new thread")
        start(thread)

    def asks():
        left.wait(5)
        with pytest.raises(DbxGatewayError, match="left by its caller"):
            callers_thread().have_done(lambda: None)
        refused.set()
        yield from wait(0)

    monkeypatch.setattr(threading.Thread, "start", one_only)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Client(**CLIENT)._driver.run(together([asks(), returns(1)]))
    left.set()
    assert refused.wait(5)
