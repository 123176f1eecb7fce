"""What people do with the vendors' own clients, as small programs that raise when a client does not cope.

Each takes the address of a workspace, its token and a surface. They are run against the simulated workspace, and tell
which of the workspace's habits a client stumbles over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from dbx_gateway.surfaces import Surface

CLAUDE, GPT = "databricks-claude-sonnet-4-5", "databricks-gpt-5-4"
GEMINI, LLAMA = "databricks-gemini-3-pro", "databricks-meta-llama-3-3-70b-instruct"
QUESTION, TWICE = "Add 2 and 3", "Add 2 and 3, and add 4 and 5: both"
SUM = "The tools answered: 5"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x", "y"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMA}
"""A schema as most tools and MCP servers publish theirs."""
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}

PATHS: dict[Surface, dict[str, str]] = {
    "ai-gateway": {
        "anthropic": "/ai-gateway/anthropic",
        "responses": "/ai-gateway/openai/v1",
        "chat": "/ai-gateway/mlflow/v1",
        "gemini": "/ai-gateway/gemini",
    },
    "model-serving": {
        "anthropic": "/serving-endpoints/anthropic",
        "responses": "/serving-endpoints",
        "chat": "/serving-endpoints",
        "gemini": "/serving-endpoints/gemini",
    },
}
"""The base addresses to give to the vendors' clients (docs/wire/surfaces.md)."""


class Sum(BaseModel):
    """Two numbers to add."""

    x: int
    y: int


@tool
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@dataclass(frozen=True)
class Workspace:
    """Where a program runs: the workspace's address and token, and the surface it uses."""

    url: str
    token: str
    surface: Surface

    def base(self, api: str) -> str:
        """Return the base address for one kind of client."""
        return self.url + PATHS[self.surface][api]


Program = Callable[[Workspace], None]


@dataclass(frozen=True)
class Use:
    """One use of one client.

    Args:
        client: the client's name.
        model: the model it talks to.
        what: what is done.
        run: does it, and raises when it does not work.
    """

    client: str
    model: str
    what: str
    run: Program


def expect(found: object, wanted: object) -> None:
    """Raise when a client made something else of an answer."""
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")


# anthropic


@contextmanager
def claude(at: Workspace) -> Iterator[anthropic.Anthropic]:
    """Yield the vendor's client with a bearer token."""
    with anthropic.Anthropic(base_url=at.base("anthropic"), auth_token=at.token, max_retries=0) as client:
        yield client


def anthropic_text(at: Workspace) -> None:
    with claude(at) as client:
        message = client.messages.create(model=CLAUDE, max_tokens=99, messages=[{"role": "user", "content": "Hello"}])
    expect([block.text for block in message.content], ["You said: Hello"])


def anthropic_stream(at: Workspace) -> None:
    asked: Any = [{"role": "user", "content": "Hello"}]
    with claude(at) as client, client.messages.stream(model=CLAUDE, max_tokens=99, messages=asked) as stream:
        expect("".join(stream.text_stream), "You said: Hello")
        expect(stream.get_final_message().usage.input_tokens, 1)


def anthropic_tools(at: Workspace, **more: Any) -> None:
    offered = {"name": "add", "description": "Add.", "input_schema": SCHEMA, **more}
    asked: Any = {"model": CLAUDE, "max_tokens": 2000, "thinking": THINKING, "tools": [offered]}
    history: list[Any] = [{"role": "user", "content": QUESTION}]
    with claude(at) as client:
        with client.messages.stream(**asked, messages=history) as stream:
            first = stream.get_final_message()
        result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "5"}
        history += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        last = client.messages.create(**asked, messages=history)
    expect(last.content[-1].text, SUM)


def anthropic_eager(at: Workspace) -> None:
    anthropic_tools(at, eager_input_streaming=True)


def anthropic_structured(at: Workspace) -> None:
    with claude(at) as client:
        asked: Any = [{"role": "user", "content": QUESTION}]
        message = client.messages.parse(model=CLAUDE, max_tokens=99, messages=asked, output_format=Sum)
    expect(message.parsed_output, Sum(x=2, y=3))


def anthropic_search(at: Workspace) -> None:
    offered: Any = [{"type": "web_search_20250305", "name": "web_search"}]
    asked: Any = [{"role": "user", "content": "Hello"}]
    with claude(at) as client:
        message = client.messages.create(model=CLAUDE, max_tokens=99, messages=asked, tools=offered)
    expect(message.stop_reason, "end_turn")


# openai, responses


@contextmanager
def gpt(at: Workspace, api: str = "responses") -> Iterator[openai.OpenAI]:
    """Yield the vendor's client."""
    with openai.OpenAI(base_url=at.base(api), api_key=at.token, max_retries=0) as client:
        yield client


FUNCTION: Any = {"type": "function", "name": "add", "description": "Add.", "parameters": SCHEMA, "strict": True}


def responses_text(at: Workspace) -> None:
    with gpt(at) as client:
        expect(client.responses.create(model=GPT, input="Hello").output_text, "You said: Hello")


def responses_stream(at: Workspace) -> None:
    with gpt(at) as client, client.responses.stream(model=GPT, input="Hello") as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    expect(said, "You said: Hello")


def responses_tools(at: Workspace) -> None:
    asked: Any = {"model": GPT, "tools": [FUNCTION], "reasoning": {"effort": "low", "summary": "auto"}}
    asked["include"] = ["reasoning.encrypted_content"]
    history: list[Any] = [{"role": "user", "content": QUESTION}]
    with gpt(at) as client:
        first = client.responses.create(**asked, input=history)
        history += first.output
        history.append({"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "5"})
        last = client.responses.create(**asked, input=history)
    expect(last.output_text, SUM)


def responses_structured(at: Workspace) -> None:
    with gpt(at) as client:
        response = client.responses.parse(model=GPT, input=QUESTION, text_format=Sum)
    expect(response.output_parsed, Sum(x=2, y=3))


def responses_many_tools(at: Workspace) -> None:
    offered = [{**FUNCTION, "name": f"tool_{number}"} for number in range(40)]
    with gpt(at) as client:
        expect(client.responses.create(model=GPT, input="Hello", tools=offered).status, "completed")


# openai, chat-completions


def chat_text(model: str) -> Program:
    def run(at: Workspace) -> None:
        with gpt(at, "chat") as client:
            asked: Any = [{"role": "user", "content": "Hello"}]
            answer = client.chat.completions.create(model=model, messages=asked)
        expect(answer.choices[0].message.content, "You said: Hello")

    return run


def chat_stream(model: str) -> Program:
    def run(at: Workspace) -> None:
        asked: Any = [{"role": "user", "content": "Hello"}]
        options: Any = {"include_usage": True}
        with gpt(at, "chat") as client:
            stream = client.chat.completions.create(model=model, messages=asked, stream=True, stream_options=options)
            chunks = list(stream)
        told = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
        expect([piece for piece in told if piece], ["You", " said:", " Hello"])

    return run


def chat_tools(model: str, question: str = QUESTION) -> Program:
    def run(at: Workspace) -> None:
        function = {key: FUNCTION[key] for key in ("name", "description", "parameters")}
        asked: Any = {"model": model, "tools": [{"type": "function", "function": function}]}
        history: list[Any] = [{"role": "user", "content": question}]
        with gpt(at, "chat") as client:
            first = client.chat.completions.create(**asked, messages=history).choices[0].message
            history.append(first)
            for call in first.tool_calls or ():
                total = str(sum(json.loads(call.function.arguments).values()))
                history.append({"role": "tool", "tool_call_id": call.id, "content": total})
            last = client.chat.completions.create(**asked, messages=history)
        said = last.choices[0].message.content
        if "The tools answered: 5" not in str(said):
            raise AssertionError(f"{said!r} does not give the sum")

    return run


def chat_structured(model: str) -> Program:
    def run(at: Workspace) -> None:
        asked: Any = [{"role": "user", "content": QUESTION}]
        with gpt(at, "chat") as client:
            answer = client.chat.completions.parse(model=model, messages=asked, response_format=Sum)
        expect(answer.choices[0].message.parsed, Sum(x=2, y=3))

    return run


# google-genai


@contextmanager
def gemini(at: Workspace) -> Iterator[genai.Client]:
    """Yield the vendor's client as Databricks' own examples make it: a dummy key, and the token in a header."""
    headers = {"Authorization": f"Bearer {at.token}"}
    options = types.HttpOptions(base_url=at.base("gemini"), api_version="v1beta", headers=headers)
    with genai.Client(api_key="databricks", http_options=options) as client:
        yield client


THOUGHTS = types.ThinkingConfig(include_thoughts=True)


def google_text(at: Workspace) -> None:
    with gemini(at) as client:
        expect(client.models.generate_content(model=GEMINI, contents="Hello").text, "You said: Hello")


def google_stream(at: Workspace) -> None:
    with gemini(at) as client:
        chunks = list(client.models.generate_content_stream(model=GEMINI, contents="Hello"))
    expect("".join(chunk.text or "" for chunk in chunks), "You said: Hello")


def google_tools(at: Workspace, schema: dict[str, Any] = SCHEMA) -> None:
    declaration = types.FunctionDeclaration(name="add", description="Add.", parameters_json_schema=schema)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declaration])], thinking_config=THOUGHTS
    )
    with gemini(at) as client:
        first = client.models.generate_content(model=GEMINI, contents=QUESTION, config=config)
        call = first.candidates[0].content.parts[-1].function_call
        result = types.FunctionResponse(id=call.id, name="add", response={"output": "5"})
        history = [
            types.Content(role="user", parts=[types.Part(text=QUESTION)]),
            first.candidates[0].content,
            types.Content(role="user", parts=[types.Part(function_response=result)]),
        ]
        last = client.models.generate_content(model=GEMINI, contents=history, config=config)
    expect(last.text, SUM)


def google_published_tools(at: Workspace) -> None:
    google_tools(at, JSON_SCHEMA)


def google_structured(at: Workspace) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Sum)
    with gemini(at) as client:
        expect(client.models.generate_content(model=GEMINI, contents=QUESTION, config=config).parsed, Sum(x=2, y=3))


# LangChain's integrations of the vendors

MakeChat = Callable[[Workspace], Any]


def chat_anthropic(at: Workspace) -> ChatAnthropic:
    """Return LangChain's client; it can send a bearer token only as a header of one's own."""
    return ChatAnthropic(
        model=CLAUDE,
        base_url=at.base("anthropic"),
        api_key=at.token,
        default_headers={"Authorization": f"Bearer {at.token}"},
        max_tokens=2000,
        max_retries=0,
    )


def chat_openai(model: str, api: str) -> MakeChat:
    """Return a maker of LangChain's client for one model, on Responses or on chat-completions."""

    def make(at: Workspace) -> ChatOpenAI:
        on_responses = api == "responses"
        return ChatOpenAI(
            model=model,
            base_url=at.base(api),
            api_key=at.token,
            use_responses_api=on_responses,
            reasoning={"effort": "low", "summary": "auto"} if on_responses else None,
            stream_usage=True,
            max_retries=0,
        )

    return make


def langchain_text(make: MakeChat) -> Program:
    return lambda at: expect(make(at).invoke("Hello").text, "You said: Hello")


def langchain_stream(make: MakeChat, *, counted: bool) -> Program:
    def run(at: Workspace) -> None:
        whole = AIMessageChunk("")
        for chunk in make(at).stream("Hello"):
            whole += chunk
        expect(whole.text, "You said: Hello")
        if counted:
            expect(whole.usage_metadata["input_tokens"], 1)

    return run


def langchain_tools(make: MakeChat, question: str = QUESTION) -> Program:
    def run(at: Workspace) -> None:
        bound = make(at).bind_tools([add])
        history: list[Any] = [HumanMessage(question)]
        history.append(bound.invoke(history))
        history += [add.invoke(call) for call in history[-1].tool_calls]
        said = bound.invoke(history).text
        if SUM not in said:
            raise AssertionError(f"{said!r} does not give the sum")

    return run


def langchain_structured(make: MakeChat) -> Program:
    return lambda at: expect(make(at).with_structured_output(Sum).invoke(QUESTION), Sum(x=2, y=3))


def _langchain(client: str, model: str, make: MakeChat) -> list[Use]:
    # Families that send usage unasked would send it twice if they took the question for it.
    counted = model in (CLAUDE, GPT)
    return [
        Use(client, model, "text", langchain_text(make)),
        Use(client, model, "stream", langchain_stream(make, counted=counted)),
        Use(client, model, "tool round trip", langchain_tools(make)),
        Use(client, model, "two calls at once", langchain_tools(make, TWICE)),
        Use(client, model, "structured output", langchain_structured(make)),
    ]


def _chat(model: str) -> list[Use]:
    client = "openai, chat-completions"
    return [
        Use(client, model, "text", chat_text(model)),
        Use(client, model, "stream with usage", chat_stream(model)),
        Use(client, model, "tool round trip", chat_tools(model)),
        Use(client, model, "two calls at once", chat_tools(model, TWICE)),
        Use(client, model, "structured output", chat_structured(model)),
    ]


USES: tuple[Use, ...] = (
    Use("anthropic", CLAUDE, "text", anthropic_text),
    Use("anthropic", CLAUDE, "stream", anthropic_stream),
    Use("anthropic", CLAUDE, "tool round trip with thinking", anthropic_tools),
    Use("anthropic", CLAUDE, "structured output", anthropic_structured),
    Use("anthropic", CLAUDE, "eager streaming of tool arguments", anthropic_eager),
    Use("anthropic", CLAUDE, "the vendor's web search", anthropic_search),
    *_langchain("ChatAnthropic", CLAUDE, chat_anthropic),
    Use("openai, responses", GPT, "text", responses_text),
    Use("openai, responses", GPT, "stream", responses_stream),
    Use("openai, responses", GPT, "tool round trip with reasoning", responses_tools),
    Use("openai, responses", GPT, "structured output", responses_structured),
    Use("openai, responses", GPT, "40 tools", responses_many_tools),
    *_langchain("ChatOpenAI, responses", GPT, chat_openai(GPT, "responses")),
    Use("google-genai", GEMINI, "text", google_text),
    Use("google-genai", GEMINI, "stream", google_stream),
    Use("google-genai", GEMINI, "tool round trip with thoughts", google_tools),
    Use("google-genai", GEMINI, "structured output", google_structured),
    Use("google-genai", GEMINI, "tools whose schemas say $schema", google_published_tools),
    *(use for model in (GPT, CLAUDE, GEMINI, LLAMA) for use in _chat(model)),
    *(
        use
        for model in (GPT, CLAUDE, GEMINI, LLAMA)
        for use in _langchain("ChatOpenAI, chat-completions", model, chat_openai(model, "chat"))
    ),
)
"""What is tried, in the order of the table."""
