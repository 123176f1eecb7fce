"""What the simulated workspace answers: a pure function of the request and of what it remembers of earlier ones.

A text may steer the answer with a marker in square brackets:

====================  ==================================================================
``[filter]``          the answer stops half way, by the content filter
``[refuse]``          the model refuses
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
from dbx_gateway.testing.model import prompt_tools as spoken
from dbx_gateway.testing.model.conversation import Answer, Ask, AskedTool, CalledTool, Counts, Saying, Turn, pieces
from dbx_gateway.testing.model.schema_values import Hints, hints_of, value_for
from dbx_gateway.testing.model.signatures import is_genuine, seal
from dbx_gateway.testing.model.situation import Situation

__all__ = ["Memory", "answer", "is_own_signature"]

_MARKER = re.compile(r"\[(filter|refuse|cite|no tools|long)(?: (\d+))?\]")
_SEVERAL = re.compile(r"\b(both|each|parallel)\b", re.IGNORECASE)
_CLOSING = re.compile(r"\bfinal answer\b", re.IGNORECASE)
_THEN = re.compile(r",? (?:and )?then ", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_KEYS = re.compile(r"((?:['\"][\w-]+['\"](?:, and |, | and )?)+) (?:keys?|fields?)\b")
_KEY = re.compile(r"['\"]([\w-]+)['\"]")
_JSON_ONLY = re.compile(r"\bone JSON object\b", re.IGNORECASE)
_TOOL_TOKENS = 10
_MEDIA_TOKENS = 100
_IMPLICIT_CACHE = 1024


@dataclass
class Memory:
    """What a workspace remembers between requests: its secret, how many answers it gave, which prompts it keeps."""

    secret: bytes = b"simulated workspace"
    _answers: int = 0
    _prompts: set[bytes] = field(default_factory=set[bytes])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_id(self) -> str:
        """Return the id of the next answer: 24 hexadecimal digits."""
        with self._lock:
            self._answers += 1
            count = self._answers
        return hashlib.sha256(self.secret + count.to_bytes(8, "big")).hexdigest()[:24]

    def cache(self, prompt: bytes) -> bool:
        """Keep a prompt; return whether it was kept already."""
        with self._lock:
            known = prompt in self._prompts
            self._prompts.add(prompt)
        return known


def answer(ask: Ask, situation: Situation, memory: Memory) -> Answer:
    """Return the answer to a request.

    With tools on offer and no result given since the last user turn, or with a call forced, it calls: the tools that
    the user's words name, else the first; several when the words say "both", "each" or "parallel" or name several; the
    steps of a request that the word "then" parts one after another. The arguments follow the tools' schemas and take
    the user's numbers and quoted words in order. After results it quotes them, or calls the tool whose description asks
    for the final answer. A schema is obeyed, also one that a system turn only tells of, and so is JSON mode, asked for
    by an option or by a system turn, with the keys that the user names; anything else is echoed. A word is a token.
    Tools that the prompt offers in words are called in words, and functions that it offers to be called in code, in code.
    """
    made = memory.next_id()
    calls = _calls(ask, situation, memory, made)
    said: tuple[Saying, ...]
    end: AnswerEnd
    extras: dict[str, Any]
    said, end, extras = ((), "calls", {}) if calls else _say(ask, situation, memory)
    items: tuple[Saying | CalledTool, ...] = (*_reason(ask, situation, memory), *said, *calls)
    return Answer(
        id=made,
        model=situation.model,
        items=items,
        end=end,
        counts=_count(ask, items, situation, memory),
        extras=extras,
    )


def is_own_signature(signature: str, situation: Situation, memory: Memory) -> bool:
    """Return whether a replayed signature was made here, for the same model and api, and is unaltered."""
    return is_genuine(memory.secret, _scope(situation), signature)


def _scope(situation: Situation) -> str:
    model = situation.model.rsplit(".", 1)[-1].removeprefix("databricks-")
    return f"{situation.api} {model}"


# What to say


def _user_text(ask: Ask) -> str:
    return next((turn.text for turn in reversed(ask.turns) if turn.role == "user" and turn.text), "")


def _results(turns: tuple[Turn, ...]) -> list[str]:
    """The results given since the last turn of the assistant, unless the user has spoken after them."""
    last = list(takewhile(lambda turn: turn.role != "assistant", reversed(turns)))
    for turn in last:
        if turn.results:
            break
        if turn.role == "user" and not turn.media:
            return []
    return [text for turn in reversed(last) for _, text in turn.results]


AnswerEnd = Literal["stop", "calls", "length", "filter"]


def _say(ask: Ask, situation: Situation, memory: Memory) -> tuple[tuple[Saying, ...], AnswerEnd, dict[str, Any]]:
    user = _user_text(ask)
    markers: dict[str, str] = dict(_MARKER.findall(user))
    if "refuse" in markers:
        return (Saying("refusal", "I cannot help with that."),), "stop", {}
    text = _text(ask, user, markers)
    end: AnswerEnd = "stop"
    if "filter" in markers:
        text, end = "".join(pieces(text)[:2]), "filter"
    text, stopped = _obey_stop(text, ask.stop)
    if ask.max_tokens is not None and len(pieces(text)) > ask.max_tokens:
        text, end, stopped = "".join(pieces(text)[: ask.max_tokens]), "length", None
    signature = seal(memory.secret, _scope(situation), text) if situation.behaviour.signs else None
    citations = ({"title": "Echo", "url": "https://example.com/echo", "cited_text": user},) if "cite" in markers else ()
    said = Saying("text", text, signature=signature, citations=citations)
    return (said,), end, {"stop_sequence": stopped} if stopped else {}


def _text(ask: Ask, user: str, markers: dict[str, str]) -> str:
    results = _results(ask.turns)
    schema = _prompted_schema(ask) if ask.schema is None else ask.schema
    if schema is not None:
        hints = hints_of(user)
        hints.strings.extend(results)
        return to_json(value_for(schema, hints)).decode()
    if ask.json_mode or _told_json(ask):
        return to_json(_object(user, results)).decode()
    if tools := spoken.spoken_tools(ask):
        return _in_words(ask, tools)
    if functions := spoken.functions(ask):
        return _in_code(ask, functions)
    if results:
        return _quote(results)
    if "long" in markers:
        words = int(markers["long"] or 400)
        return " ".join(f"word{number}" for number in range(1, words + 1))
    return f"You said: {user}"


def _told_json(ask: Ask) -> bool:
    return any(turn.role == "system" and _JSON_ONLY.search(turn.text) for turn in ask.turns)


def _object(user: str, results: list[str]) -> dict[str, str]:
    return _named_keys(user) or {"answer": results[-1] if results else user}


def _named_keys(user: str) -> dict[str, str]:
    """An object of the keys that the user names in quotes."""
    named = _KEYS.search(user)
    return {key: f"some {key}" for key in _KEY.findall(named[1])} if named is not None else {}


def _quote(results: list[str]) -> str:
    return "The tools answered: " + "; ".join(results)


def _in_words(ask: Ask, tools: tuple[AskedTool, ...]) -> str:
    """Answer a prompt that offers its tools in words: call one, then quote what it answered."""
    if told := spoken.observations(ask):
        return spoken.closing(_quote(told))
    user = spoken.question(ask)
    tool = _picked(tools, user)[0]
    return spoken.action(tool.name, _arguments(tool, hints_of(user), user))


def _in_code(ask: Ask, functions: tuple[AskedTool, ...]) -> str:
    """Answer a prompt that wants code: call a function, then quote what it printed."""
    if told := spoken.outputs(ask):
        return _quote(told)
    user = spoken.question(ask)
    function = _picked(functions, user)[0]
    return spoken.code(function.name, _arguments(function, hints_of(user), user))


def _prompted_schema(ask: Ask) -> dict[str, Any] | None:
    """The JSON schema that a system turn tells the model to follow in words, as a model would."""
    for turn in ask.turns:
        start, end = turn.text.find("{"), turn.text.rfind("}")
        if turn.role != "system" or "schema" not in turn.text.lower() or not 0 <= start < end:
            continue
        try:
            found = from_json(turn.text[start : end + 1])
        except ValueError:
            continue
        if is_object(found) and "properties" in found:
            return found
    return None


def _obey_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    found = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def _reason(ask: Ask, situation: Situation, memory: Memory) -> tuple[Saying, ...]:
    if not ask.reasoning:
        return ()
    text = f"The user wants an answer to: {_user_text(ask)}"
    return (Saying("reasoning", text, signature=seal(memory.secret, _scope(situation), text)),)


# What to call


def _calls(ask: Ask, situation: Situation, memory: Memory, made: str) -> tuple[CalledTool, ...]:
    asked = _user_text(ask)
    step = _step(ask, asked)
    user = asked if step is None else step
    tools = _wanted(ask, user) if step is None else _picked(ask.tools, user)
    if tools and ask.parallel is False:
        tools = tools[:1]
    hints = hints_of(user)
    if any(map(_closes, tools)):
        hints.strings.extend(_results(ask.turns))
    calls: list[CalledTool] = []
    for number, tool in enumerate(tools):
        arguments = _arguments(tool, hints, user)
        call = CalledTool(f"call_{made[:20]}{number:04x}", tool.name, arguments)
        if number == 0 and situation.behaviour.signs:
            call = replace(call, signature=seal(memory.secret, _scope(situation), tool.name + call.id))
        calls.append(call)
    return tuple(calls)


def _step(ask: Ask, user: str) -> str | None:
    """The part of a request of several steps, parted by "then", that is due now; None where it calls for no tool."""
    steps = _THEN.split(user)
    current = takewhile(lambda turn: turn.role != "user" or bool(turn.results), reversed(ask.turns))
    taken = sum(bool(turn.calls) for turn in current)
    if len(steps) == 1 or taken >= len(steps) or ask.choice != "auto" or ask.forced is not None:
        return None
    named = any(_is_named(tool.name, steps[taken]) for tool in ask.tools)
    return steps[taken] if named else None


def _arguments(tool: AskedTool, hints: Hints, user: str) -> dict[str, Any]:
    value: dict[str, Any] = value_for({**tool.schema, "type": "object"}, hints)
    is_open = not tool.schema.get("properties") and tool.schema.get("additionalProperties") is not False
    return value or (_named_keys(user) if is_open else {})


def _wanted(ask: Ask, user: str) -> list[AskedTool]:
    if ask.forced is not None:
        return [tool for tool in ask.tools if tool.name == ask.forced]
    if ask.choice == "none" or not ask.tools:
        return []
    closing = [tool for tool in ask.tools if _closes(tool)]
    if closing:
        return _until_closing(ask, user, closing[0])
    if ask.choice == "required":
        return _next_required(ask, user)
    if _results(ask.turns) or "[no tools]" in user or not user:
        return []
    return _picked(ask.tools, user)


def _closes(tool: AskedTool) -> bool:
    return bool(_CLOSING.search(tool.description))


def _until_closing(ask: Ask, user: str, closing: AskedTool) -> list[AskedTool]:
    """Call the other tools first, and with their results, or with nothing to call them for, the one that ends it."""
    others = tuple(tool for tool in ask.tools if not _closes(tool))
    due = _results(ask.turns) or "[no tools]" in user or not user or not others
    return [closing] if due else _picked(others, user)


def _next_required(ask: Ask, user: str) -> list[AskedTool]:
    """A forced choice after results asks for a tool not called yet, if there is one."""
    if not _results(ask.turns):
        return _picked(ask.tools, user)
    current = takewhile(lambda turn: turn.role != "user" or bool(turn.results), reversed(ask.turns))
    called = {name for turn in current for _, name in turn.calls}
    return ([tool for tool in ask.tools if tool.name not in called] or list(ask.tools))[:1]


def _picked(tools: tuple[AskedTool, ...], user: str) -> list[AskedTool]:
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


# What it costs


def _tokens(text: str) -> int:
    return len(pieces(text))


def _turn_tokens(turn: Turn) -> int:
    results = sum(_tokens(text) for _, text in turn.results)
    return _tokens(turn.text) + results + len(turn.calls) + _MEDIA_TOKENS * len(turn.media)


def _count(ask: Ask, items: tuple[Saying | CalledTool, ...], situation: Situation, memory: Memory) -> Counts:
    tools = _TOOL_TOKENS * len(ask.tools)
    read, write = _cached(ask, tools, situation, memory)
    reasoning = visible = 0
    for item in items:
        match item:
            case Saying(kind="reasoning", text=text):
                reasoning += _tokens(text)
            case Saying(text=text):
                visible += _tokens(text)
            case CalledTool(name=name, arguments=arguments):
                visible += _tokens(name) + _tokens(to_json(arguments).decode())
    return Counts(
        input=tools + sum(map(_turn_tokens, ask.turns)),
        output=(reasoning + visible) * max(ask.n, 1),
        cache_read=read,
        cache_write=write,
        reasoning=reasoning * max(ask.n, 1),
        audio=_MEDIA_TOKENS * sum(turn.media.count("audio") for turn in ask.turns),
    )


def _cached(ask: Ask, tools: int, situation: Situation, memory: Memory) -> tuple[int, int]:
    """Tokens of the prompt that were kept before, and tokens that are now kept."""
    digest = hashlib.sha256(repr((situation.model, ask.tools)).encode())
    so_far, read, kept = tools, 0, 0
    for turn in ask.turns:
        digest.update(repr(replace(turn, cached=False)).encode())
        so_far += _turn_tokens(turn)
        sold = situation.profile.cache_read_dbu is not None
        implicit = not situation.behaviour.caches_marks and sold and so_far >= _IMPLICIT_CACHE
        if not (turn.cached or implicit):
            continue
        if memory.cache(digest.digest()):
            read = so_far
        kept = so_far
    return read, kept - read if situation.behaviour.caches_marks else 0
