"""What the rules of chat-completions read in a body, and how they write a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from dbx_gateway.models.profiles import version_of
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import entries, inside, is_array, is_object
from dbx_gateway.testing.model.situation import Situation

__all__ = [
    "Body",
    "Verdict",
    "bad",
    "functions_of",
    "google",
    "has_blank_part",
    "is_reasoning_gpt",
    "keywords_of",
    "messages_of",
    "parts_of",
    "schemas_of",
    "short_name",
    "unknown_field",
]

_NAMED = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_DATA = frozenset({"enum", "const", "default", "examples", "required"})

Body: TypeAlias = dict[str, Any]
"""A body that the reader of the format accepted, or an object inside it."""

Verdict: TypeAlias = Refused | None
"""The result of a rule: a refusal, or None."""


def bad(text: str) -> Refused:
    """Return a refusal in Databricks' format."""
    return Refused(400, text)


def google(text: str) -> Refused:
    """Return a refusal in Google's format, which the workspace passes through for Gemini."""
    body = {"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}
    return Refused(400, text, code="INVALID_ARGUMENT", body=body)


def messages_of(body: Body, *roles: str) -> Iterator[Body]:
    """Yield the messages of these roles; without ``roles``, all messages."""
    for message in body["messages"]:
        if not roles or message["role"] in roles:
            yield message


def parts_of(message: Body) -> list[Body]:
    """Return the parts of a message; none where its content is a string."""
    return entries(message, "content")


def has_blank_part(message: Body) -> bool:
    """Return whether a message has a text, or a part of text, that is empty or blank."""
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else parts_of(message)
    return any(part["type"] == "text" and not part["text"].strip() for part in parts)


def functions_of(body: Body) -> list[Body]:
    """Return the functions that a body offers."""
    return [tool["function"] for tool in entries(body, "tools")]


def schemas_of(body: Body) -> Iterator[tuple[str, Body]]:
    """Yield every schema of a body with its path."""
    for number, function in enumerate(functions_of(body)):
        yield f"tools[{number}].function.parameters", inside(function, "parameters")
    form = inside(body, "response_format")
    if form.get("type") == "json_schema":
        yield "response_format.json_schema.schema", form["json_schema"]["schema"]


def keywords_of(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield every keyword of a schema at any depth; names of properties and definitions are not keywords."""
    if not is_object(schema):
        return
    for key, value in schema.items():
        yield key, value
        if key in _DATA:
            continue
        for inner in _schemas_under(key, value):
            yield from keywords_of(inner)


def _schemas_under(key: str, value: Any) -> Iterable[Any]:
    if key in _NAMED and is_object(value):
        return value.values()
    return value if is_array(value) else (value,)


def unknown_field(field: str, situation: Situation) -> Refused:
    """Return the refusal of an unknown field, with the family's message."""
    return bad(situation.behaviour.unknown_field.format(field=field))


def short_name(situation: Situation) -> str:
    """Return the model's name without its surface's prefix."""
    return situation.model.rsplit(".", 1)[-1].removeprefix("databricks-")


def is_reasoning_gpt(situation: Situation) -> bool:
    """GPT 5.4 and later reason, and name their limits accordingly (docs/wire/chat-completions.md#refused-fields)."""
    return version_of(situation.model) >= (5, 4)
