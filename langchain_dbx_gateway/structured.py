"""Answers in objects of a schema: what to bind for each method, and how to read the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias

from langchain_core import exceptions
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.output_parsers import BaseTransformOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.v1 import BaseModel as OldBaseModel
from pydantic.v1 import ValidationError as OldValidationError
from pydantic_core import from_json

from dbx_gateway import extract_json
from dbx_gateway.chat import Finish
from dbx_gateway.errors import ExtractionError
from dbx_gateway.events import Event
from dbx_gateway.notices import warn_once
from langchain_dbx_gateway.chunks import Chunks

__all__ = ["AnswerParser", "Method", "ParsedChunks", "form_of", "with_parsed", "with_raw"]

Method: TypeAlias = Literal["function_calling", "json_schema", "json_mode"]

_CUT: Final = ("length", "content_filter", "error")
_NOT_STARTED: Final = object()
_PARSED: Final = "parsed"


class AnswerParser(BaseTransformOutputParser[Any]):
    """Reads the object out of an answer, complete or while it is streamed.

    Args:
        form: the class of the object; None for a plain dictionary.
        tool: the tool whose arguments are the object; None where the text is.

    Raises:
        OutputParserException: the answer holds no such object; the message says why.
        ModelRefusalError: the model declined (where langchain-core has this error, else an OutputParserException).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    form: Any = None
    tool: str | None = None

    @property
    def _type(self) -> str:
        return "dbx-gateway-answer"

    def parse(self, text: str) -> Any:
        """Return the object in a text."""
        return self.parse_result([ChatGeneration(message=AIMessage(text))])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Return the object in an answer; of a partial one, as much of it as there is, or None."""
        message = result[0].message if isinstance(result[0], ChatGeneration) else AIMessage(result[0].text)
        if partial:
            growth = _Growth(self.tool)
            growth.add(message)
            return self._so_far(growth)
        _raise_refusal(message)
        value = self._value(message)
        return None if value is None else self._formed(value, message)

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:  # noqa: A002  # LangChain's own name
        growth, last = _Growth(self.tool), None
        for chunk in input:
            growth.add(chunk)
            if (parsed := self._so_far(growth)) is not None and parsed != last:
                last = parsed
                yield parsed
        yield from self._end(growth, last)

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:  # noqa: A002  # LangChain's own name
        growth, last = _Growth(self.tool), None
        async for chunk in input:
            growth.add(chunk)
            if (parsed := self._so_far(growth)) is not None and parsed != last:
                last = parsed
                yield parsed
        for parsed in self._end(growth, last):
            yield parsed

    def _end(self, growth: _Growth, last: Any) -> Iterator[Any]:
        """Yield the final object if it differs from the last one; raise where there is none."""
        if growth.message is not None:
            final = self.parse_result([ChatGeneration(message=growth.message)])
            if final is not None and final != last:
                yield final

    def _so_far(self, growth: _Growth) -> Any:
        try:
            value = growth.value()
            return None if value is None or (self.form is not None and not value) else self._validated(value)
        except (ValueError, ValidationError, OldValidationError):
            return None  # not yet a value, or not yet one of the class

    def _arguments(self, message: BaseMessage) -> dict[str, Any] | None:
        calls = message.tool_calls if isinstance(message, AIMessage) else []
        return next((call["args"] for call in calls if call["name"] == self.tool), None)

    def _value(self, message: BaseMessage) -> Any:
        if self.tool is None:
            return self._of_text(message)
        found = self._arguments(message)
        if found is not None:
            return found
        if isinstance(message, AIMessage) and message.tool_calls:
            return None  # it called another tool first
        raise _no_object(message, f"the model did not call {self.tool!r}")

    def _of_text(self, message: BaseMessage) -> Any:
        if not message.text and isinstance(message, AIMessage) and message.tool_calls:
            return None  # it called a tool first
        if message.response_metadata.get("finish_reason") in _CUT:
            raise _no_object(message, "the answer is incomplete")
        try:
            return extract_json(message.text)
        except ExtractionError as error:
            raise _no_object(message, error.message) from None

    def _formed(self, value: Any, message: BaseMessage) -> Any:
        try:
            return self._validated(value)
        except (ValidationError, OldValidationError) as error:
            raise _no_object(message, f"the answer is no {self.form.__name__}: {error}") from error

    def _validated(self, value: Any) -> Any:
        if self.form is None:
            return value
        if issubclass(self.form, BaseModel):
            return self.form.model_validate(value)
        return self.form.parse_obj(value) if issubclass(self.form, OldBaseModel) else value


class _Growth:
    """A streamed answer: as much of the object as has arrived.

    Args:
        tool: the tool whose arguments are the object; None where the text is.
    """

    def __init__(self, tool: str | None) -> None:
        self._tool = tool
        self._chunks: list[Any] = []
        self._index: Any = _NOT_STARTED
        self._json = ""

    def add(self, chunk: str | BaseMessage) -> None:
        """Take the next piece."""
        self._chunks.append(chunk)
        if self._tool is None:
            self._json += chunk if isinstance(chunk, str) else str(chunk.text)
        elif isinstance(chunk, AIMessageChunk):
            for piece in chunk.tool_call_chunks:
                self._add_arguments(piece)

    def _add_arguments(self, piece: ToolCallChunk) -> None:
        if piece["name"] == self._tool and self._index is _NOT_STARTED:
            self._index = piece["index"]
        if piece["index"] == self._index:
            self._json += piece["args"] or ""

    def value(self) -> Any:
        """Return as much of the object as there is; None where it has not started.

        Raises:
            ValueError: what there is, is no JSON.
        """
        start = self._json.find("{")
        return from_json(self._json[start:], allow_partial="trailing-strings") if start >= 0 else None

    @property
    def message(self) -> BaseMessage | None:
        """The complete message; None where nothing was received."""
        first, *others = self._chunks or [None]
        if not isinstance(first, BaseMessage):
            return AIMessage("".join(self._chunks)) if first is not None else None
        return first + others if others else first  # type: ignore[return-value]  # chunks add up to a chunk


class ParsedChunks:
    """Turns the events of one answer into chunks, the last of which has the answer's object as ``parsed``.

    Args:
        chunks: what makes chunks of events.
        form: the class of the object.
    """

    def __init__(self, chunks: Chunks, form: Any) -> None:
        self._chunks = chunks
        self._form = form
        self._growth = _Growth(None)

    def of(self, event: Event) -> list[ChatGenerationChunk]:
        """Return the chunks that ``event`` makes."""
        chunks = self._chunks.of(event)
        for chunk in chunks:
            self._growth.add(chunk.message)
            if isinstance(chunk.message, AIMessageChunk) and chunk.message.chunk_position == "last":
                chunk.message.additional_kwargs[_PARSED] = _parsed(self._growth.message, self._form)
        return chunks


def with_parsed(message: AIMessage, form: Any) -> AIMessage:
    """Return an answer with its object as ``parsed`` in ``additional_kwargs``, where ChatOpenAI's users look for it.

    It is None where the model called a tool or declined. Where the answer holds no such object it is None too, and a warning
    says why.

    Args:
        message: the answer.
        form: the class of the object; with None the answer stays as it is.
    """
    if form is not None:
        message.additional_kwargs[_PARSED] = _parsed(message, form)
    return message


def _parsed(message: BaseMessage | None, form: Any) -> Any:
    if message is None or _refusal_in(message) is not None:
        return None
    try:
        return AnswerParser(form=form).parse_result([ChatGeneration(message=message)])
    except OutputParserException:  # its words hold those of the answer
        reason = message.response_metadata.get("finish_reason")
        warn_once(
            f"{form.__name__} in response_format, {reason}",
            f"an answer (finish reason {reason}) holds no object of {form.__name__}, which response_format asks for, and has None "
            "as 'parsed'; with_structured_output raises instead, and says why",
        )
        return None


def form_of(schema: Any) -> Any:
    """Return ``schema`` if it is a class whose objects the answer becomes, else None."""
    return schema if is_basemodel_subclass(schema) else None


def with_raw(model: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return a runnable that returns the message and any parsing error beside the object."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")


def _raise_refusal(message: BaseMessage) -> None:
    refusal = _refusal_in(message)
    if refusal is None:
        return
    # Only langchain-core from 1.7.5 on has an error for it.
    kind = getattr(exceptions, "ModelRefusalError", None)
    if kind is not None:
        raise kind.from_refusal(refusal, raw_message=message)
    raise _no_object(message, f"the model declined: {refusal.get('refusal')}")


def _refusal_in(message: BaseMessage) -> Any:
    """Return the refusal of an answer, with its text where the model's words are text; None where it has none."""
    blocks = [_unwrapped(block) for block in message.content if isinstance(block, Mapping)]
    refusal = next((block for block in blocks if block.get("type") == "refusal"), None)
    if refusal is None and message.response_metadata.get("finish_reason") == "content_filter":
        why = message.response_metadata.get("finish_message")
        return {"type": "refusal", "refusal": why or str(message.text)}
    text = str(message.text).strip()
    if refusal is not None and text and refusal.get("extras", {}).get("notice"):
        return {**refusal, "refusal": f"{refusal['refusal']} {text}"}
    return refusal


def _unwrapped(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a block as it was before langchain-core's events, which know no refusals, made another of it."""
    value = block.get("value")
    return value if block.get("type") == "non_standard" and isinstance(value, Mapping) else block


def _no_object(message: BaseMessage, why: str) -> OutputParserException:
    metadata = message.response_metadata
    is_cut = metadata.get("finish_reason") == "length"
    window_is_full = Finish(reason="length", raw=metadata.get("raw_finish_reason")).window_is_full
    hint = ("; shorten the conversation" if window_is_full else "; raise max_tokens") if is_cut else ""
    return OutputParserException(
        f"no object in this answer (finish reason {metadata.get('finish_reason')}): {why}{hint}",
        llm_output=message.text,
    )
