"""Answers that servers write oddly: content of another type, counts in words, texts that contradict one another."""

import json
from functools import partial

import httpx
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from llama_index.core.llms import ChatMessage
from support.odd_answers import APIS, MODELS, sse

from dbx_gateway import Client
from dbx_gateway.chat import Usage, tool_result, user
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.error_bodies import read_error_body
from dbx_gateway.errors import BadRequestError, InvalidResponseError, ServerError
from dbx_gateway.events import fold
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

RESPONSES = DIALECTS["responses"]
TEXT = {"chat-completions": "text", "responses": "output_text", "messages": "text"}


def spoken(api, content, used=None):
    """The body of a whole answer with that content and those counts of tokens, in and out."""
    match api:
        case "chat-completions":
            usage = used and {"prompt_tokens": used[0], "completion_tokens": used[1]}
            choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            return {"id": "a", "choices": [choice], "usage": usage}
        case "responses":
            usage = used and {"input_tokens": used[0], "output_tokens": used[1]}
            item = {"type": "message", "id": "m", "role": "assistant", "content": content}
            return {"id": "a", "status": "completed", "output": [item], "usage": usage}
        case "messages":
            usage = used and {"input_tokens": used[0], "output_tokens": used[1]}
            head = {"id": "a", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
            return {**head, "content": content, "usage": usage}
        case _:
            usage = used and {"promptTokenCount": used[0], "candidatesTokenCount": used[1]}
            return {"candidates": [{"content": {"parts": content}, "finishReason": "STOP"}], "usageMetadata": usage}


def part(api, text):
    return {"text": text} if api == "generate-content" else {"type": TEXT[api], "text": text}


@pytest.mark.parametrize("api", APIS)
def test_content_of_any_type_is_the_text_that_it_says(api):
    for content in ("hi", part(api, "hi"), [part(api, "h"), part(api, "i")]):
        assert DIALECTS[api].decode(spoken(api, content), "m").text == "hi"
    for number in (42, 1.5):
        assert DIALECTS[api].decode(spoken(api, number), "m").text == str(number)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("used", [(10, 5), (10.0, 5.0), ("10", "5"), ("10.0", 5)])
def test_counts_are_read_from_numbers_however_they_are_written(api, used):
    usage = DIALECTS[api].decode(spoken(api, [part(api, "hi")], used), "m").usage
    assert (usage.input, usage.output, usage.total) == (10, 5, 15)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("used", [("many", 5), (10, "few"), (10.5, 5), (True, 5), ([10], 5), ("1e3", 5)])
def test_a_count_that_is_no_number_leaves_the_usage_unknown(api, used):
    answer = DIALECTS[api].decode(spoken(api, [part(api, "hi")], used), "m")
    assert (answer.text, answer.usage) == ("hi", None)


def test_a_count_that_is_unreadable_at_the_end_does_not_leave_that_of_the_start():
    decoder = DIALECTS["messages"].decoder("m")
    start = {"id": "a", "type": "message", "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}
    events = decoder.feed({"type": "message_start", "message": start})
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": "few"}}
    events += decoder.feed(end) + decoder.feed({"type": "message_stop"}) + decoder.close()
    assert fold(events).usage is None


# Responses


def streamed(*events, created=True):
    decoder = RESPONSES.decoder("m")
    first = [{"type": "response.created", "response": {"id": "a", "model": "m"}}] if created else []
    handed_out = [one for event in (*first, *events) for one in decoder.feed(event)]
    return fold([*handed_out, *decoder.close()])


def completed(output, **fields):
    return {"type": "response.completed", "response": {"id": "a", "status": "completed", "output": output, **fields}}


def saying(text):
    return {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def delta(text):
    return {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text}


def done(text):
    return {"type": "response.output_item.done", "output_index": 0, "item": saying(text)}


def test_no_output_in_the_last_event_changes_nothing():
    assert streamed(delta("hi"), done("hi"), completed(None)).text == "hi"
    assert RESPONSES.decode({"id": "a", "status": "completed", "output": None}, "m").text == ""
    only = {"id": "a", "status": "completed", "output": None, "output_text": "hi"}
    assert RESPONSES.decode(only, "m").text == "hi"


@pytest.mark.parametrize("event", [{"status": "cancelled"}, {"status": "in_progress"}, {}])
def test_a_cancelled_answer_raises_with_what_had_arrived(event):
    with pytest.raises(ServerError, match="was cancelled") as caught:
        streamed(delta("hi"), {"type": "response.cancelled", "response": event})
    assert caught.value.partial.text == "hi"
    said = {"code": "server_error", "message": "The operator stopped it."}
    with pytest.raises(ServerError, match="The operator stopped it"):
        RESPONSES.decode({"id": "a", "status": "cancelled", "output": [], "error": said}, "m")


@pytest.mark.parametrize("middle", [(), (done("hello"),)])
@pytest.mark.parametrize("final", ["good-bye", "hello there", "Hello"])
def test_another_text_at_the_end_than_was_streamed_is_an_error(middle, final):
    if not middle and final.startswith("hello"):
        assert streamed(delta("hello"), completed([saying(final)])).text == final  # only the rest had been missing
        return
    with pytest.raises(InvalidResponseError, match="another text than it had streamed") as caught:
        streamed(delta("hello"), *middle, completed([saying(final)]))
    assert caught.value.partial.text == "hello"


@pytest.mark.parametrize("final", ["hello ", "hello", "hell", ""])
def test_a_text_that_the_end_repeats_or_shortens_stays_as_it_was_streamed(final):
    assert streamed(delta("hello "), done("hello "), completed([saying(final)])).text == "hello "


SUMMARY = {"type": "summary_text", "text": "hm"}
PROOF = {"type": "reasoning", "id": "r", "summary": [SUMMARY], "encrypted_content": "ENC"}
BARE = {"type": "reasoning", "id": "r", "summary": [SUMMARY]}


def reasoned(added, ended, last):
    return streamed(
        {"type": "response.output_item.added", "output_index": 0, "item": {**added, "summary": []}},
        {"type": "response.output_item.done", "output_index": 0, "item": ended},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "hi"},
        completed([last, saying("hi")]),
    ).message.parts


@pytest.mark.parametrize("places", [(PROOF, BARE, BARE), (BARE, PROOF, BARE), (BARE, BARE, PROOF), (PROOF,) * 3])
@pytest.mark.parametrize("empty", [{}, {"encrypted_content": ""}, {"encrypted_content": None}])
def test_the_proof_of_reasoning_is_kept_wherever_it_stands(places, empty):
    reasoning, text = reasoned(*(place if place is PROOF else place | empty for place in places))
    assert (reasoning.text, reasoning.encrypted, text.text) == ("hm", "ENC", "hi")


BARE_EMPTY, PROOF_EMPTY = BARE | {"summary": []}, PROOF | {"summary": []}


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_proof_of_reasoning_without_text_is_kept_wherever_it_stands(at):
    places = [BARE_EMPTY] * 3
    assert [getattr(part, "encrypted", "") for part in reasoned(*places)] == [None, ""]
    places[at] = PROOF_EMPTY
    assert [getattr(part, "encrypted", "") for part in reasoned(*places)] == ["ENC", ""]


def test_a_proof_that_comes_late_for_reasoning_without_an_id_is_told(caplog):
    bare, proof = ({key: value for key, value in one.items() if key != "id"} for one in (BARE_EMPTY, PROOF_EMPTY))
    assert [part.encrypted for part in reasoned(bare, bare, bare)[:1]] == [None]
    assert "proof" not in caplog.text
    assert [part.encrypted for part in reasoned(bare, bare, proof)[:1]] == [None]
    assert "only with its last event" in caplog.text


CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "w", "arguments": "{}", "status": "completed"}


def adds(number, item):
    return {"type": "response.output_item.added", "output_index": number, "item": item}


def ends(number, item):
    return {"type": "response.output_item.done", "output_index": number, "item": item}


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("asks", [Client, ChatDbxGateway, partial(ChatDbxGateway, output_version="v1"), DbxGateway])
def test_the_proof_of_reasoning_without_text_goes_back_before_its_call(asks, at):
    places = [BARE_EMPTY] * 3
    places[at] = PROOF_EMPTY
    events = [
        {"type": "response.created", "response": {"id": "a", "model": "m"}},
        *(adds(0, places[0]), ends(0, places[1]), adds(1, CALL), ends(1, CALL)),
        completed([places[2], CALL]),
    ]
    sent = []

    def handle(request):
        sent.append(json.loads(request.content))
        if sent[-1].get("stream"):
            return httpx.Response(200, text=sse(events), headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json={"id": "b", "status": "completed", "output": [saying("ok")]})

    model = asks(
        model=MODELS["responses"],
        host="https://ws.example.com",
        token="t",
        surface="ai-gateway",
        http_client=httpx.Client(transport=httpx.MockTransport(handle)),
    )
    if asks is Client:
        answer = fold(model.stream("q")).message
        model.chat([user("q"), answer, tool_result(answer.tool_calls[0], "r")])
    elif asks is DbxGateway:
        answer = [*model.stream_chat([ChatMessage("q")])][-1].message
        model.chat([ChatMessage("q"), answer, ChatMessage("r", role="tool", additional_kwargs={"tool_call_id": "c1"})])
    else:
        chunks = [*model.stream([HumanMessage("q")])]
        answer = sum(chunks[1:], chunks[0])
        model.invoke([HumanMessage("q"), answer, ToolMessage("r", tool_call_id="c1")])
    kinds = [(item["type"], item.get("encrypted_content")) for item in sent[-1]["input"]]
    expected = [("message", None), ("reasoning", "ENC"), ("function_call", None), ("function_call_output", None)]
    assert kinds == expected


def test_reasoning_without_a_proof_does_not_keep_an_agents_answer_open():
    answer = streamed(
        {"type": "response.output_item.done", "output_index": 0, "item": BARE},
        done("hi") | {"output_index": 1},
        created=False,
    )
    assert (answer.text, answer.usage or Usage()) == ("hi", Usage())


# Pages


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<html><body>Rate limit exceeded</body></html>", "an HTML page: Rate limit exceeded"),
        ("<p>upstream connect error</p>", "an HTML page: upstream connect error"),
        ("<html><head><title></title><style>a{b}</style></head><h1>Busy</h1><p>Wait &amp; see", "an HTML page: Busy Wait & see"),
        ("<!doctype html><script>if (a < b) x()</script><div>No &lt;healthy&gt; upstream</div>", "an HTML page: No <healthy> upstream"),
        ("<html><title>Sign in</title><body>Databricks</body></html>", "an HTML page: Sign in"),
        ("<html></html>", "an HTML page"),
    ],
)  # fmt: skip
def test_a_page_says_its_title_or_else_its_words(page, words):
    assert read_error_body(page.encode()).message == words


# A failure that passes


ASKS_FOR_A_RETRY = (
    "Model response did not respect the required format. Please consider retrying or using a simpler prompt."
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("words", "family", "sends"),
    [(ASKS_FOR_A_RETRY, None, 2), (ASKS_FOR_A_RETRY, "agent", 1), ("Retrying is not supported.", None, 1)],
)
def test_a_400_that_asks_for_a_retry_is_sent_again_but_never_to_an_agent(monkeypatch, words, family, sends, stream):
    monkeypatch.setattr("dbx_gateway.call.retries._FIRST_PAUSE", 0.0)
    sent = []

    def handle(request):
        if request.method == "GET":
            return httpx.Response(404, json={})
        sent.append(request)
        return httpx.Response(400, json={"error_code": "BAD_REQUEST", "message": words})

    client = Client(
        model=MODELS["chat-completions"],
        family=family,
        host="https://ws.example.com",
        token="t",
        surface="model-serving",
        max_retries=1,
        http_client=httpx.Client(transport=httpx.MockTransport(handle)),
    )
    with pytest.raises(BadRequestError) as caught:
        list(client.stream("q")) if stream else client.chat("q")
    assert len(sent) == sends
    assert caught.value.retryable == (sends == 2)


USED = {"promptTokenCount": 3, "totalTokenCount": 3}
MALFORMED = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Bad call: print(1)"}]}
NO_CANDIDATE = {"usageMetadata": USED, "modelVersion": "gemini"}
SPOKEN = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failed", "words"), [(MALFORMED, "Bad call"), (MALFORMED | NO_CANDIDATE, "Bad call"), (NO_CANDIDATE, "neither a candidate"),
     ({"candidates": []}, "neither a candidate"), ({"promptFeedback": {}}, "neither a candidate")]
)  # fmt: skip
def test_an_answer_that_the_server_says_has_failed_is_asked_for_again_and_then_an_error(
    monkeypatch, failed, words, stream
):
    monkeypatch.setattr("dbx_gateway.call.retries._FIRST_PAUSE", 0.0)
    answers = []

    def handle(request):
        body = answers.pop(0)
        if stream:
            return httpx.Response(200, text=sse([body]), headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=body)

    client = Client(
        model=MODELS["generate-content"],
        host="https://ws.example.com",
        token="t",
        surface="ai-gateway",
        max_retries=1,
        http_client=httpx.Client(transport=httpx.MockTransport(handle)),
    )
    answers[:] = [failed, SPOKEN]
    assert (fold(client.stream("q")) if stream else client.chat("q")).text == "hi"
    answers[:] = [failed, failed]
    with pytest.raises(ServerError, match=words):
        list(client.stream("q")) if stream else client.chat("q")
    assert answers == []


def test_what_was_handed_out_before_a_failure_stays_an_answer_that_says_so():
    spoken = {"content": {"parts": [{"text": "hi"}]}, **MALFORMED["candidates"][0]}
    answer = DIALECTS["generate-content"].decode({"candidates": [spoken]}, "m")
    assert (answer.text, answer.finish.reason, answer.finish.message) == ("hi", "error", "Bad call: print(1)")
