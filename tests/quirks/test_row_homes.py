"""One test for each row of docs/wire/quirks.md that is no quirk and is not shown better elsewhere.

docs/quirks.md says which test stands for which row.
"""

import threading

import httpx
import pytest

from dbx_gateway.auth.credentials import Credentials, Granted, Names, SdkCredentials
from dbx_gateway.auth.signing import CredentialsAuth, normalise_host
from dbx_gateway.call.checks import check_last_turn
from dbx_gateway.call.tool_names import ToolNames
from dbx_gateway.chat import (
    Blob,
    CacheHint,
    ChatRequest,
    Image,
    Message,
    Origin,
    Reasoning,
    Segment,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    user,
)
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.error_bodies import RequestTarget, api_error
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.events import fold
from dbx_gateway.models.families import Family
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.models.routing import candidates, choose_surface, endpoint_route

CHAT, RESPONSES = DIALECTS["chat-completions"], DIALECTS["responses"]
CLAUDE = "databricks-claude-sonnet-4-5"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
GPT = "databricks-gpt-5-4"
ADD = ToolSpec(name="add", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})
PICTURE = Image(blob=Blob(url="https://example.com/cat.png"))


def encoded(model, *messages, dialect=CHAT, **options):
    return dialect.encode(ChatRequest(model=model, messages=messages, **options), profile_of(model))


def whole(message, *, usage=None, end="stop"):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": end}
    return {"id": "cc-1", "choices": [choice], **({"usage": usage} if usage else {})}


def chunk(delta=None, *, end=None, usage=None):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": end}]
    return {"id": "cc-1", "choices": choices, **({"usage": usage} if usage else {})}


def streamed(*events, dialect=CHAT, model=CLAUDE):
    decoder = dialect.decoder(model)
    handed_out = [one for event in events for one in decoder.feed(event)]
    return fold([*handed_out, *decoder.sentinel(), *decoder.close()])


# Chat-completions


def test_pictures_of_tool_results_go_behind_all_results_of_the_turn():
    calls = tuple(ToolCall(call_id=one, name="add", arguments="{}") for one in "ab")
    results = tuple(ToolResult(call_id=one, content=(Text("see"), PICTURE)) for one in "ab")
    body = encoded(
        CLAUDE, user("Go."), Message(role="assistant", parts=calls), Message(role="tool", parts=results), tools=(ADD,)
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "tool", "user"]


def test_a_single_text_is_sent_as_a_string():
    assert encoded(LLAMA, Message(role="user", parts=(Text("Hi."),)))["messages"] == [
        {"role": "user", "content": "Hi."}
    ]


def test_a_tool_choice_without_tools_is_not_sent():
    assert "tool_choice" not in encoded(LLAMA, user("Hi."), tool_choice=ToolChoice("auto"))


def test_a_tool_name_outside_the_charset_is_mapped_and_mapped_back():
    request = ChatRequest(model=LLAMA, messages=(user("Hi."),), tools=(ToolSpec(name="größe.addieren"),))
    names = ToolNames.of(request)
    (tool,) = names.outward(request).tools
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in tool.name)
    answer = CHAT.decode(
        whole({"tool_calls": [{"id": "a", "type": "function", "function": {"name": tool.name, "arguments": "{}"}}]}),
        LLAMA,
    )
    assert names.answer(answer).tool_calls[0].name == "größe.addieren"


def test_reasoning_inside_a_list_of_content_is_read():
    summary = [{"type": "summary_text", "text": "Easy.", "signature": "c2ln"}]
    content = [{"type": "reasoning", "summary": summary}, {"type": "text", "text": "4"}]
    answer = CHAT.decode(whole({"content": content}), CLAUDE)
    assert (answer.message.reasoning, answer.text) == ("Easy.", "4")
    assert streamed(chunk({"content": content[:1]}), chunk({"content": content[1:]}), chunk({}, end="stop")) == answer


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_content_is_read(key):
    answer = CHAT.decode(whole({key: "Easy.", "content": "4"}), "databricks-glm-5-2")
    assert (answer.message.reasoning, answer.text) == ("Easy.", "4")


def test_reasoning_is_never_sent_back_on_chat_completions():
    thought = Reasoning(segments=(Segment("summary", "Easy."),), signature="c2ln")
    said = Message(role="assistant", parts=(thought, Text("4")), origin=Origin("chat-completions", CLAUDE))
    body = encoded(CLAUDE, user("2 + 2?"), said, user("Sure?"))
    assert body["messages"][1] == {"role": "assistant", "content": "4"}


def test_the_signature_of_a_gemini_call_goes_back_where_it_came_from():
    model = "databricks-gemini-3-pro"
    call = {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}, "thoughtSignature": "c2ln"}
    answer = CHAT.decode(whole({"content": None, "tool_calls": [call]}, end="tool_calls"), model)
    result = Message(role="tool", parts=(ToolResult(call_id="a", content=(Text("4"),)),))
    assert encoded(model, user("Go."), answer.message, result, tools=(ADD,))["messages"][1]["tool_calls"] == [call]


def test_text_in_a_list_with_a_signature_is_read_as_text():
    content = [{"type": "text", "text": "4", "thoughtSignature": "c2ln"}]
    assert CHAT.decode(whole({"content": content}), "databricks-gemini-3-pro").text == "4"


def test_a_cache_mark_stands_in_a_content_part_and_for_claude_only():
    marked = Message(role="user", parts=(Text("Long.", cache=CacheHint()), Text("Short.")))
    part = {"type": "text", "text": "Long."}
    assert encoded(CLAUDE, marked)["messages"][0]["content"][0] == {**part, "cache_control": {"type": "ephemeral"}}
    assert encoded(LLAMA, marked)["messages"][0]["content"][0] == part


def test_a_call_without_arguments_may_come_with_empty_text():
    call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": ""}}
    answer = CHAT.decode(whole({"content": None, "tool_calls": [call]}, end="tool_calls"), LLAMA)
    assert answer.executable_tool_calls[0].parsed() == {}


def test_of_usage_on_every_chunk_the_last_counts():
    first = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    last = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    answer = streamed(chunk({"content": "4"}, usage=first), chunk({}, end="stop", usage=last))
    assert (answer.usage.input, answer.usage.output, answer.usage.total) == (9, 5, 14)


def test_a_chunk_of_usage_without_choices_is_read():
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    answer = streamed(chunk({"content": "4"}), chunk({}, end="stop"), chunk(usage=usage))
    assert (answer.text, answer.usage.total) == ("4", 14)


def test_an_agents_messages_without_choices_are_read():
    body = {"messages": [{"role": "assistant", "content": "4", "id": "m1"}]}
    assert CHAT.decode(body, "legacy-agent").text == "4"


# Responses


MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "4", "annotations": []}]}


def responses_events(*, delta_id="msg_1", extra=()):
    item = {**MESSAGE, "id": "msg_1", "status": "completed"}
    done = {"id": "resp_1", "object": "response", "status": "completed", "model": GPT, "output": [item]}
    at = {"output_index": 0, "content_index": 0, "item_id": delta_id}
    return [
        {"type": "response.created", "response": {**done, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *extra,
        {"type": "response.output_text.delta", **at, "delta": "4"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]


def test_text_that_the_done_events_repeat_is_read_once():
    assert streamed(*responses_events(), dialect=RESPONSES, model=GPT).text == "4"


def test_a_delta_under_another_item_id_belongs_to_its_output_index():
    plain = streamed(*responses_events(), dialect=RESPONSES, model=GPT)
    assert streamed(*responses_events(delta_id="msg_other"), dialect=RESPONSES, model=GPT) == plain


def test_an_event_without_a_type_is_no_part_of_the_answer():
    plain = streamed(*responses_events(), dialect=RESPONSES, model=GPT)
    answer = streamed(*responses_events(extra=[{"trace_id": "tr-1"}]), dialect=RESPONSES, model=GPT)
    assert (answer.message, answer.finish) == (plain.message, plain.finish)


def test_item_ids_of_answers_are_not_sent_back():
    body = {"id": "resp_1", "object": "response", "status": "completed", "output": [{**MESSAGE, "id": "msg_1"}]}
    answer = RESPONSES.decode(body, GPT)
    items = encoded(GPT, user("2 + 2?"), answer.message, user("Sure?"), dialect=RESPONSES)["input"]
    assert all("id" not in item for item in items)


# Errors, profiles, routes


def test_a_message_that_is_json_in_json_is_unwrapped():
    inner = '{"message":"{\\"message\\":\\"text content blocks must be non-empty\\"}"}'
    body = {"error_code": "BAD_REQUEST", "message": inner}
    error = api_error(400, {}, body, RequestTarget(CLAUDE, "a route"))
    assert "400 BAD_REQUEST: text content blocks must be non-empty" in error.message


def test_a_conversation_that_ends_with_the_assistant_is_refused_where_the_model_takes_no_prefill():
    model = "databricks-claude-opus-5"
    request = ChatRequest(model=model, messages=(user("Hi."), Message(role="assistant", parts=(Text("He"),))))
    with pytest.raises(InvalidRequestError, match="no prefill"):
        check_last_turn(request, profile_of(model))
    check_last_turn(request, profile_of(CLAUDE))


@pytest.mark.parametrize(
    ("model", "family"), [("system.ai.gpt-5", "gpt"), ("databricks-gpt-5", "gpt"), ("main.ai.my_gemini", "gemini")]
)
def test_a_models_name_goes_on_the_wire_as_it_was_given(model, family: Family):
    choice = choose_surface(model, "https://ws.example.com", "ai-gateway")
    routes = candidates(model, "https://ws.example.com", choice, family, profile_of(model))
    assert {route.model for route in routes} == {model}


def test_the_path_that_names_the_endpoint_takes_no_model_in_the_body():
    url = "https://ws.example.com/serving-endpoints/mine/invocations"
    assert endpoint_route(url, "mine", "other").model_in_body is False


# Credentials


@pytest.mark.parametrize("given", ["https://ws.example.com/?o=123", "https://ws.example.com?o=123", "ws.example.com"])
def test_a_host_is_reduced_to_its_scheme_and_name(given):
    assert normalise_host(given) == "https://ws.example.com"


HOST = "https://ws.example.com"


class Tokens(Credentials):
    """Gives the next of some sets of headers each time one is refused."""

    renewable = True

    def __init__(self, *headers):
        super().__init__(Names(), source="a test", identity="a test")
        self._headers = list(headers)

    def fetch(self, refused=None, deadline=None):
        if refused is not None:
            self._headers.pop(0)
        return Granted(self._headers[0], HOST)


def sent_by(credentials, answer):
    requests = []

    def handle(request):
        requests.append(request)
        return answer(request)

    with httpx.Client(transport=httpx.MockTransport(handle), auth=CredentialsAuth(credentials)) as client:
        response = client.get(HOST)
    return requests, response


def test_a_refused_token_is_renewed_and_the_request_sent_once_more():
    tokens = Tokens({"Authorization": "Bearer old"}, {"Authorization": "Bearer new"})
    requests, response = sent_by(
        tokens, lambda request: httpx.Response(200 if request.headers["authorization"] == "Bearer new" else 401)
    )
    assert (len(requests), response.status_code) == (2, 200)


def test_all_headers_of_the_credentials_are_sent():
    both = {"Authorization": "Bearer a", "X-Databricks-GCP-SA-Access-Token": "b"}
    (request,), _ = sent_by(Tokens(both), lambda _: httpx.Response(200))
    assert both.items() <= {name: request.headers[name] for name in both}.items()


class Config:
    """What stands for a config of databricks-sdk."""

    host = HOST

    def authenticate(self):
        return {"Authorization": "Bearer a"}


def test_a_config_that_blocks_is_opened_on_first_use_and_on_a_thread_of_its_own():
    threads = []

    def open_config():
        threads.append(threading.current_thread())
        return Config()

    credentials = SdkCredentials(open_config, Names(), None, source="a test", identity="a test")
    assert threads == []
    assert credentials.fetch().headers == {"Authorization": "Bearer a"}
    assert threads != [threading.current_thread()]
