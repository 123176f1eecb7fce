"""Structured prediction: an object of a pydantic class as the answer, complete or streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.program.utils import create_flexible_model
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from dbx_gateway.adapters.part_facts import MessageFacts
from dbx_gateway.adapters.vendor_forms import schema_format
from dbx_gateway.errors import ExtractionError
from dbx_gateway.extract import extract_json
from llama_index_dbx_gateway.tools import described, schema_of

__all__ = ["Structure"]

M = TypeVar("M", bound=BaseModel)

_ENDED_EARLY: Final = ("length", "content_filter", "error")


class Structure(Generic[M]):
    """How an object of ``output_cls`` is requested as the answer, and how the answer is parsed.

    Args:
        output_cls: the class.
        by_tool: force a call of a tool with the class's fields, instead of asking for a JSON schema.
    """

    def __init__(self, output_cls: type[M], *, by_tool: bool) -> None:
        self._cls = output_cls
        self._by_tool = by_tool
        self._flexible: type[BaseModel] | None = None
        self._latest: Any = None

    def options(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the arguments of the chat: the caller's, except those that decide the answer's form, which are ours."""
        ours = ("tool_choice", "tool_required", "allow_parallel_tool_calls", "response_format", "tools")
        others = {name: value for name, value in (options or {}).items() if name not in ours}
        schema = schema_of(self._cls)
        if self._by_tool:
            tool = get_function_tool(self._cls)
            forced = {"tool_choice": tool.metadata.get_name(), "tool_required": True}
            return {**others, "tools": [described(tool)], **forced, "allow_parallel_tool_calls": False}
        return {**others, "response_format": schema_format({"title": self._cls.__name__, **schema})}

    def parsed(self, response: ChatResponse) -> M:
        """Return the object that a complete answer holds.

        Raises:
            ExtractionError: it holds none; the message gives the reason, without quoting the answer.
        """
        reason = _finish_reason(response)
        if refusal := response.message.additional_kwargs.get("refusal"):
            raise self._failure(f"the answer was refused or filtered: {refusal}", "change what is asked")
        if reason in _ENDED_EARLY:
            raise self._failure(f"the answer ended early ({reason})", "raise max_tokens, or ask for less")
        try:
            return self._cls.model_validate_json(to_json(extract_json(self._text(response))))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "the object"
            raise self._failure(f"{where}: {first['msg']}", "describe the field in the class") from None
        except ExtractionError as error:
            raise self._failure(str(error), "say in the prompt what to answer") from None

    def grown(self, response: ChatResponse) -> M | BaseModel | None:
        """Return the object as received so far; None where nothing was added.

        Where a required field has not arrived yet, the object is of a class in which every field is optional.
        """
        text = self._text(response)
        start = text.find("{")
        if start < 0:
            return None
        try:
            value = from_json(text[start:], allow_partial="trailing-strings")
        except ValueError:
            return None  # prose after or around the object; the complete answer decides
        if not isinstance(value, dict) or value == self._latest:
            return None
        self._latest = value
        try:
            return self._cls.model_validate(value)
        except ValidationError:
            return self._partial(value)

    def _partial(self, value: dict[str, Any]) -> BaseModel:
        if self._flexible is None:
            self._flexible = create_flexible_model(self._cls)
        return self._flexible.model_validate(value)

    def _text(self, response: ChatResponse) -> str:
        if not self._by_tool:
            return response.message.content or ""
        call = next((block for block in response.message.blocks if isinstance(block, ToolCallBlock)), None)
        if call is None:
            return response.message.content or ""
        return call.tool_kwargs if isinstance(call.tool_kwargs, str) else to_json(call.tool_kwargs).decode()

    def _failure(self, what: str, remedy: str) -> ExtractionError:
        return ExtractionError(f"the answer is no {self._cls.__name__}: {what}; {remedy}")


def _finish_reason(response: ChatResponse) -> str | None:
    raw = response.raw if isinstance(response.raw, Mapping) else {}
    choices = raw.get("choices") or [{}]
    reason: str | None = choices[0].get("finish_reason")
    return (
        reason
        if reason is not None or not MessageFacts.beside(response.message.additional_kwargs).withheld
        else "error"
    )
