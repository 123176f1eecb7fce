"""The answers of the simulated workspace: a pure function of the request and the memory of earlier ones.

A marker in square brackets in the user's text changes the answer:

====================  ==================================================================
``[filter]``          the answer stops half way, by the content filter
``[refuse]``          the model refuses, also where a call is forced
``[empty]``           the answer ends normally, and has no text
``[long]``            a text of 400 words; ``[long 5000]`` of as many as it says
``[cite]``            the text carries a citation
``[no tools]``        the tools on offer are not called, unless the request forces a call
====================  ==================================================================
"""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, Literal

from pydantic_core import from_json, to_json

from dbx_gateway.testing.json_values import is_object
from dbx_gateway.testing.model import prompt_tools
from dbx_gateway.testing.model.conversation import (
    Answer,
    CalledTool,
    Counts,
    OfferedTool,
    ParsedRequest,
    TextItem,
    Turn,
    pieces,
)
from dbx_gateway.testing.model.schema_values import Hints, hints_of, value_for
from dbx_gateway.testing.model.signatures import call_text, is_genuine, seal
from dbx_gateway.testing.model.situation import Situation

__all__ = ["Memory", "answer", "is_own_signature", "is_retired_signature"]

_MARKER = re.compile(r"\[(filter|refuse|empty|cite|no tools|long)(?: (\d+))?\]")
_SEVERAL = re.compile(r"\b(both|each|parallel)\b", re.IGNORECASE)
_CLOSING = re.compile(r"\bfinal answer\b", re.IGNORECASE)
_THEN = re.compile(r",? (?:and )?then ", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_KEYS = re.compile(
    r"((?<!['\"], )(?<!['\"], and )(?<!['\"] and )(?<!['\"])(?:['\"][\w-]++['\"](?:, and |, | and )?+)++) (?:keys?|fields?)\b"
)
_KEY = re.compile(r"['\"]([\w-]+)['\"]")
_JSON_ONLY = re.compile(r"\bone JSON object\b", re.IGNORECASE)
_OBJECT_LINE = re.compile(r"^\{\"", re.MULTILINE)
_TOOL_TOKENS = 10
_MEDIA_TOKENS = 100
_IMPLICIT_CACHE = 1024
_SECOND = "1767225600"
"""The id of every answer of a workspace: it is made of the second, and the clock stands still here.

Source: docs/wire/comparison.md#ids.
"""


@dataclass
class Memory:
    """What a workspace remembers between requests: its secret, the number of its answers, the cached prompts."""

    secret: bytes = b"simulated workspace"
    _retired: list[bytes] = field(default_factory=list[bytes])
    _answers: int = 0
    _prompts: set[bytes] = field(default_factory=set[bytes])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_id(self) -> str:
        """Return the id of the next answer: 24 hexadecimal digits."""
        with self._lock:
            self._answers += 1
            count = self._answers
        return hashlib.sha256(self.secret + count.to_bytes(8, "big")).hexdigest()[:24]

    def retire_proofs(self) -> None:
        """Sign with another secret from now on."""
        with self._lock:
            self._retired.append(self.secret)
            self.secret = hashlib.sha256(self.secret).digest()

    def is_retired(self, scope: str, signature: str) -> bool:
        """Whether a signature was made with an earlier secret."""
        return any(is_genuine(secret, scope, signature) for secret in self._retired)

    def cache(self, prompt: bytes) -> bool:
        """Cache a prompt; return whether it was cached before."""
        with self._lock:
            known = prompt in self._prompts
            self._prompts.add(prompt)
        return known


def answer(request: ParsedRequest, situation: Situation, memory: Memory) -> Answer:
    """Return the answer to a request.

    Where tools are offered and there is no result since the last user turn, or a call is forced, it calls tools: those
    that the user's text names, else the first one. It calls several where the text contains "both", "each" or
    "parallel" or names several, and one after another where the text separates them by "then". The arguments follow the
    tools' schemas and take the user's numbers and quoted words in order.

    After results it quotes them, or calls the tool whose description asks for the final answer. It follows a schema,
    also one in a system turn, and JSON mode, set by an option or a system turn, with the keys that the user names. Any
    other text is echoed. A word is a token. Tools that only the prompt's text describes are called in text, and
    functions that it describes for code are called in code.
    """
    answer_id = memory.next_id()
    refuses = any(name == "refuse" for name, _ in _MARKER.findall(_user_text(request)))
    calls = () if refuses else _calls(request, situation, memory, answer_id)
    said: tuple[TextItem, ...]
    end: AnswerEnd
    extras: dict[str, Any]
    said, end, extras = ((), "calls", {}) if calls else _text_items(request, situation, memory)
    items: tuple[TextItem | CalledTool, ...] = (*_reasoning_items(request, situation, memory), *said, *calls)
    return Answer(
        id=answer_id,
        model=situation.model,
        items=items,
        end=end,
        counts=_count(request, items, situation, memory),
        extras=extras,
        shared_id=None if situation.plain else _SECOND,
    )


def is_own_signature(signature: str, situation: Situation, memory: Memory) -> bool:
    """Return whether a replayed signature was made here, for the same model and api, and is unaltered."""
    return is_genuine(memory.secret, _scope(situation), signature)


def is_retired_signature(signature: str, situation: Situation, memory: Memory) -> bool:
    """Return whether a replayed signature was made here for the same model and api, but counts no more."""
    return memory.is_retired(_scope(situation), signature)


def _scope(situation: Situation) -> str:
    model = situation.model.rsplit(".", 1)[-1].removeprefix("databricks-")
    return f"{situation.api} {model}"


# The text of an answer


def _user_text(request: ParsedRequest) -> str:
    return next((turn.text for turn in reversed(request.turns) if turn.role == "user" and turn.text), "")


def _results(turns: tuple[Turn, ...]) -> list[str]:
    """Return the tool results since the last assistant turn; none where a user turn follows them."""
    last = list(takewhile(lambda turn: turn.role != "assistant", reversed(turns)))
    for turn in last:
        if turn.results:
            break
        if turn.role == "user" and not turn.media:
            return []
    return [text for turn in reversed(last) for _, text in turn.results]


AnswerEnd = Literal["stop", "calls", "length", "filter"]


def _text_items(
    request: ParsedRequest, situation: Situation, memory: Memory
) -> tuple[tuple[TextItem, ...], AnswerEnd, dict[str, Any]]:
    user = _user_text(request)
    markers: dict[str, str] = dict(_MARKER.findall(user))
    if "refuse" in markers:
        return (TextItem("refusal", "I cannot help with that."),), "stop", {}
    text = "" if "empty" in markers else _text(request, user, markers)
    end: AnswerEnd = "stop"
    if "filter" in markers:
        text, end = "".join(pieces(text)[:2]), "filter"
    text, stopped = _cut_at_stop(text, request.stop)
    if request.max_tokens is not None and len(pieces(text)) > request.max_tokens:
        text, end, stopped = "".join(pieces(text)[: request.max_tokens]), "length", None
    signature = seal(memory.secret, _scope(situation), text) if situation.behaviour.signs else None
    citations = ({"title": "Echo", "url": "https://example.com/echo", "cited_text": user},) if "cite" in markers else ()
    said = TextItem("text", text, signature=signature, citations=citations)
    return (said,), end, {"stop_sequence": stopped} if stopped else {}


def _text(request: ParsedRequest, user: str, markers: dict[str, str]) -> str:
    results = _results(request.turns)
    schema = _prompted_schema(request) if request.schema is None else request.schema
    if schema is not None:
        hints = hints_of(user)
        hints.strings.extend(results)
        return to_json(value_for(schema, hints)).decode()
    if request.json_mode or _json_requested(request):
        return to_json(_object(user, results)).decode()
    if tools := prompt_tools.react_tools(request):
        return _react_answer(request, tools)
    if functions := prompt_tools.functions(request):
        return _code_answer(request, functions)
    if results:
        return _quoted(results)
    if "long" in markers:
        words = int(markers["long"] or 400)
        return " ".join(f"word{number}" for number in range(1, words + 1))
    return f"You said: {user}"


def _json_requested(request: ParsedRequest) -> bool:
    return any(turn.role == "system" and _JSON_ONLY.search(turn.text) for turn in request.turns)


def _object(user: str, results: list[str]) -> dict[str, str]:
    return _named_keys(user) or {"answer": results[-1] if results else user}


def _named_keys(user: str) -> dict[str, str]:
    """Return an object with the keys that the user names in quotes."""
    named = _KEYS.search(user)
    return {key: f"some {key}" for key in _KEY.findall(named[1])} if named is not None else {}


def _quoted(results: list[str]) -> str:
    return "The tools answered: " + "; ".join(results)


def _react_answer(request: ParsedRequest, tools: tuple[OfferedTool, ...]) -> str:
    """Answer a prompt that describes its tools in text: call one, then quote its result."""
    if outputs := prompt_tools.observations(request):
        return prompt_tools.closing(_quoted(outputs))
    user = prompt_tools.question(request)
    tool = _picked(tools, user)[0]
    return prompt_tools.action(tool.name, _arguments(tool, hints_of(user), user))


def _code_answer(request: ParsedRequest, functions: tuple[OfferedTool, ...]) -> str:
    """Answer a prompt that asks for code: call a function, then quote its output."""
    if outputs := prompt_tools.outputs(request):
        return _quoted(outputs)
    user = prompt_tools.question(request)
    function = _picked(functions, user)[0]
    return prompt_tools.code(function.name, _arguments(function, hints_of(user), user))


def _prompted_schema(request: ParsedRequest) -> dict[str, Any] | None:
    """Return the JSON schema in the text of a system turn, or None."""
    for turn in request.turns:
        if turn.role != "system" or "schema" not in turn.text.lower():
            continue
        end = turn.text.rfind("}") + 1
        starts = (turn.text.find("{"), *(found.start() for found in _OBJECT_LINE.finditer(turn.text)))
        for start in starts:  # other braces may stand before the schema, but not on a line of their own
            try:
                found = from_json(turn.text[start:end]) if start >= 0 else None
            except ValueError:
                continue
            if is_object(found) and "properties" in found:
                return found
    return None


def _cut_at_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    found = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def _reasoning_items(request: ParsedRequest, situation: Situation, memory: Memory) -> tuple[TextItem, ...]:
    if not request.reasoning:
        return ()
    text = f"The user wants an answer to: {_user_text(request)}"
    return (TextItem("reasoning", text, signature=seal(memory.secret, _scope(situation), text)),)


# The tool calls of an answer


def _calls(request: ParsedRequest, situation: Situation, memory: Memory, answer_id: str) -> tuple[CalledTool, ...]:
    user_text = _user_text(request)
    step = _step(request, user_text)
    user = user_text if step is None else step
    tools = _tools_to_call(request, user) if step is None else _picked(request.tools, user)
    if tools and request.parallel is False:
        tools = tools[:1]
    hints = hints_of(user)
    if any(map(_closes, tools)):
        hints.strings.extend(_results(request.turns))
    calls: list[CalledTool] = []
    for number, tool in enumerate(tools):
        arguments = _arguments(tool, hints, user)
        call = CalledTool(f"call_{answer_id[:20]}{number:04x}", tool.name, arguments)
        if number == 0 and situation.behaviour.signs:
            call = replace(call, signature=seal(memory.secret, _scope(situation), call_text(tool.name, arguments)))
        elif number and request.reasoning and situation.api == "responses":
            sealed = f"{tool.name} {to_json(arguments).decode()}"
            call = replace(call, signature=seal(memory.secret, _scope(situation), sealed))
        calls.append(call)
    return tuple(calls)


def _step(request: ParsedRequest, user: str) -> str | None:
    """Return the current step of a request with steps separated by "then"; None where it names no tool."""
    steps = _THEN.split(user)
    current = takewhile(lambda turn: turn.role != "user" or bool(turn.results), reversed(request.turns))
    taken = sum(bool(turn.calls) for turn in current)
    if len(steps) == 1 or taken >= len(steps) or request.choice != "auto" or request.forced is not None:
        return None
    named = any(_is_named(tool.name, steps[taken]) for tool in request.tools)
    return steps[taken] if named else None


def _arguments(tool: OfferedTool, hints: Hints, user: str) -> dict[str, Any]:
    value: dict[str, Any] = value_for({**tool.schema, "type": "object"}, hints)
    is_open = not tool.schema.get("properties") and tool.schema.get("additionalProperties") is not False
    return value or (_named_keys(user) if is_open else {})


def _tools_to_call(request: ParsedRequest, user: str) -> list[OfferedTool]:
    if request.forced is not None:
        return [tool for tool in request.tools if tool.name == request.forced]
    if request.choice == "none" or not request.tools:
        return []
    closing = [tool for tool in request.tools if _closes(tool)]
    if closing:
        return _until_closing(request, user, closing[0])
    if request.choice == "required":
        return _next_required(request, user)
    if _results(request.turns) or "[no tools]" in user or not user:
        return []
    return _picked(request.tools, user)


def _closes(tool: OfferedTool) -> bool:
    return bool(_CLOSING.search(tool.description))


def _until_closing(request: ParsedRequest, user: str, closing: OfferedTool) -> list[OfferedTool]:
    """Return the other tools first; after their results, or where none of them applies, the closing one."""
    others = tuple(tool for tool in request.tools if not _closes(tool))
    due = _results(request.turns) or "[no tools]" in user or not user or not others
    return [closing] if due else _picked(others, user)


def _next_required(request: ParsedRequest, user: str) -> list[OfferedTool]:
    """Return the tool for a forced choice; after results, one that was not called yet, if there is one."""
    if not _results(request.turns):
        return _picked(request.tools, user)
    current = takewhile(lambda turn: turn.role != "user" or bool(turn.results), reversed(request.turns))
    called = {name for turn in current for _, name in turn.calls}
    return ([tool for tool in request.tools if tool.name not in called] or list(request.tools))[:1]


def _picked(tools: tuple[OfferedTool, ...], user: str) -> list[OfferedTool]:
    named = [tool for tool in tools if _is_named(tool.name, user)]
    if len(named) > 1:
        return named
    several = bool(_SEVERAL.search(user))
    if not several:
        return named or list(tools[:1])
    if named or len(tools) == 1:
        return [(named or list(tools))[0]] * 2
    return list(tools[:2])


def _is_named(name: str, text: str) -> bool:
    if name.lower() in text.lower():
        return True
    said = {word.lower() for word in _WORD.findall(text)}
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(words) and words <= said


# The tokens of an answer


def _tokens(text: str) -> int:
    return len(pieces(text))


def _turn_tokens(turn: Turn) -> int:
    results = sum(_tokens(text) for _, text in turn.results)
    return _tokens(turn.text) + results + len(turn.calls) + _MEDIA_TOKENS * len(turn.media)


def _count(
    request: ParsedRequest, items: tuple[TextItem | CalledTool, ...], situation: Situation, memory: Memory
) -> Counts:
    tools = _TOOL_TOKENS * len(request.tools)
    read, write = _cached(request, tools, situation, memory)
    reasoning = visible = 0
    for item in items:
        match item:
            case TextItem(kind="reasoning", text=text):
                reasoning += _tokens(text)
            case TextItem(text=text):
                visible += _tokens(text)
            case CalledTool(name=name, arguments=arguments):
                visible += _tokens(name) + _tokens(to_json(arguments).decode())
    return Counts(
        input=tools + sum(map(_turn_tokens, request.turns)),
        output=(reasoning + visible) * max(request.n, 1),
        cache_read=read,
        cache_write=write,
        reasoning=reasoning * max(request.n, 1),
        audio=_MEDIA_TOKENS * sum(turn.media.count("audio") for turn in request.turns),
    )


def _cached(request: ParsedRequest, tools: int, situation: Situation, memory: Memory) -> tuple[int, int]:
    """Return the prompt's tokens that were read from the cache, and those that are written to it."""
    digest = hashlib.sha256(repr((situation.model, request.tools)).encode())
    so_far, read, cached_tokens = tools, 0, 0
    for turn in request.turns:
        digest.update(repr(replace(turn, cached=False)).encode())
        so_far += _turn_tokens(turn)
        sold = situation.profile.cache_read_dbu is not None
        implicit = not situation.behaviour.caches_marks and sold and so_far >= _IMPLICIT_CACHE
        if not (turn.cached or implicit):
            continue
        if memory.cache(digest.digest()):
            read = so_far
        cached_tokens = so_far
    return read, cached_tokens - read if situation.behaviour.caches_marks else 0
