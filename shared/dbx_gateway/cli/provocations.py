"""For each quirk, the cheapest request that shows whether a workspace still needs it.

A request is made for a model on a surface by an api (:class:`~dbx_gateway.quirks.quirk.Context`). It asks for a
short answer, and uses one thing of the api that the quirk's source says the workspace refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.chat import (
    Blob,
    CacheHint,
    ChatRequest,
    ChatResponse,
    Image,
    Message,
    Native,
    Origin,
    OutputFormat,
    Part,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    assistant,
    system,
    user,
)
from dbx_gateway.quirks.catalogue import of_every_quirk
from dbx_gateway.quirks.quirk import Context

__all__ = ["PROVOCATIONS", "Provocation"]


_DOT: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A picture of one point, a PNG."""


def _nothing(answer: ChatResponse) -> str | None:
    del answer
    return None


def _none(off: ChatResponse, on: ChatResponse) -> tuple[str, str] | None:
    del off, on
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provocation:
    """How to check whether a quirk is needed.

    Args:
        request: makes the request that would be refused, or whose answer would be misread, without the quirk.
        needs: what the model must be able to do (fields of its profile); else the request shows nothing.
        lacks: for an answer without the quirk, why it does not prove that the quirk is unneeded; None if it does.
        readings: for a quirk of the answer, a description of what it changes in an answer without the quirk and in one
            with it; None where the answers do not show it.
        allowed: for a guard, a similar request that it lets through: a model that accepts this one and not the other
            refuses for the guard's reason.
    """

    request: Callable[[Context], ChatRequest]
    needs: tuple[str, ...] = ()
    lacks: Callable[[ChatResponse], str | None] = _nothing
    readings: Callable[[ChatResponse, ChatResponse], tuple[str, str] | None] = _none
    allowed: Callable[[Context], ChatRequest] | None = None


_ADD: Final = ToolSpec(
    name="add",
    description="Adds two numbers.",
    parameters={
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x", "y"],
    },
)
_SUM: Final = OutputFormat(
    kind="json_schema",
    name="Sum",
    schema={
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": False,
    },
)
_PROMPT: Final = "Add 2 and 3. Answer with the number only."
_LONG_ID: Final = "call_" + "7" * 100
_MOST_TOOLS: Final = 32
_LARGE: Final = 131_072
_NOTES: Final = " ".join(f"Note {number}: nothing to remember." for number in range(600))
"""Some five thousand tokens: vendors do not cache a short prompt."""


def _request(context: Context, *messages: Message, tools: tuple[ToolSpec, ...] = ()) -> ChatRequest:
    """Return a request for a short answer; a reasoning model gets room for its reasoning too."""
    room = 1024 if context.profile.reasoning else 64
    return ChatRequest(
        model=context.model, messages=messages or (user(_PROMPT),), tools=tools, max_tokens=room, stream=context.stream
    )


def _with_tool_results(context: Context, ids: tuple[str, ...], *before_calls: Part, result: str = "5") -> ChatRequest:
    """Return a conversation that ends with a tool call, and its result, for each of ``ids``."""
    calls = tuple(ToolCall(call_id=one, name="add", arguments='{"x":2,"y":3}') for one in ids)
    content = (Text(result),) if result else ()
    results = tuple(ToolResult(call_id=one, name="add", content=content) for one in ids)
    tool_turn = Message(role="assistant", parts=(*before_calls, *calls))
    return _request(context, user(_PROMPT), tool_turn, Message(role="tool", parts=results), tools=(_ADD,))


def _with_schema(context: Context, schema: dict[str, JsonValue]) -> ChatRequest:
    return _request(context, tools=(replace(_ADD, parameters=schema),))


# --- requests that are refused -----------------------------------------------------------------------------------


def _empty_parts(context: Context) -> ChatRequest:
    # The messages dialect itself leaves blank text out, but not a native part.
    blank = Native(api="messages", payload={"type": "text", "text": " "}) if context.api == "messages" else Text("")
    return _request(context, user(blank, _PROMPT))


def _empty_assistant_content(context: Context) -> ChatRequest:
    return _with_tool_results(context, ("call_1",), Text(""))


def _empty_tool_result(context: Context) -> ChatRequest:
    return _with_tool_results(context, ("call_1",), result="")


def _bare_assistant(context: Context) -> ChatRequest:
    return _request(context, user("Hello."), Message(role="assistant"), user(_PROMPT))


def _assistant_first(context: Context) -> ChatRequest:
    return _request(context, assistant("How can I help?"), user(_PROMPT))


def _merge_system(context: Context) -> ChatRequest:
    return _request(context, system("Be kind."), system("Be brief."), user(_PROMPT))


def _merge_turns(context: Context) -> ChatRequest:
    return _request(context, user("Be brief."), user(_PROMPT))


def _split_parallel_tool_results(context: Context) -> ChatRequest:
    return _with_tool_results(context, ("call_1", "call_2"))


def _drop_name(context: Context) -> ChatRequest:
    return _request(context, Message(role="user", name="Ada", parts=(Text(_PROMPT),)))


def _tools_with_response_format(context: Context) -> ChatRequest:
    other = ToolSpec(name="look_up", description="Looks a word up.", parameters=_ADD.parameters)
    return replace(_request(context, tools=(other,)), output=_SUM)


def _structured(context: Context) -> ChatRequest:
    return replace(_request(context), output=_SUM)


def _streamed_structured(context: Context) -> ChatRequest:
    return replace(_structured(context), stream=True)


def _streamed(context: Context) -> ChatRequest:
    return replace(_request(context), stream=True)


def _parallel_tool_calls(context: Context) -> ChatRequest:
    return replace(_request(context, tools=(_ADD,)), parallel_tool_calls=True)


def _bookkeeping(context: Context) -> ChatRequest:
    return replace(_request(context), metadata={"asked_by": "check"})


def _seed(context: Context) -> ChatRequest:
    return replace(_request(context), seed=7)


def _strict(context: Context) -> ChatRequest:
    schema = {**_ADD.parameters, "additionalProperties": False}
    return _request(context, tools=(replace(_ADD, parameters=schema, strict=True),))


def _eager_streaming(context: Context) -> ChatRequest:
    return _request(context, tools=(replace(_ADD, extras={"eager_input_streaming": True}),))


def _no_parameters(context: Context) -> ChatRequest:
    return _request(context, tools=(ToolSpec(name="now", description="Tells the time."),))


def _no_root_type(context: Context) -> ChatRequest:
    return _with_schema(context, {"properties": _ADD.parameters["properties"]})


def _json_schema_only(context: Context) -> ChatRequest:
    """Return a request with keywords that ``schema-gemini`` replaces."""
    properties: dict[str, JsonValue] = {
        "x": {"$ref": "#/$defs/whole"},
        "y": {"const": 3},
        "place": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}]},
    }
    dialect = "https://json-schema.org/draft/2020-12/schema"
    whole: JsonValue = {"whole": {"type": "integer"}}
    return _with_schema(context, {"$schema": dialect, "type": "object", "$defs": whole, "properties": properties})


def _constrained(context: Context) -> ChatRequest:
    """Return a request with keywords that ``schema-open-models`` simplifies."""
    properties: dict[str, JsonValue] = {
        "x": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "y": {"$ref": "#/$defs/whole"},
        "unit": {"type": "string", "maxLength": 9, "pattern": "^[a-z]+$"},
    }
    return _with_schema(context, {"type": "object", "$defs": {"whole": {"type": "integer"}}, "properties": properties})


def _replayed_item(context: Context) -> ChatRequest:
    text = Text("5", opaque={"message": {"status": "completed"}})
    replayed = replace(assistant(text), origin=Origin("responses", context.model))
    return _request(context, user(_PROMPT), replayed, user("Thank you."))


def _long_ids(context: Context) -> ChatRequest:
    return _with_tool_results(context, (_LONG_ID,))


# --- requests that are refused by some models, and then repaired ---------------------------------------------------


def _forced_call(context: Context) -> ChatRequest:
    return replace(_request(context, tools=(_ADD,)), tool_choice=ToolChoice("required"))


def _with_a_tool(context: Context) -> ChatRequest:
    return _request(context, tools=(_ADD,))


def _more_than_the_cap(context: Context) -> ChatRequest:
    return replace(_request(context), max_tokens=(context.profile.max_output or _LARGE) + 1)


# --- answers that are misread --------------------------------------------------------------------------------------


def _streamed_call(context: Context) -> ChatRequest:
    choice = ToolChoice("required") if context.profile.forced_tool_choice else None
    return replace(_request(context, tools=(_ADD,)), tool_choice=choice, stream=True)


def _cached(context: Context) -> ChatRequest:
    return _request(context, user(Text(_NOTES, cache=CacheHint()), _PROMPT))


# --- requests that are refused before they are sent ----------------------------------------------------------------


def _lost_reference(context: Context) -> ChatRequest:
    return _with_schema(context, {"type": "object", "properties": {"x": {"$ref": "#/$defs/Number"}}})


def _most_tools(context: Context) -> ChatRequest:
    return _request(context, tools=tuple(replace(_ADD, name=f"add_{number}") for number in range(_MOST_TOOLS)))


def _too_many_tools(context: Context) -> ChatRequest:
    most = _most_tools(context)
    return replace(most, tools=(*most.tools, _ADD))


def _picture_by_url(context: Context) -> ChatRequest:
    return _request(context, user("Hello.", Image(blob=Blob(url="https://www.databricks.com/favicon.ico"))))


def _picture(context: Context) -> ChatRequest:
    return _request(context, user("Hello.", Image(blob=Blob(data=_DOT, mime="image/png"))))


def _server_tool(context: Context) -> ChatRequest:
    search = ToolSpec(name="web_search", native={"type": "web_search_20250305", "name": "web_search", "max_uses": 1})
    return _request(context, tools=(search,))


# --- checks of an answer -------------------------------------------------------------------------------------------


def _no_object(answer: ChatResponse) -> str | None:
    if answer.tool_calls:
        return None  # a model may use the tools on offer first
    try:
        value: JsonValue = from_json(answer.text)
    except ValueError:
        return "accepted, but the answer is no JSON"
    return None if isinstance(value, dict) and "sum" in value else "accepted, but the answer does not follow the schema"


def _no_call(answer: ChatResponse) -> str | None:
    return None if answer.tool_calls else "accepted, but the model called no tool"


def _arguments(off: ChatResponse, on: ChatResponse) -> tuple[str, str] | None:
    without, with_it = _arguments_in(off), _arguments_in(on)
    return None if without is None or with_it is None else (without, with_it)


def _arguments_in(answer: ChatResponse) -> str | None:
    """Describe whether the calls' arguments are one object; None where all are ``{}`` or blank, which shows nothing."""
    arguments = [call.arguments for call in answer.tool_calls if call.arguments.strip() not in ("", "{}")]
    if not arguments:
        return None
    odd = any(text.startswith("{}") for text in arguments)
    return "the arguments begin with a {} that is not part of them" if odd else "the arguments are one object"


def _prompt_tokens(off: ChatResponse, on: ChatResponse) -> tuple[str, str] | None:
    """Describe whether the prompt's tokens include the cached ones, which are nearly all of them."""
    cached = max(_cached_tokens(off), _cached_tokens(on))
    if not cached or off.usage is None or on.usage is None:
        return None
    without, with_it = (
        f"the prompt's tokens {'include' if usage.input >= cached else 'leave out'} the cached ones"
        for usage in (off.usage, on.usage)
    )
    return without, with_it


def _cached_tokens(answer: ChatResponse) -> int:
    if answer.usage is None:
        return 0
    raw = answer.usage.raw
    counts = (raw.get("cache_read_input_tokens"), raw.get("cache_creation_input_tokens"), answer.usage.cache_read)
    return max((count for count in counts if isinstance(count, int)), default=0)


_TOOLS: Final = ("tools",)

PROVOCATIONS: Final[Mapping[str, Provocation]] = of_every_quirk(
    "dbx_gateway.cli.provocations.PROVOCATIONS",
    {
        "empty-parts": Provocation(request=_empty_parts),
        "empty-assistant-content": Provocation(request=_empty_assistant_content, needs=_TOOLS),
        "empty-tool-result": Provocation(request=_empty_tool_result, needs=_TOOLS),
        "bare-assistant": Provocation(request=_bare_assistant),
        "merge-system": Provocation(request=_merge_system),
        "merge-turns": Provocation(request=_merge_turns),
        "split-parallel-tool-results": Provocation(request=_split_parallel_tool_results, needs=_TOOLS),
        "drop-name": Provocation(request=_drop_name),
        "tools-with-response-format": Provocation(request=_tools_with_response_format, needs=_TOOLS, lacks=_no_object),
        "claude-structured-output": Provocation(request=_structured, needs=_TOOLS, lacks=_no_object),
        "stream-response-format": Provocation(
            request=_streamed_structured, needs=("structured_output",), lacks=_no_object
        ),
        "drop-stream-options": Provocation(request=_streamed),
        "drop-parallel-tool-calls": Provocation(request=_parallel_tool_calls, needs=_TOOLS),
        "drop-openai-bookkeeping": Provocation(request=_bookkeeping),
        "no-penalties-seed": Provocation(request=_seed),
        "strip-strict": Provocation(request=_strict, needs=_TOOLS),
        "anth-eager-streaming": Provocation(request=_eager_streaming, needs=_TOOLS),
        "params-required": Provocation(request=_no_parameters, needs=_TOOLS),
        "schema-object-root": Provocation(request=_no_root_type, needs=_TOOLS),
        "schema-gemini": Provocation(request=_json_schema_only, needs=_TOOLS),
        "resp-output-only-fields": Provocation(request=_replayed_item),
        "resp-id-64": Provocation(request=_long_ids, needs=_TOOLS),
        "user-first": Provocation(request=_assistant_first),
        "schema-open-models": Provocation(request=_constrained, needs=_TOOLS),
        "tool-choice-required": Provocation(request=_forced_call, needs=_TOOLS, lacks=_no_call),
        "gpt-tools-effort": Provocation(request=_with_a_tool, needs=_TOOLS),
        "max-tokens-name": Provocation(request=_request),
        "oss-output-cap": Provocation(request=_more_than_the_cap),
        "claude-empty-args-delta": Provocation(request=_streamed_call, needs=_TOOLS, readings=_arguments),
        "claude-usage-exclusive": Provocation(request=_cached, readings=_prompt_tokens),
        "schema-limits": Provocation(request=_lost_reference, needs=_TOOLS, allowed=_with_a_tool),
        "tools-cap-32": Provocation(request=_too_many_tools, needs=_TOOLS, allowed=_most_tools),
        "anth-server-tools": Provocation(request=_server_tool, needs=_TOOLS, allowed=_with_a_tool),
        "anth-media-url": Provocation(request=_picture_by_url, needs=("images",), allowed=_picture),
    },
)
"""One for each quirk, by its name."""
