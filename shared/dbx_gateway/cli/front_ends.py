"""The plain client, LangChain and LlamaIndex behind one interface: what a check needs of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol

from dbx_gateway.chat import OutputFormat, ToolSpec, tool_result, user
from dbx_gateway.client import AsyncClient, Client
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.events import Event, TextDelta, fold

__all__ = ["FRONT_ENDS", "Answer", "FrontEnd", "Tool"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one exchange.

    Args:
        text: the visible answer.
        pieces: number of streamed pieces; 0 for an answer that was not streamed.
        tokens: input, output and total as reported; None if the server reported none.
    """

    text: str
    pieces: int = 0
    tokens: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool with one text argument that a check really runs."""

    name: str
    description: str
    argument: str
    run: Callable[[str], str]

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its arguments."""
        return {
            "type": "object",
            "properties": {self.argument: {"type": "string"}},
            "required": [self.argument],
        }


class FrontEnd(Protocol):
    """One way to use the package, for one model."""

    def text(self, prompt: str) -> Answer:
        """Send the prompt and wait for the whole answer."""
        ...

    def stream(self, prompt: str) -> Answer:
        """Send the prompt and stream the answer."""
        ...

    def async_stream(self, prompt: str) -> Answer:
        """Send the prompt from an event loop and stream the answer."""
        ...

    def tool_round_trip(self, prompt: str, tool: Tool) -> Answer:
        """Offer a tool with the prompt, run what the model calls, and return the final answer."""
        ...

    def structured(self, prompt: str, schema: dict[str, Any]) -> Any:
        """Ask for an object of ``schema`` and return it."""
        ...


class _Core:
    """The plain client."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = dict(fields)
        self._client = Client(**self._fields)

    def text(self, prompt: str) -> Answer:
        answer = self._client.chat(prompt)
        used = answer.usage
        return Answer(answer.text, tokens=(used.input, used.output, used.total) if used else None)

    def stream(self, prompt: str) -> Answer:
        return _of_events(list(self._client.stream(prompt)))

    def async_stream(self, prompt: str) -> Answer:
        async def read() -> list[Event]:
            async with aclosing(AsyncClient(**self._fields).stream(prompt)) as events:
                return [event async for event in events]

        return _of_events(asyncio.run(read()))

    def tool_round_trip(self, prompt: str, tool: Tool) -> Answer:
        spec = ToolSpec(name=tool.name, description=tool.description, parameters=tool.schema)
        messages = [user(prompt)]
        answer = self._client.chat(messages, tools=[spec])
        if not answer.executable_tool_calls:
            raise _NoCallError(answer.text)
        messages.append(answer.message)
        messages += [
            tool_result(call, tool.run(str(call.parsed().get(tool.argument)))) for call in answer.executable_tool_calls
        ]
        return Answer(self._client.chat(messages, tools=[spec]).text)

    def structured(self, prompt: str, schema: dict[str, Any]) -> Any:
        from dbx_gateway.extract import extract_json  # noqa: PLC0415  # only this check needs it

        output = OutputFormat(kind="json_schema", schema=schema, name="answer")
        return extract_json(self._client.chat(prompt, output=output).text)


class _LangChain:
    """``ChatDbxGateway``."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        from langchain_dbx_gateway import ChatDbxGateway  # noqa: PLC0415  # an optional extra

        self._model = ChatDbxGateway(**fields)

    def text(self, prompt: str) -> Answer:
        return _of_message(self._model.invoke(prompt), 0)

    def stream(self, prompt: str) -> Answer:
        return _of_chunks(list(self._model.stream(prompt)))

    def async_stream(self, prompt: str) -> Answer:
        async def read() -> list[Any]:
            return [chunk async for chunk in self._model.astream(prompt)]

        return _of_chunks(asyncio.run(read()))

    def tool_round_trip(self, prompt: str, tool: Tool) -> Answer:
        from langchain_core.messages import HumanMessage, ToolMessage  # noqa: PLC0415  # an optional extra

        spec = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
        model = self._model.bind_tools([spec])
        messages: list[Any] = [HumanMessage(prompt)]
        answer = model.invoke(messages)
        if not answer.tool_calls:
            raise _NoCallError(str(answer.text))
        messages.append(answer)
        for call in answer.tool_calls:
            result = tool.run(str(call["args"].get(tool.argument)))
            messages.append(ToolMessage(result, tool_call_id=call["id"]))
        return Answer(str(model.invoke(messages).text))

    def structured(self, prompt: str, schema: dict[str, Any]) -> Any:
        titled = {"title": "answer", "description": "The answer.", **schema}
        return self._model.with_structured_output(titled).invoke(prompt)


class _LlamaIndex:
    """``DbxGateway``."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        from llama_index_dbx_gateway import DbxGateway  # noqa: PLC0415  # an optional extra

        self._llm = DbxGateway(**fields)

    def text(self, prompt: str) -> Answer:
        from llama_index.core.llms import ChatMessage  # noqa: PLC0415  # an optional extra

        return _of_chat_response(self._llm.chat([ChatMessage(prompt)]), 0)

    def stream(self, prompt: str) -> Answer:
        from llama_index.core.llms import ChatMessage  # noqa: PLC0415  # an optional extra

        return _of_chat_responses(list(self._llm.stream_chat([ChatMessage(prompt)])))

    def async_stream(self, prompt: str) -> Answer:
        from llama_index.core.llms import ChatMessage  # noqa: PLC0415  # an optional extra

        async def read() -> list[Any]:
            return [response async for response in await self._llm.astream_chat([ChatMessage(prompt)])]

        return _of_chat_responses(asyncio.run(read()))

    def tool_round_trip(self, prompt: str, tool: Tool) -> Answer:
        from llama_index.core.llms import ChatMessage, MessageRole  # noqa: PLC0415  # an optional extra

        offered = [_llama_index_tool(tool)]
        history = [ChatMessage(prompt)]
        answer = self._llm.chat_with_tools(offered, chat_history=history)
        calls = self._llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
        if not calls:
            raise _NoCallError(answer.message.content or "")
        history.append(answer.message)
        for call in calls:
            result = tool.run(str(call.tool_kwargs.get(tool.argument)))
            named = {"tool_call_id": call.tool_id, "name": call.tool_name}
            history.append(ChatMessage(result, role=MessageRole.TOOL, additional_kwargs=named))
        return Answer(self._llm.chat_with_tools(offered, chat_history=history).message.content or "")

    def structured(self, prompt: str, schema: dict[str, Any]) -> Any:
        from llama_index.core.prompts import PromptTemplate  # noqa: PLC0415  # an optional extra
        from pydantic import create_model  # noqa: PLC0415  # only this check needs it

        kinds = {"string": str, "integer": int}
        fields: dict[str, Any] = {name: (kinds[of["type"]], ...) for name, of in schema["properties"].items()}
        answer = create_model("Answer", **fields)
        return self._llm.structured_predict(answer, PromptTemplate(prompt)).model_dump()


FRONT_ENDS: Final[Mapping[str, Callable[[Mapping[str, Any]], FrontEnd]]] = {
    "core": _Core,
    "langchain": _LangChain,
    "llama-index": _LlamaIndex,
}
"""The front ends by name."""


class _NoCallError(DbxGatewayError):
    """The model answered without calling the tool it was asked to call."""

    def __init__(self, text: str) -> None:
        super().__init__(f"the model called no tool; its answer was {text[:120]!r}")


def _of_events(events: list[Event]) -> Answer:
    answer = fold(events)
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    if "".join(pieces) != answer.text:
        raise DbxGatewayError(f"the pieces add up to {''.join(pieces)[:80]!r}, the answer is {answer.text[:80]!r}")
    used = answer.usage
    return Answer(answer.text, len(pieces), (used.input, used.output, used.total) if used else None)


def _of_message(message: Any, pieces: int) -> Answer:
    used = message.usage_metadata
    tokens = (used["input_tokens"], used["output_tokens"], used["total_tokens"]) if used else None
    return Answer(str(message.text), pieces, tokens)


def _of_chunks(chunks: list[Any]) -> Answer:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return _of_message(whole, sum(bool(chunk.text) for chunk in chunks))


def _of_chat_response(response: Any, pieces: int) -> Answer:
    raw: dict[str, Any] = response.raw or {}
    used = raw.get("usage")
    tokens = (used["prompt_tokens"], used["completion_tokens"], used["total_tokens"]) if used else None
    return Answer(response.message.content or "", pieces, tokens)


def _of_chat_responses(responses: list[Any]) -> Answer:
    pieces = [response.delta for response in responses if response.delta]
    last = responses[-1]
    if "".join(pieces) != last.message.content:
        raise DbxGatewayError(f"the deltas add up to {''.join(pieces)[:80]!r}, the answer is {last.message.content!r}")
    return _of_chat_response(last, len(pieces))


def _llama_index_tool(tool: Tool) -> Any:
    from llama_index.core.tools import FunctionTool  # noqa: PLC0415  # an optional extra
    from pydantic import create_model  # noqa: PLC0415  # only this check needs it

    arguments: dict[str, Any] = {tool.argument: (str, ...)}
    schema = create_model(f"{tool.name}_arguments", **arguments)

    def run(**arguments: Any) -> str:
        return tool.run(str(arguments[tool.argument]))

    return FunctionTool.from_defaults(
        fn=run,
        name=tool.name,
        description=tool.description,
        fn_schema=schema,
    )
