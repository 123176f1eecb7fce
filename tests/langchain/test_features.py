"""One proof for each row of the feature table in ``docs/langchain.md`` that no other test is about."""

from __future__ import annotations

import asyncio
import copy
import pickle
from operator import attrgetter
from typing import Any

import httpx
import pytest
from langchain_core import exceptions
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ContextOverflowError, ModelError
from langchain_core.language_models import FakeListChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool
from pydantic import BaseModel

from dbx_gateway.errors import ConfigurationError, DbxGatewayError, InvalidRequestError
from dbx_gateway.notices import forget_notices
from dbx_gateway.testing import Fault
from dbx_gateway.version import __version__
from langchain_dbx_gateway import ChatDbxGateway

CLAUDE, GPT, GEMINI, LLAMA = (
    "databricks-claude-sonnet-4-5",
    "databricks-gpt-5-2",
    "databricks-gemini-3-pro",
    "databricks-meta-llama-3-3-70b-instruct",
)
FOUR = pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, LLAMA])


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sun in {city}"


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def bodies(workspace):
    return [call.body for call in workspace.ledger.model_calls()]


def added_up(chunks):
    full = None
    for chunk in chunks:
        full = chunk if full is None else full + chunk
    return full


# Calling


def test_invoke_with_stream_true_answers(make_llm, workspace):
    assert make_llm().invoke("hello", stream=True).text == "You said: hello"
    assert workspace.ledger.model_calls()[0].stream is True


@pytest.mark.parametrize("settings", [{"streaming": True}, {"disable_streaming": True}], ids=str)
def test_streaming_can_be_switched_on_and_off(make_llm, workspace, settings):
    llm = make_llm(**settings)
    handler = _Tokens()

    llm.invoke("hello there", config={"callbacks": [handler]})
    added_up(llm.stream("hello there"))

    streamed = "streaming" in settings
    assert [call.stream for call in workspace.ledger.model_calls()] == [streamed] * 2
    assert (len(handler.tokens) > 3) is streamed


class _Tokens(BaseCallbackHandler):
    def __init__(self):
        self.tokens = []

    def on_llm_new_token(self, token, **_):
        self.tokens.append(token)


def test_each_token_is_told_to_callbacks_once(make_llm):
    handler = _Tokens()

    full = added_up(make_llm().stream("hello there", config={"callbacks": [handler]}))

    assert "".join(handler.tokens) == full.text == "You said: hello there"


def test_a_cache_a_rate_limiter_retries_and_fallbacks_of_langchain_work(make_llm, workspace):
    llm = make_llm(cache=InMemoryCache(), rate_limiter=InMemoryRateLimiter(requests_per_second=1000), max_retries=0)
    assert llm.invoke("hello").text == llm.invoke("hello").text
    assert len(workspace.ledger.model_calls()) == 1

    workspace.inject(Fault(status=503), times=2, where="messages")
    tried = llm.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    assert tried.with_fallbacks([make_llm(GPT)]).invoke("again").response_metadata["model_name"] == GPT


def test_one_model_works_across_event_loops(make_llm):
    llm = make_llm(max_retries=0)

    assert {asyncio.run(llm.ainvoke("hello")).text for _ in range(10)} == {"You said: hello"}


# Tools


@FOUR
@pytest.mark.parametrize(
    "choice",
    [
        "any",
        "required",
        True,
        "add",
        {"type": "any"},
        {"type": "tool", "name": "add"},
        {"type": "function", "function": {"name": "add"}},
        {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["add"]}},
    ],
    ids=str,
)
def test_every_spelling_of_tool_choice_makes_the_model_call(make_llm, model, choice):
    asked = make_llm(model).bind_tools([add], tool_choice=choice).invoke("[no tools] Hello")

    assert [call["name"] for call in asked.tool_calls] == ["add"]


@FOUR
def test_a_tool_choice_of_none_keeps_the_model_from_calling(make_llm, model):
    asked = make_llm(model).bind_tools([add], tool_choice="none").invoke("add 2 and 3")

    assert asked.tool_calls == []


def test_an_unknown_tool_name_is_refused_at_bind_with_the_list_of_tools():
    with pytest.raises(InvalidRequestError, match="weather") as raised:
        ChatDbxGateway(model=CLAUDE).bind_tools([add, weather], tool_choice="whether")

    assert isinstance(raised.value, ModelError)


def test_strict_parallel_and_response_format_reach_the_model(make_llm, workspace):
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": City.model_json_schema()}}

    make_llm(GPT).bind_tools([add], strict=True, parallel_tool_calls=False, response_format=form).invoke("add 2 and 3")

    body = bodies(workspace)[0]
    assert body["tools"][0]["strict"] is True
    assert body["parallel_tool_calls"] is False
    assert body["text"]["format"]["name"] == "city"


@FOUR
def test_calls_are_streamed_as_chunks_with_an_index_each(make_llm, model):
    llm = make_llm(model, coalesce_deltas=False).bind_tools([weather])

    pieces = [
        piece for chunk in llm.stream("the weather in both 'Rome' and 'Lima'") for piece in chunk.tool_call_chunks
    ]

    assert len({piece["index"] for piece in pieces}) == 2
    assert all(isinstance(piece["index"], int) for piece in pieces)
    assert len([piece for piece in pieces if piece["name"]]) == 2


def test_a_call_that_is_cut_is_invalid_and_never_a_tool_call(make_llm, workspace):
    llm = make_llm(LLAMA).bind_tools([weather])
    told: Any = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ro'}}
    answer = {
        "id": "a",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [told]}, "finish_reason": "length"}],
    }
    workspace.inject(Fault(status=200, body=answer), where="completions")

    message = llm.invoke("the weather in 'Rome'")

    assert message.tool_calls == []
    assert [(call["name"], call["args"]) for call in message.invalid_tool_calls] == [("weather", '{"city": "Ro')]


def test_an_answer_without_choices_is_a_typed_error(make_llm, workspace):
    workspace.inject(Fault(status=200, body={"object": "chat.completion", "choices": []}), where="completions")

    with pytest.raises(DbxGatewayError, match="other than a chat completion"):
        make_llm(LLAMA, max_retries=0).invoke("hello")


# Structured output


@FOUR
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize("strict", [None, True, False])
def test_structured_output_by_schema_and_by_tool(make_llm, model, method, strict):
    structured = make_llm(model).with_structured_output(City, method=method, strict=strict, include_raw=True)

    told = structured.invoke("Name a city: 'Rome'")

    assert isinstance(told["raw"], AIMessage)
    assert isinstance(told["parsed"], City)
    assert told["parsing_error"] is None


@pytest.mark.parametrize(
    ("model", "reasoning"),
    [
        (CLAUDE, {"thinking": 1024}),
        ("databricks-claude-sonnet-4", {"thinking": 1024}),
        ("databricks-claude-3-7-sonnet", {"reasoning_effort": "low"}),
        (GPT, {"reasoning_effort": "low"}),
        (GEMINI, {"thinking": {"type": "enabled", "display": "summarized"}}),
    ],
)
def test_structured_output_beside_reasoning(make_llm, model, reasoning):
    structured = make_llm(model, **reasoning).with_structured_output(City, include_raw=True)

    told = structured.invoke("Name a city: 'Rome'")

    assert isinstance(told["parsed"], City)
    assert [block["type"] for block in told["raw"].content_blocks] == ["reasoning", "text"]


def test_a_refusal_is_an_error_of_its_own(make_llm):
    declined = getattr(exceptions, "ModelRefusalError", exceptions.OutputParserException)

    with pytest.raises(declined, match="cannot help"):
        make_llm(GPT).with_structured_output(City).invoke("[refuse] Name a city")


# Content, reasoning, usage


@FOUR
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_metadata_says_who_answered_and_how_it_ended(make_llm, model, way):
    llm = make_llm(model)
    message = llm.invoke("hello") if way == "whole" else added_up(llm.stream("hello"))

    said = message.response_metadata
    assert (said["model_name"], said["model_provider"], said["finish_reason"]) == (model, "databricks", "stop")
    assert said["request_id"].startswith("req-")
    assert message.id


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (CLAUDE, {"thinking": 1024}),
        (GPT, {"thinking": {"type": "enabled", "display": "summarized"}}),
        (GEMINI, {"thinking": {"type": "enabled", "display": "summarized"}}),
        ("databricks-gpt-oss-120b", {}),
    ],
)
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_reasoning_is_a_block_of_its_own_and_goes_back_with_its_signature(make_llm, workspace, model, settings, way):
    llm = make_llm(model, **settings).bind_tools([weather])
    asked = HumanMessage("the weather in 'Rome'")
    first = llm.invoke([asked]) if way == "whole" else added_up(llm.stream([asked]))

    answer = llm.invoke([asked, first, *[weather.invoke(call) for call in first.tool_calls]])

    thoughts = [block["reasoning"] for block in first.content_blocks if block["type"] == "reasoning"]
    assert "".join(thoughts) == "The user wants an answer to: the weather in 'Rome'"
    assert first.text == ""
    assert answer.text == "The tools answered: sun in Rome"
    assert {call.status for call in workspace.ledger.model_calls()} == {200}


def test_the_signature_of_a_gemini_call_goes_back(make_llm, workspace):
    llm = make_llm(GEMINI).bind_tools([weather])
    asked = HumanMessage("the weather in 'Rome'")
    first = llm.invoke([asked])

    llm.invoke([asked, first, *[weather.invoke(call) for call in first.tool_calls]])

    (turn,) = [turn for turn in bodies(workspace)[1]["contents"] if turn["role"] == "model"]
    assert [bool(part.get("thoughtSignature")) for part in turn["parts"] if "functionCall" in part] == [True]


def test_citations_are_annotations_of_the_text(make_llm):
    message = make_llm(GPT).invoke("[cite] hello")

    (block,) = [block for block in message.content_blocks if block["type"] == "text"]
    assert block["annotations"][0]["type"] == "citation"
    assert block["annotations"][0]["url"] == "https://example.com/echo"


def test_an_output_version_of_v1_gives_standard_blocks(make_llm):
    message = make_llm(output_version="v1").invoke("hello")

    assert message.content == [{"type": "text", "text": "You said: hello"}]


@FOUR
def test_blank_messages_anywhere_do_no_harm(make_llm, workspace, model):
    history = [
        ("system", " "),
        ("user", "hello"),
        ("assistant", ""),
        ("user", [{"type": "text", "text": ""}, {"type": "text", "text": "again"}]),
    ]

    assert make_llm(model).invoke(history).text.endswith("again")
    assert workspace.ledger.model_calls()[-1].status == 200


@FOUR
def test_the_callers_messages_are_never_changed(make_llm, model):
    call = {"type": "tool_call", "id": "c" * 100, "name": "weather", "args": {"city": "Rome"}}
    history = [
        HumanMessage([{"type": "text", "text": "the weather"}]),
        AIMessage("", tool_calls=[call]),
        ToolMessage("sun", tool_call_id="c" * 100, status="error"),
    ]
    before = copy.deepcopy(history)

    make_llm(model).bind_tools([weather]).invoke(history)

    assert history == before


class Results(BaseCallbackHandler):
    """Keeps what a call's end tells callbacks beside the messages."""

    def __init__(self):
        self.beside = []

    def on_llm_end(self, response, **_: Any):
        self.beside.append(response.llm_output)


@pytest.mark.parametrize("asked", [{}, {"model": "databricks-claude-haiku-4-5"}])
async def test_callbacks_learn_which_model_was_asked_and_what_the_answer_cost(make_llm, asked):
    results = Results()
    llm = make_llm(CLAUDE, callbacks=[results])
    answers = [*llm.batch(["Hello", "Bye"], **asked), await llm.ainvoke("Hello", **asked)]

    def told(answer):
        usage = answer.usage_metadata
        return {
            "model_name": asked.get("model", CLAUDE),
            "model_provider": "databricks",
            "id": answer.response_metadata["id"],
            "token_usage": {
                "prompt_tokens": usage["input_tokens"],
                "completion_tokens": usage["output_tokens"],
                "total_tokens": usage["total_tokens"],
            },
        }

    assert sorted(map(str, results.beside)) == sorted(str(told(answer)) for answer in answers)


@FOUR
async def test_the_tokens_of_several_answers_are_added_up(make_llm, model):
    llm = make_llm(model)
    prompts = [[HumanMessage("Hello")], [HumanMessage("Hello you")]]
    for result in (llm.generate(prompts), await llm.agenerate(prompts)):
        costs = [generations[0].message.usage_metadata for generations in result.generations]
        assert result.llm_output == {
            "model_name": model,
            "model_provider": "databricks",
            "token_usage": {
                "prompt_tokens": sum(cost["input_tokens"] for cost in costs),
                "completion_tokens": sum(cost["output_tokens"] for cost in costs),
                "total_tokens": sum(cost["total_tokens"] for cost in costs),
            },
        }


def test_a_cached_answer_and_a_streamed_one_cost_nothing_in_the_sum(make_llm):
    llm = make_llm(cache=InMemoryCache())
    once = llm.generate([[HumanMessage("Hello")]]).llm_output
    assert llm.generate([[HumanMessage("Hello")]]).llm_output == {}
    both = llm.generate([[HumanMessage("Hello")], [HumanMessage("Hello there")]]).llm_output
    alone = make_llm().generate([[HumanMessage("Hello there")]]).llm_output
    assert both == alone != once
    assert make_llm(streaming=True).generate([[HumanMessage("Hello")]]).llm_output == {}


def test_several_answers_at_once_are_generations(make_llm):
    result = make_llm(LLAMA, n=2).generate([[HumanMessage("hello")]])

    assert [generation.text for generation in result.generations[0]] == ["You said: hello"] * 2


@pytest.mark.parametrize("way", ["chunks", "events"])
def test_a_stream_of_several_answers_is_the_first_and_says_so_once(make_llm, caplog, way):
    llm = make_llm(LLAMA, n=2)
    forget_notices()

    for _ in range(2):
        if way == "chunks":
            assert "".join(chunk.text for chunk in llm.stream("hello")) == "You said: hello"
        else:
            assert llm.stream_events("hello", version="v3").output.text == "You said: hello"

    assert [record.message for record in caplog.records if "a stream carries only the first" in record.message] == [
        f"'{LLAMA}' returned 2 answers, and a stream carries only the first; use generate() without streaming to get all of them"
    ]


# Construction, identity, operation


def test_settings_are_found_by_the_names_other_classes_use(make_llm):
    llm = ChatDbxGateway(model_name="m", api_key="t", base_url="https://w.cloud.databricks.com", stop_sequences=["x"])

    assert attrgetter("model", "host", "stop")(llm) == ("m", "https://w.cloud.databricks.com", ("x",))


def test_a_misspelt_setting_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean 'temperature'"):
        ChatDbxGateway(model="m", temprature=0)


def test_a_misspelt_option_of_a_call_is_refused_with_the_nearest_name(make_llm):
    with pytest.raises(ConfigurationError, match="did you mean 'temperature'"):
        make_llm().invoke("hello", temprature=0)


def test_fields_that_only_the_workspace_knows_reach_it(make_llm, workspace):
    make_llm(LLAMA, extra_body={"top_k": 3}).invoke("hello")

    assert bodies(workspace)[0]["top_k"] == 3


def test_the_stop_of_a_call_wins_over_the_constructors(make_llm, workspace):
    make_llm(LLAMA, stop=["one"]).invoke("hello", stop=["two"])

    assert bodies(workspace)[0]["stop"] == ["two"]


def test_headers_and_the_user_agent_are_sent(make_llm, workspace):
    make_llm(default_headers={"X-Team": "blue"}).invoke("hello")

    headers = workspace.ledger.model_calls()[0].headers
    assert headers["x-team"] == "blue"
    assert "dbx-gateway/" in headers["user-agent"]
    assert "langchain-core/" in headers["user-agent"]


def test_an_http_client_of_the_callers_own_is_used(make_llm):
    seen = []
    with httpx.Client(event_hooks={"request": [seen.append]}) as client:
        make_llm(http_client=client).invoke("hello")

    assert seen


def test_a_pickle_and_a_deep_copy_work_and_hold_no_secret(workspace, url, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    llm = ChatDbxGateway(model=CLAUDE)
    secret = ChatDbxGateway(model=CLAUDE, host=url, token="dapi-very-secret")

    assert pickle.loads(pickle.dumps(llm)).invoke("hello").text == copy.deepcopy(llm).invoke("hello").text
    assert "dapi-very-secret" not in repr(pickle.dumps(secret)) + dumps(secret) + repr(secret)


@pytest.mark.parametrize("deep", [False, True])
def test_a_copy_with_other_settings_uses_them(make_llm, workspace, deep):
    llm = make_llm()
    llm.invoke("hello")

    llm.model_copy(update={"model": GPT}, deep=deep).invoke("hello")

    assert [call.model for call in workspace.ledger.model_calls()] == [CLAUDE, GPT]


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "INVALID_PARAMETER_VALUE", False),
        (401, "UNAUTHENTICATED", False),
        (403, "PERMISSION_DENIED", False),
        (404, "NOT_FOUND", False),
        (429, "REQUEST_LIMIT_EXCEEDED", True),
        (503, "TEMPORARILY_UNAVAILABLE", True),
    ],
)
def test_errors_are_langchains_and_say_whether_to_try_again(make_llm, workspace, status, code, retryable):
    workspace.inject(Fault(status=status, error_code=code), times=None, where="ai-gateway")

    with pytest.raises(ModelError) as raised:
        make_llm(max_retries=0).invoke("hello")

    assert raised.value.is_retryable is retryable


def test_a_prompt_that_is_too_long_is_a_context_overflow(make_llm, workspace):
    said = "Input is too long for requested model: prompt is too long: 300000 tokens > 200000 maximum"
    workspace.inject(Fault(status=400, error_code="BAD_REQUEST", error_message=said), where="messages")

    with pytest.raises(ContextOverflowError):
        make_llm().invoke("hello")


def test_tokens_are_estimated_offline(caplog):
    llm = ChatDbxGateway(model=CLAUDE)
    forget_notices()

    assert llm.get_num_tokens("twelve chars") == 3
    assert llm.get_num_tokens_from_messages([HumanMessage("hello")]) > 0
    assert llm.get_num_tokens_from_messages([HumanMessage("hello")], [weather]) > 20
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "the number of tokens is estimated from the number of characters"
    ]


def test_fields_are_configurable(make_llm, workspace):
    llm = make_llm().configurable_fields(model=ConfigurableField(id="llm"))

    llm.invoke("hello", config={"configurable": {"llm": GPT}})

    assert workspace.ledger.model_calls()[0].model == GPT


def test_traces_say_provider_model_and_versions(make_llm):
    llm = make_llm(temperature=0.5)

    params = llm._get_ls_params()
    assert (params["ls_provider"], params["ls_model_name"], params["ls_temperature"]) == ("databricks", CLAUDE, 0.5)


def test_traces_name_every_package_that_langchains_own_models_name_and_this_one(make_llm):
    packages = FakeListChatModel(responses=["x"]).metadata["lc_versions"]

    llm = make_llm(metadata={"team": "red"})

    assert llm.metadata == {"team": "red", "lc_versions": {**packages, "dbx-gateway": __version__}}
    assert llm.model_copy(update={"temperature": 0}).metadata == llm.metadata


def test_a_model_of_the_responses_api_alone_is_asked_there(make_llm, workspace):
    make_llm("databricks-gpt-5-3-codex").invoke("hello")

    assert [call.api for call in workspace.ledger.model_calls()] == ["responses"]
