"""Inputs made to be expensive, each a family of any size: what a server or a tool's schema would send to do harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["FAMILIES", "Family", "doubling", "nested_unions"]


@dataclass(frozen=True, slots=True)
class Family:
    """Inputs of one kind for one target.

    Args:
        name: what is done.
        target: whose inputs they are.
        of: returns the input of a size.
        size: the smallest of the sizes that are compared.
    """

    name: str
    target: str
    of: Callable[[int], bytes]
    size: int


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _events(*events: Any) -> bytes:
    return b"".join(b"data: " + _dumped(event) + b"\n\n" for event in events)


def _chat(choice: Any, **more: Any) -> Any:
    return {"id": "c", "choices": [{"index": 0, **choice}], **more}


def _piece(number: int, **function: Any) -> Any:
    return _chat({"delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", **function}}]}})


def _response(kind: str, number: int, **fields: Any) -> Any:
    return {"type": f"response.{kind}", "sequence_number": number, **fields}


def _item(number: int) -> Any:
    return {"type": "function_call", "id": f"i{number}", "call_id": f"c{number}", "name": "f", "arguments": "{}"}


_CHAT_END = _chat({"delta": {}, "finish_reason": "stop"})
_CREATED = _response("created", 0, response={"id": "r"})
_COMPLETED = {"type": "response.completed", "response": {"output": []}}
_ENDED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}


def _stream(event: Callable[[int], Any], *, before: Any = (), after: Any = ()) -> Callable[[int], bytes]:
    return lambda size: _events(*before, *map(event, range(size)), *after)


def _chat_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    yield (
        "a choice for each event",
        _stream(lambda n: {"choices": [{"index": n, "delta": {}, "finish_reason": "stop"}]}),
    )
    yield "an unknown field for each event", _stream(lambda n: {f"k{n}": 1}, after=[_CHAT_END])
    yield "an unknown field of a call for each event", _stream(lambda n: _piece(n, **{f"k{n}": 1}), after=[_CHAT_END])
    yield "a letter of arguments for each event", _stream(lambda n: _piece(n, arguments="1"), after=[_CHAT_END])
    yield (
        "a call for each event, none with a name",
        _stream(lambda n: _chat({"delta": {"tool_calls": [{"index": n, "id": str(n)}]}}), after=[_CHAT_END]),
    )
    yield (
        "text and thoughts in turn",
        _stream(
            lambda n: _chat(
                {"delta": {"content": [{"type": "text", "text": "a"}, {"type": "reasoning", "text": "b"}]}}
            ),
            after=[_CHAT_END],
        ),
    )
    yield "log probabilities", _stream(lambda n: _chat({"logprobs": {"content": [n]}}), after=[_CHAT_END])
    yield (
        "an agent that asks and never answers",
        _stream(lambda n: {"delta": {"id": str(n), "role": "assistant", "tool_calls": [{"id": str(n)}]}}),
    )
    yield "usage that changes", _stream(lambda n: _chat({}, usage={"prompt_tokens": n}), after=[_CHAT_END])


def _responses_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    def said(kind: str, **fields: Any) -> Callable[[int], bytes]:
        return _stream(
            lambda n: _response(kind, n + 1, output_index=0, **fields), before=[_CREATED], after=[_COMPLETED]
        )

    yield "a letter of text for each event", said("output_text.delta", content_index=0, delta="a")
    yield "the end of a text again and again", said("output_text.done", content_index=0, text="aaaa")
    yield "a citation for each event", said("output_text.annotation.added", content_index=0, annotation={"a": 1})
    yield "an item that ends again and again", said("output_item.done", item=_item(0))
    yield (
        "gaps in the numbers",
        _stream(lambda n: _response("output_text.delta", (n + 1) * 900, output_index=0, delta="a"), before=[_CREATED]),
    )
    yield (
        "numbers that count down",
        _stream(lambda n: _response("output_text.delta", -n, output_index=0, delta="a"), before=[_CREATED]),
    )
    yield (
        "items that never end",
        _stream(lambda n: _response("output_item.added", n + 1, output_index=n, item=_item(n)), before=[_CREATED]),
    )
    yield (
        "calls of an agent without results",
        _stream(lambda n: {"type": "response.output_item.done", "item": _item(n)}),
    )
    yield (
        "a text for each event",
        _stream(
            lambda n: _response("output_text.delta", n + 1, output_index=0, content_index=n, delta="a"),
            before=[_CREATED],
            after=[_COMPLETED],
        ),
    )


def _messages_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    def delta(n: int, **fields: Any) -> Any:
        return {"type": "content_block_delta", "index": 0, "delta": fields}

    text = {"type": "text", "text": "a"}
    yield (
        "blocks that never end",
        _stream(lambda n: {"type": "content_block_start", "index": n, "content_block": text}, after=[_ENDED]),
    )
    yield (
        "blocks at one place",
        _stream(lambda n: {"type": "content_block_start", "index": 0, "content_block": text}, after=[_ENDED]),
    )
    yield "a letter for each event", _stream(lambda n: delta(n, type="text_delta", text="a"), after=[_ENDED])
    yield "an unknown field for each event", _stream(lambda n: delta(n, **{f"k{n}": "a"}, type="text_delta"))
    yield "a count for each event", _stream(lambda n: {"type": "message_delta", "usage": {f"k{n}": 1}}, after=[_ENDED])
    yield (
        "a citation for each event",
        _stream(lambda n: delta(n, type="citations_delta", citation={"url": "u"}), after=[_ENDED]),
    )
    yield "pings", _stream(lambda n: {"type": "ping"})


def _gemini_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    def part(n: int, value: Any) -> Any:
        return {"candidates": [{"content": {"parts": [value]}, "finishReason": "STOP"}]}

    yield "a candidate for each event", _stream(lambda n: {"candidates": [{"index": n, "finishReason": "STOP"}]})
    yield "text and thoughts in turn", _stream(lambda n: part(n, {"text": "a", "thought": n % 2 == 0}))
    yield "signatures", _stream(lambda n: part(n, {"text": "", "thoughtSignature": "a"}))
    yield "unknown parts", _stream(lambda n: part(n, {"new": n}))
    yield (
        "log probabilities",
        _stream(lambda n: {"candidates": [{"finishReason": "STOP", "logprobsResult": {"c": [n]}}]}),
    )


def _grounded(size: int) -> bytes:
    chunk = {f"k{n}": {"uri": "u"} for n in range(size)}
    supports = [{"groundingChunkIndices": [0] * 4} for _ in range(size)]
    metadata = {"groundingChunks": [chunk], "groundingSupports": supports}
    parts = [{"text": "a"}]
    return _dumped(
        {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP", "groundingMetadata": metadata}]}
    )


def _choice(message: Any) -> bytes:
    return _dumped({"id": "c", "choices": [{"message": message, "finish_reason": "stop"}]})


def _whole_families() -> Iterator[tuple[str, str, Callable[[int], bytes]]]:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    text = {"type": "text", "text": "a"}
    yield "chat-completions-whole", "calls", lambda size: _choice({"tool_calls": [call] * size})
    yield "chat-completions-whole", "choices", lambda size: _dumped({"choices": [{"message": {"content": "a"}}] * size})
    yield (
        "responses-whole",
        "items",
        lambda size: _dumped({"status": "completed", "output": [*map(_item, range(size))]}),
    )
    yield "messages-whole", "blocks", lambda size: _dumped({"content": [text, {"type": "new"}] * size})
    yield "generate-content-whole", "sources", _grounded
    yield "embeddings", "vectors", lambda size: _dumped({"data": [{"embedding": [0.5] * size}]})
    yield "history-langchain", "calls", lambda size: _choice({"tool_calls": [call] * size})
    named = {"id": "t", **call}
    yield "history-langchain", "calls of one id", lambda size: _choice({"tool_calls": [named] * size})
    yield "history-llama-index", "calls of one id", lambda size: _choice({"tool_calls": [named] * size})
    yield "history-langchain", "blocks", lambda size: _dumped({"content": [text, {"type": "new"}] * size})
    yield "history-llama-index", "calls", lambda size: _choice({"tool_calls": [call] * size})
    yield "history-llama-index", "blocks", lambda size: _dumped({"content": [text, {"type": "new"}] * size})


def _framing_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    for name, line in (
        ("empty lines", b"\n"),
        ("carriage returns", b"\r"),
        ("comments", b":\n"),
        ("lines of data without any", b"data\n"),
        ("the smallest events", b"data:1\n\n"),
        ("lines that are no fields", b"a\n"),
        ("names of events", b"event:a\n"),
        ("a line that never ends", b"a"),
    ):
        yield name, lambda size, line=line: line * size


def _text_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    for name, piece in (
        ("arrays that open", b"["),
        ("objects that open", b'{"a":'),
        ("objects that open and say nothing", b"{"),
        ("brackets and quotes", b'["'),
        ("quotes and brackets", b'"['),
        ("backslashes", b'["\\'),
        ("small arrays", b"[] "),
        ("half characters", b'["\\ud800"] '),
        ("arrays that go on", b"[1,"),
        ("pairs that do not match", b"[}"),
        ("digits", b"[1"),
        ("closing brackets", b"]"),
    ):
        yield name, lambda size, piece=piece: b"x " + piece * size
    yield "digits of one number", lambda size: b"x [" + b"9" * size + b"]"
    yield "depth that closes", lambda size: b"x " + b"[" * size + b"]" * size


def _failure_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    def deep(size: int) -> bytes:
        inner: Any = "no"
        for _ in range(size):
            inner = {"message": inner}
        return _dumped({"error": inner})

    yield "errors in errors", deep
    yield "fields", lambda size: _dumped({f"k{n}": 1 for n in range(size)})
    yield "details", lambda size: _dumped({"detail": [{"msg": "no"}] * size})
    yield "text that is JSON", lambda size: _dumped({"message": _dumped({"detail": "no" * size}).decode()})
    yield "broken JSON", lambda size: b'{"message": ' + b"[" * size
    yield "digits", lambda size: b'{"message": "no", "retry_after": ' + b"9" * size + b"}"
    yield "tags", lambda size: b"<html>" + b"<pre>" * size
    yield "heads of tokens", lambda size: b"eyJ" * size


def doubling(depth: int, leaf: Any) -> bytes:
    """Return a schema whose definitions each name the one before twice: with its references inlined it is huge."""
    definitions = {"d0": leaf}
    for level in range(1, depth + 1):
        below = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"type": "object", "properties": {"a": below, "b": below}}
    return _dumped({"$ref": f"#/$defs/d{depth}", "$defs": definitions})


def nested_unions(depth: int) -> bytes:
    """Return a schema with a union beside the properties of each level: what is told of one tells of all below."""
    schema: Any = {"type": "string"}
    for _ in range(depth):
        union = [{"properties": {"x": schema}}, {"properties": {"y": {"type": "integer"}}}]
        schema = {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": union}
    return _dumped(schema)


def _chain(size: int) -> bytes:
    definitions: Any = {f"d{n}": {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(size)}
    return _dumped({"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{size}": {"$ref": "#/$defs/d0"}}})


def _schema_families() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    yield "branches", lambda size: _dumped({"anyOf": [{"const": f"v{n}"} for n in range(size)]})
    yield "unknown keywords", lambda size: _dumped({"type": "object", **{f"k{n}": n for n in range(size)}})
    yield "merged schemas", lambda size: _dumped({"allOf": [{"properties": {f"p{n}": {}}} for n in range(size)]})
    yield "tuples", lambda size: _dumped({"type": "array", "prefixItems": [{"const": f"v{n}"} for n in range(size)]})
    yield "values", lambda size: _dumped({"enum": [*range(size)]})
    yield "required names", lambda size: _dumped({"required": [f"p{n}" for n in range(size)], "properties": {"p1": {}}})
    yield "types", lambda size: _dumped({"type": ["string", "integer"] * size})
    yield (
        "one definition named often",
        lambda size: _dumped(
            {"properties": {f"p{n}": {"$ref": "#/$defs/A"} for n in range(size)}, "$defs": {"A": {"enum": ["a"]}}}
        ),
    )


FAMILIES: tuple[Family, ...] = (
    *(Family(name, "sse", of, 100) for name, of in _framing_families()),
    *(Family(name, "chat-completions-stream", of, 20) for name, of in _chat_families()),
    *(Family(name, "responses-stream", of, 20) for name, of in _responses_families()),
    *(Family(name, "messages-stream", of, 20) for name, of in _messages_families()),
    *(Family(name, "generate-content-stream", of, 20) for name, of in _gemini_families()),
    *(Family(name, target, of, 15) for target, name, of in _whole_families()),
    *(Family(name, "extract", of, 150) for name, of in _text_families()),
    *(Family(name, "error-body", of, 40) for name, of in _failure_families()),
    *(Family(name, "schema-gemini", of, 25) for name, of in _schema_families()),
    *(Family(name, "schema-messages", of, 25) for name, of in _schema_families()),
    *(Family(name, "schema-open-models", of, 25) for name, of in _schema_families()),
    *(Family("a ring of definitions", target, _chain, 20) for target in ("schema-gemini", "schema-open-models")),
)
