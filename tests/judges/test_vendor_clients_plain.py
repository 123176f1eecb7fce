"""The vendors' own clients, unchanged, against the simulated workspace in plain mode over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from dbx_gateway.testing.server import RunningServer, serve
from dbx_gateway.testing.workspace import Workspace

CLAUDE, CLAUDE_ADAPTIVE = "databricks-claude-sonnet-4-5", "databricks-claude-opus-4-7"
GPT = "databricks-gpt-5-4"
GEMINI, OLD_GEMINI = "databricks-gemini-3-pro", "databricks-gemini-2-5-pro"
QUESTION = "Add 2 and 3"
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x", "y"],
    "additionalProperties": False,
}


class Sum(BaseModel):
    """Two numbers to add."""

    x: int
    y: int


@tool
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serve(Workspace(mode="plain")) as running:
        yield running


# anthropic


@pytest.fixture
def claude(server: RunningServer) -> Iterator[anthropic.Anthropic]:
    url = f"{server.url}/serving-endpoints/anthropic"
    with anthropic.Anthropic(base_url=url, auth_token=server.workspace.token, max_retries=0) as client:
        yield client


def test_anthropic_reads_a_text(claude):
    message = claude.messages.create(model=CLAUDE, max_tokens=100, messages=[{"role": "user", "content": "Hello"}])
    assert [block.text for block in message.content] == ["You said: Hello"]
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 1, 3)


@pytest.mark.parametrize(
    ("model", "thinking"),
    [(CLAUDE, {"type": "enabled", "budget_tokens": 1024}), (CLAUDE_ADAPTIVE, {"type": "adaptive"})],
)
def test_anthropic_streams_thinking_and_text(claude, model, thinking):
    asked = [{"role": "user", "content": "Hello"}]
    with claude.messages.stream(model=model, max_tokens=2000, thinking=thinking, messages=asked) as stream:
        said = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert said == "You said: Hello"
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].signature
    assert message.usage.output_tokens_details.thinking_tokens > 0


def test_anthropic_makes_a_tool_round_trip_with_thinking(claude):
    asked: dict[str, Any] = {
        "model": CLAUDE,
        "max_tokens": 2000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "add", "description": "Add two numbers.", "input_schema": PARAMETERS}],
    }
    history: list[Any] = [{"role": "user", "content": QUESTION}]
    with claude.messages.stream(**asked, messages=history) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    call = first.content[1]
    assert (call.name, call.input) == ("add", {"x": 2, "y": 3})
    history += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "5"}]},
    ]
    last = claude.messages.create(**asked, messages=history)
    assert last.content[-1].text == "The tools answered: 5"


def test_anthropic_parses_structured_output(claude):
    message = claude.messages.parse(
        model=CLAUDE, max_tokens=100, messages=[{"role": "user", "content": QUESTION}], output_format=Sum
    )
    assert message.parsed_output == Sum(x=2, y=3)


def test_anthropic_raises_its_own_error(claude):
    with pytest.raises(anthropic.BadRequestError, match="text content blocks must be non-empty"):
        claude.messages.create(model=CLAUDE, max_tokens=100, messages=[{"role": "user", "content": ""}])


# openai


@pytest.fixture
def gpt(server: RunningServer) -> Iterator[openai.OpenAI]:
    url = f"{server.url}/serving-endpoints"
    with openai.OpenAI(base_url=url, api_key=server.workspace.token, max_retries=0) as client:
        yield client


FUNCTION: dict[str, Any] = {
    "type": "function",
    "name": "add",
    "description": "Add two numbers.",
    "parameters": PARAMETERS,
    "strict": True,
}


def test_openai_reads_a_text(gpt):
    response = gpt.responses.create(model=GPT, input="Hello")
    assert response.output_text == "You said: Hello"
    assert (response.status, response.usage.input_tokens, response.usage.output_tokens) == ("completed", 1, 3)


def test_openai_streams_reasoning_and_text(gpt):
    with gpt.responses.stream(model=GPT, input="Hello", reasoning={"effort": "low", "summary": "auto"}) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        response = stream.get_final_response()
    assert said == "You said: Hello"
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].summary[0].text.startswith("The user wants")


def test_openai_makes_a_tool_round_trip_with_reasoning(gpt):
    asked: dict[str, Any] = {
        "model": GPT,
        "tools": [FUNCTION],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    history: list[Any] = [{"role": "user", "content": QUESTION}]
    with gpt.responses.stream(**asked, input=history) as stream:
        first = stream.get_final_response()
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    call = first.output[1]
    assert json.loads(call.arguments) == {"x": 2, "y": 3}
    history += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "5"})
    last = gpt.responses.create(**asked, input=history)
    assert last.output_text == "The tools answered: 5"


def test_openai_parses_structured_output(gpt):
    response = gpt.responses.parse(model=GPT, input=QUESTION, text_format=Sum)
    assert response.output_parsed == Sum(x=2, y=3)


def test_openai_raises_its_own_error(gpt):
    with pytest.raises(openai.BadRequestError, match="No tool call found") as raised:
        gpt.responses.create(model=GPT, input=[{"type": "function_call_output", "call_id": "call_1", "output": "5"}])
    assert raised.value.param == "input"


# google-genai


@pytest.fixture
def gemini(server: RunningServer) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"{server.url}/serving-endpoints/gemini", api_version="v1beta")
    with genai.Client(api_key=server.workspace.token, http_options=options) as client:
        yield client


def declared() -> list[types.Tool]:
    schema = {key: value for key, value in PARAMETERS.items() if key != "additionalProperties"}
    declaration = types.FunctionDeclaration(
        name="add", description="Add two numbers.", parameters=types.Schema.model_validate(schema)
    )
    return [types.Tool(function_declarations=[declaration])]


def test_google_reads_a_text(gemini):
    response = gemini.models.generate_content(model=OLD_GEMINI, contents="Hello")
    assert response.text == "You said: Hello"
    assert response.candidates[0].finish_reason == types.FinishReason.STOP
    assert response.usage_metadata.prompt_token_count == 1


def test_google_streams_thoughts_and_text(gemini):
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    chunks = list(gemini.models.generate_content_stream(model=GEMINI, contents="Hello", config=config))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    assert "".join(part.text for part in parts if part.thought).startswith("The user wants")
    assert "".join(part.text for part in parts if not part.thought) == "You said: Hello"
    assert chunks[-1].usage_metadata.thoughts_token_count > 0


@pytest.mark.parametrize("model", [GEMINI, OLD_GEMINI])
def test_google_makes_a_tool_round_trip_with_thoughts(gemini, model):
    config = types.GenerateContentConfig(
        tools=declared(),
        thinking_config=types.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    first = gemini.models.generate_content(model=model, contents=QUESTION, config=config)
    call = first.candidates[0].content.parts[-1].function_call
    assert (call.name, call.args, call.id is not None) == ("add", {"x": 2, "y": 3}, model == GEMINI)
    answer = types.FunctionResponse(id=call.id, name="add", response={"output": "5"})
    history = [
        types.Content(role="user", parts=[types.Part(text=QUESTION)]),
        first.candidates[0].content,
        types.Content(role="user", parts=[types.Part(function_response=answer)]),
    ]
    last = gemini.models.generate_content(model=model, contents=history, config=config)
    assert last.text == "The tools answered: 5"


def test_google_calls_a_python_function_by_itself(gemini):
    def add(x: int, y: int) -> int:
        """Add two numbers."""
        return x + y

    # google-genai 2 reads annotations as they stand, and here they are texts.
    add.__annotations__ = {"x": int, "y": int, "return": int}
    config = types.GenerateContentConfig(tools=[add])
    response = gemini.models.generate_content(model=GEMINI, contents=QUESTION, config=config)
    assert response.text == "The tools answered: 5"


def test_google_parses_structured_output(gemini):
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Sum)
    response = gemini.models.generate_content(model=OLD_GEMINI, contents=QUESTION, config=config)
    assert response.parsed == Sum(x=2, y=3)


def test_google_raises_its_own_error(gemini):
    empty = types.Content(role="user", parts=[types.Part()])
    with pytest.raises(genai.errors.ClientError, match="required oneof field 'data'") as raised:
        gemini.models.generate_content(model=OLD_GEMINI, contents=[empty])
    assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")


# LangChain's integrations of the vendors


def chat_openai(server: RunningServer, *, responses: bool) -> ChatOpenAI:
    return ChatOpenAI(
        model=GPT,
        base_url=f"{server.url}/serving-endpoints",
        api_key=server.workspace.token,
        use_responses_api=responses,
        reasoning={"effort": "low", "summary": "auto"} if responses else None,
        max_retries=0,
    )


def chat_anthropic(server: RunningServer) -> ChatAnthropic:
    return ChatAnthropic(
        model=CLAUDE,
        base_url=f"{server.url}/serving-endpoints/anthropic",
        api_key=server.workspace.token,
        max_tokens=2000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        max_retries=0,
    )


@pytest.fixture(params=["ChatOpenAI on responses", "ChatOpenAI on chat-completions", "ChatAnthropic"])
def chat(server, request) -> Any:
    match request.param:
        case "ChatAnthropic":
            return chat_anthropic(server)
        case name:
            return chat_openai(server, responses="responses" in name)


def test_langchain_reads_a_text(chat):
    message = chat.invoke("Hello")
    assert message.text == "You said: Hello"
    assert message.usage_metadata["input_tokens"] == 1


def test_langchain_streams_a_text(chat):
    whole = AIMessageChunk("")
    for chunk in chat.stream("Hello"):
        whole += chunk
    assert whole.text == "You said: Hello"


def test_langchain_makes_a_tool_round_trip(chat):
    bound = chat.bind_tools([add])
    history: list[Any] = [HumanMessage(QUESTION)]
    history.append(bound.invoke(history))
    (call,) = history[-1].tool_calls
    assert (call["name"], call["args"]) == ("add", {"x": 2, "y": 3})
    result = add.invoke(call)
    assert isinstance(result, ToolMessage)
    assert bound.invoke([*history, result]).text == "The tools answered: 5"
