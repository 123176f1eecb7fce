"""Answers of a form, and forced calls, asked for in the way that the model can carry: the one place that chooses.

A structured answer goes by the api's own field for it, else by a tool whose arguments are the answer, else by words. A
call that a model cannot be forced to make goes by a schema whose answer is handed back as that call, else the model is
left to decide. What is chosen depends on the schema, on the model, and on what its endpoint refused before
(docs/wire/schemas.md#strict-schemas, docs/wire/models.md#forced-tool-choice).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic_core import to_json

from dbx_gateway.call.translation import EventReader, Translation, translated_by_events
from dbx_gateway.chat import (
    Alternative,
    ChatRequest,
    Finish,
    JsonObject,
    Message,
    OutputFormat,
    ReasoningConfig,
    Text,
    ToolCall,
    ToolChoice,
    ToolSpec,
    system,
)
from dbx_gateway.errors import ExtractionError
from dbx_gateway.events import (
    End,
    Event,
    PartEnd,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    mint_call_id,
)
from dbx_gateway.extract import extract_json
from dbx_gateway.json_schema import inline_refs, keywords_in
from dbx_gateway.json_values import objects_in
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.parts import wire_id
from dbx_gateway.schemas.strict import has_free_keys
from dbx_gateway.surfaces import Api

__all__ = [
    "ANSWER_BY_TOOL",
    "ANSWER_BY_TOOL_IN_STREAMS",
    "ANSWER_IN_WORDS",
    "NOT_FORCED",
    "NOT_FORCED_WHILE_THINKING",
    "asked_otherwise",
    "offers_answer",
]

ANSWER_BY_TOOL: Final = "answer by tool"
ANSWER_BY_TOOL_IN_STREAMS: Final = "answer by tool in streams"
ANSWER_IN_WORDS: Final = "answer in words"
NOT_FORCED: Final = "call not forced"
NOT_FORCED_WHILE_THINKING: Final = "call not forced while thinking"
"""What an endpoint is known to need, because it refused to be asked otherwise."""

_FINAL: Final = "Give the final answer by calling this tool, once nothing else is left to do."
_ONE_OBJECT: Final = "Answer with one JSON object and nothing else."


def asked_otherwise(
    request: ChatRequest, profile: Profile, api: Api, learned: Collection[str] = (), *, by_quirk: bool = False
) -> tuple[ChatRequest, Translation | None]:
    """Return ``request`` in the form that the model carries, and how its answers are translated back; None for no change.

    Args:
        request: the caller's, with the names of the wire.
        profile: of the model.
        api: of the route.
        learned: what the endpoint refused before, of the constants of this module.
        by_quirk: a quirk of the workspace makes a tool of an answer's form, where the request is written.
    """
    choice = request.tool_choice
    forced = choice is not None and choice.mode == "required"
    forceable = profile.forced_tool_choice and NOT_FORCED not in learned
    thinks = _excludes_forcing(request, profile, api, learned)
    if forced and not (forceable and not thinks):
        return _unforced(request, profile, api, learned, by_quirk=by_quirk, forceable=forceable)
    output = request.output
    if output is None or output.kind == "text" or by_quirk:
        return request, None
    native = not _refused(request, learned) and _carries(output, profile, api)
    if native or (output.kind == "json" and not _refused(request, learned)):
        return request, None
    if output.schema is not None and ANSWER_IN_WORDS not in learned and profile.tools and forceable and not thinks:
        name = _free_name(output.name, request)
        return _by_tool(request, output, output.schema, name), _AnswerByTool(name)
    return _in_words(replace(request, output=None), output.schema), None


def offers_answer(body: JsonObject) -> bool:
    """Whether a tool of a request's body is the one whose arguments are the answer."""
    for tool in objects_in(body.get("tools")):
        for holder in (tool, tool.get("function"), *objects_in(tool.get("functionDeclarations"))):
            description = holder.get("description") if isinstance(holder, dict) else None
            if isinstance(description, str) and description.endswith(_FINAL):
                return True
    return False


def _refused(request: ChatRequest, learned: Collection[str]) -> bool:
    return (
        ANSWER_BY_TOOL in learned
        or ANSWER_IN_WORDS in learned
        or (request.stream and ANSWER_BY_TOOL_IN_STREAMS in learned)
    )


def _excludes_forcing(request: ChatRequest, profile: Profile, api: Api, learned: Collection[str]) -> bool:
    """Whether the request switches on thinking beside which no call can be forced.

    Of the models that cannot have both, on messages only a budget surely excludes it; elsewhere any thinking.
    """
    config = request.reasoning
    if config is None or config.is_off or profile.thinking == "none":
        return False
    if replace(config, show=None) == ReasoningConfig() and config.show in (None, "none"):
        return False
    if NOT_FORCED_WHILE_THINKING in learned:
        return True
    if profile.forced_tool_choice_while_thinking:
        return False
    if api != "messages":
        return True
    return profile.thinking == "budget" or (profile.thinking == "both" and config.budget is not None)


def _carries(output: OutputFormat, profile: Profile, api: Api) -> bool:
    """Whether the api's field for the schema of an answer carries this one, for this model, with nothing lost."""
    schema = output.schema
    if schema is None:
        return True
    if api == "messages" and not profile.structured_output:
        return False
    free = "free keys" in profile.answers_without or (
        output.strict is True and api in ("chat-completions", "responses")
    )
    if free and has_free_keys(schema):
        return False
    return "recursion" not in profile.answers_without or not _is_recursive(schema)


def _is_recursive(schema: JsonObject) -> bool:
    if keywords_in(schema).isdisjoint(("$ref", "$dynamicRef", "$recursiveRef")):
        return False
    return "$defs" in inline_refs(schema, keep_cycles=True)


# An answer by a tool


def _free_name(wanted: str, request: ChatRequest) -> str:
    taken = {tool.name for tool in request.tools}
    base = wire_id(wanted or "answer", 60)
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _by_tool(request: ChatRequest, output: OutputFormat, schema: JsonObject, name: str) -> ChatRequest:
    about = output.description or schema.get("description")
    description = f"{about}\n{_FINAL}" if isinstance(about, str) and about else _FINAL
    tool = ToolSpec(name=name, description=description, parameters=schema)
    choice = request.tool_choice
    if not request.tools or (choice is not None and choice.mode == "none"):
        choice = ToolChoice("required", (name,))
    elif choice is None or choice.mode != "required" or not choice.names:
        choice = ToolChoice("required")
    return replace(request, output=None, tools=(*request.tools, tool), tool_choice=choice)


@dataclass(frozen=True, slots=True)
class _AnswerByTool:
    """A call of the tool ``name`` becomes the text of the answer.

    Text before such a call is a preamble and left out; of several such calls the first counts; calls of other tools stay.
    """

    name: str

    def message(self, message: Message, finish: Finish) -> tuple[Message, Finish]:
        """Return a message with the answer as its text."""
        return translated_by_events(self.reader(), message, finish)

    def reader(self) -> EventReader:
        """Return the translation of one stream; text is held back until it is known whether it is the answer."""
        return _AnswerReader(self).feed


@dataclass(slots=True)
class _AnswerReader:
    answer: _AnswerByTool
    index: int | None = None
    called: bool = False
    dropped: set[int] = field(default_factory=set[int])
    held: list[Event] = field(default_factory=list[Event])

    def feed(self, event: Event) -> Iterator[Event]:
        """Yield what there is to hand on after ``event``."""
        match event:
            case ToolCallStart() if event.name == self.answer.name:
                self._begin(event.index)
            case ToolCallStart():
                self.called = True
                yield from self._released()
                yield event
            case ToolCallDelta(index=index) if index == self.index:
                yield TextDelta(index, event.arguments)
            case ToolCallEnd(index=index, call=call) if call.name == self.answer.name:
                if index != self.index and not self._begin(index):
                    return
                if not call.arguments:
                    yield TextDelta(index, "{}")
                yield PartEnd(index, Text(call.arguments or "{}"))
            case ToolCallDelta(index=index) if index in self.dropped:
                pass
            case TextDelta() | PartEnd(part=Text()):
                if self.called and self.index is None:
                    yield event
                elif self.index is None:
                    self.held.append(event)
            case End():
                yield from self._released()
                yield self._ended(event)
            case _:
                yield event

    def _begin(self, index: int) -> bool:
        """Take a call as the answer, unless there is one already."""
        if self.index is not None:
            self.dropped.add(index)
            return False
        self.index, self.held = index, []
        return True

    def _released(self) -> list[Event]:
        held, self.held = self.held, []
        return held

    def _ended(self, end: End) -> End:
        others = tuple(_other(self.answer, other) for other in end.alternatives)
        finish = end.finish
        if self.index is not None and not self.called and finish.reason == "tool_calls":
            finish = replace(finish, reason="stop")
        return replace(end, finish=finish, alternatives=others)


# A call by a schema, or in words


def _unforced(
    request: ChatRequest, profile: Profile, api: Api, learned: Collection[str], *, by_quirk: bool, forceable: bool
) -> tuple[ChatRequest, Translation | None]:
    """Return a request for a call of a model that cannot be forced to make it."""
    choice, tool = request.tool_choice or ToolChoice(), _only_tool(request)
    if tool is None or request.output is not None:
        if choice.outranks_thinking and forceable:
            return request, None  # the thinking goes, where the request is written
        warn_once(
            f"{request.model}: forced call",
            f"{request.model} cannot be forced to call a tool{' while it thinks' if forceable else ''}, so tool_choice is "
            "sent as 'auto' and the model decides; ask for the call in the prompt, or offer one tool only",
        )
        offered = tuple(one for one in request.tools if not choice.names or one.name in choice.names)
        return replace(request, tools=offered, tool_choice=ToolChoice()), None
    schema: JsonObject = {"type": "object", "properties": {}, **tool.parameters}
    output = OutputFormat(kind="json_schema", schema=schema, name=tool.name, description=tool.description or None)
    if not by_quirk and not _refused(request, learned) and _carries(output, profile, api):
        bare = _without_calls(request, keep=api == "messages")
        return replace(bare, output=output), _CallBySchema(tool.name)
    if api == "messages" and choice.outranks_thinking and forceable:
        return request, None  # without a field for the schema, a forced call is surer than thinking
    about = f" It is what {tool.name} is called with: {tool.description}" if tool.description else ""
    return _in_words(_without_calls(request, keep=True), schema, about), _CallBySchema(tool.name, in_words=True)


def _only_tool(request: ChatRequest) -> ToolSpec | None:
    """Return the tool that has to be called, where there is no choice; None for one whose call is not of a schema."""
    names = request.tool_choice.names if request.tool_choice is not None else ()
    offered = [tool for tool in request.tools if not names or tool.name in names]
    return offered[0] if len(offered) == 1 and offered[0].native is None and not offered[0].custom else None


def _without_calls(request: ChatRequest, *, keep: bool) -> ChatRequest:
    """Return a request for an answer without calls; the tools stay where the history has calls of them and ``keep`` is set."""
    called = any(isinstance(part, ToolCall) for message in request.messages for part in message.parts)
    if keep and called:
        return replace(request, tool_choice=ToolChoice("none"))
    return replace(request, tools=(), tool_choice=None, parallel_tool_calls=None)


def _in_words(request: ChatRequest, schema: JsonObject | None, about: str = "") -> ChatRequest:
    """Return ``request`` with the form of the answer among its instructions."""
    form = "" if schema is None else f" It must match this JSON Schema:\n{to_json(schema).decode()}"
    after = next((at for at, message in enumerate(request.messages) if message.role != "system"), len(request.messages))
    instruction = system(f"{_ONE_OBJECT}{about}{form}")
    return replace(request, messages=(*request.messages[:after], instruction, *request.messages[after:]))


@dataclass(frozen=True, slots=True)
class _CallBySchema:
    """The text of an answer becomes a call of the tool ``name``, if it is one object.

    Args:
        name: of the tool.
        in_words: the schema was only told, so that prose may stand around the object.
    """

    name: str
    in_words: bool = False

    def message(self, message: Message, finish: Finish) -> tuple[Message, Finish]:
        """Return a message with the call."""
        return translated_by_events(self.reader(), message, finish)

    def reader(self) -> EventReader:
        """Return the translation of one stream."""
        return _CallReader(self).feed


@dataclass(slots=True)
class _CallReader:
    call: _CallBySchema
    response_id: str | None = None
    call_id: str = ""
    index: int | None = None
    called: bool = False
    held: str = ""

    def feed(self, event: Event) -> Iterator[Event]:
        """Yield what there is to hand on after ``event``."""
        match event:
            case Start():
                self.response_id = event.response_id
                yield event
            case TextDelta(index=index, text=text) if not self.called:
                yield from self._more(index, text)
            case PartEnd(index=index, part=Text() as part) if not self.called:
                yield from self._complete(index, part)
            case PartEnd(part=Text(text=text)) if not text.strip():
                pass
            case End():
                others = tuple(_other(self.call, other) for other in event.alternatives)
                finish = event.finish
                if self.called and finish.reason == "stop":
                    finish = replace(finish, reason="tool_calls")
                yield replace(event, finish=finish, alternatives=others)
            case _:
                yield event

    def _more(self, index: int, text: str) -> Iterator[Event]:
        if self.index is not None:
            yield ToolCallDelta(index, text)
            return
        self.held += text
        if not self.call.in_words and self.held.lstrip().startswith("{"):
            yield self._begun(index)
            yield ToolCallDelta(index, self.held)

    def _begun(self, index: int) -> Event:
        self.index, self.call_id = index, mint_call_id(self.response_id, index, self.call.name)
        return ToolCallStart(index, self.call_id, self.call.name)

    def _complete(self, index: int, part: Text) -> Iterator[Event]:
        arguments = part.text
        if self.index is None:
            held, self.held = self.held, ""
            found = _object_in(part.text)
            if found is None:
                if held:
                    yield TextDelta(index, held)
                yield PartEnd(index, part)
                return
            arguments = found
            yield self._begun(index)
            yield ToolCallDelta(index, arguments)
        self.called = True
        call = ToolCall(call_id=self.call_id, name=self.call.name, arguments=arguments, minted=True)
        yield ToolCallEnd(index, call)


def _object_in(text: str) -> str | None:
    try:
        found = extract_json(text)
    except ExtractionError:
        return None
    return to_json(found).decode() if isinstance(found, dict) else None


def _other(translation: Translation, other: Alternative) -> Alternative:
    message, finish = translation.message(other.message, other.finish)
    return Alternative(message=message, finish=finish)
