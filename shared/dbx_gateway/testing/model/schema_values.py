"""JSON values that a schema accepts, made deterministically from the text of a user."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dbx_gateway.testing.json_values import entries, inside, is_array, is_object

__all__ = ["Hints", "hints_of", "value_for"]

_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'(?!\w)|“([^”]+)”")
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w])")
_NAME = re.compile(r"(?<=[a-z,:] )[A-Z][\w-]+(?: [A-Z][\w-]+)*")
_DEEPEST = 6
_GIVEN_UP = 50
_LONGEST = 64

_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000001",
}


@dataclass
class Hints:
    """Values in a user's text for arguments, each used once, in order."""

    numbers: deque[float]
    strings: deque[str]


def hints_of(text: str) -> Hints:
    """Return the numbers of a text, and its quoted words or else its names (words with a capital inside a sentence)."""
    quoted = ["".join(groups) for groups in _QUOTED.findall(text)]
    bare = _QUOTED.sub(" ", text)
    numbers = deque(float(found) for found in _NUMBER.findall(bare))
    return Hints(numbers, deque(quoted or _NAME.findall(bare)))


def value_for(schema: dict[str, Any], hints: Hints, name: str = "value") -> Any:
    """Return a value that ``schema`` accepts.

    Understands types (also lists of types and Gemini's upper-case ones), ``enum``, ``const``, ``required``, nesting,
    ``$ref`` into the same schema, ``anyOf``, ``oneOf``, ``allOf``, free keys, bounds, lengths and common formats. A ``pattern`` is
    not understood: its value is the ``default``, the first of the ``examples``, or any string.

    Args:
        schema: a JSON schema.
        hints: values to prefer; those used are taken out.
        name: of the value, for a string without other hints.
    """
    return _Maker(schema, hints).make(schema, name, 0)


class _Maker:
    def __init__(self, root: dict[str, Any], hints: Hints) -> None:
        self._root = root
        self._hints = hints

    def make(self, schema: Any, name: str, depth: int) -> Any:
        schema = self._resolve(schema)
        for key in ("const", "default"):
            if key in schema and (key == "const" or "pattern" in schema):
                return schema[key]
        if options := entries(schema, "enum"):
            return self._one_of(options)
        match self._type(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case kind:
                return self._scalar(schema, kind)

    def _scalar(self, schema: dict[str, Any], kind: str) -> float | bool | None:
        if kind in ("integer", "number"):
            number = self._number(schema, whole=kind == "integer")
            return int(number) if number.is_integer() else number
        return True if kind == "boolean" else None

    def _resolve(self, schema: Any) -> dict[str, Any]:
        if not is_object(schema):
            return {}
        merged = dict(schema)
        for _ in range(_DEEPEST):
            if "$ref" in merged:
                merged = self._target(str(merged.pop("$ref"))) | merged
            elif branches := _taken(merged, "anyOf") or _taken(merged, "oneOf"):
                merged = _first_filled(branches) | merged
            elif parts := _taken(merged, "allOf"):
                merged = self._merge(parts) | merged
            else:
                break
        return merged

    def _merge(self, parts: Iterable[Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for part in map(self._resolve, parts):
            properties = {**inside(merged, "properties"), **inside(part, "properties")}
            required = [*entries(merged, "required"), *entries(part, "required")]
            merged |= part
            merged |= {"properties": properties, "required": required} if properties else {}
        return merged

    def _target(self, ref: str) -> dict[str, Any]:
        found: Any = self._root
        for step in ref.removeprefix("#").strip("/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if is_object(found) else None
        return dict(found) if is_object(found) else {}

    @staticmethod
    def _type(schema: dict[str, Any]) -> str:
        kind = schema.get("type")
        if is_array(kind):
            kind = next((one for one in kind if one != "null"), "null")
        if isinstance(kind, str):
            return kind.lower()
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema or "prefixItems" in schema else "string"

    def _one_of(self, options: list[Any]) -> Any:
        for hint in self._hints.strings:
            if hint in options:
                self._hints.strings.remove(hint)
                return hint
        return next((option for option in options if option is not None), None)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = inside(schema, "properties")
        required = {name for name in entries(schema, "required") if isinstance(name, str)}
        if not required and depth == 0:
            required = set(properties)
        free = schema.get("additionalProperties")
        if free is None and "additionalProperties" in str(
            schema.get("description")
        ):  # the model reads what is said in words
            free = {"type": "string"}
        if not properties and is_object(free) and free:
            return self._pairs(free, depth)
        return {
            name: self.make(inner, name, depth + 1)
            for name, inner in properties.items()
            if (name in required and depth < _GIVEN_UP) or (depth < _DEEPEST and self._is_hinted(inner))
        }

    def _pairs(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """Return an object of free keys: each quoted word that is left is one, if a value for it is left too."""
        pairs: dict[str, Any] = {}
        words = 2 if self._type(self._resolve(schema)) == "string" else 1
        while len(self._hints.strings) >= words and (words == 2 or self._is_hinted(schema)):
            key = self._hints.strings.popleft()
            pairs[key] = self.make(schema, key, depth + 1)
        return pairs

    def _is_hinted(self, schema: Any) -> bool:
        kind = self._type(self._resolve(schema))
        return bool(self._hints.numbers) if kind in ("integer", "number") else False

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        prefix = entries(schema, "prefixItems")
        values = [self.make(inner, name, depth + 1) for inner in prefix]
        least = int(_number_under(schema, "minItems", 0 if depth >= _DEEPEST else 1))
        most = int(_number_under(schema, "maxItems", _LONGEST))
        if prefix:
            return values
        items: Any = schema.get("items")
        while len(values) < min(least, _LONGEST) or (len(values) < most and self._has_more(items)):
            values.append(self.make(items, name, depth + 1))
        return values[:most]

    def _has_more(self, items: Any) -> bool:
        match self._type(self._resolve(items)):
            case "integer" | "number":
                return bool(self._hints.numbers)
            case _:
                return False

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float:
        number = self._hints.numbers.popleft() if self._hints.numbers else 1.0
        step = abs(_number_under(schema, "multipleOf", 1 if whole else 0))
        low = _bound(schema, "minimum", "exclusiveMinimum", step or 0.5)
        high = _bound(schema, "maximum", "exclusiveMaximum", -(step or 0.5))
        number = min(max(number, low), high)
        if step:
            number = step * (number // step)
            number = number + step if number < low else number
        return number

    def _string(self, schema: dict[str, Any], name: str) -> str:
        examples = entries(schema, "examples")
        if "pattern" in schema and examples:
            return str(examples[0])
        form = schema.get("format")
        if isinstance(form, str) and form in _FORMATS:
            return _FORMATS[form]
        text = self._hints.strings.popleft() if self._hints.strings else f"some {name}"
        text = text.ljust(int(_number_under(schema, "minLength", 0)), "x")
        return text[: int(_number_under(schema, "maxLength", len(text)))]


def _taken(schema: dict[str, Any], key: str) -> list[Any]:
    """Remove a key from the schema, and return its list."""
    found = entries(schema, key)
    schema.pop(key, None)
    return found


def _number_under(schema: dict[str, Any], key: str, absent: float) -> float:
    found = schema.get(key)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else absent


def _first_filled(branches: list[Any]) -> dict[str, Any]:
    filled = (one for one in branches if is_object(one) and one.get("type") != "null")
    return dict(next(filled, {"type": "null"}))


def _bound(schema: dict[str, Any], inclusive: str, exclusive: str, inside: float) -> float:
    nowhere = float("-inf") if inside > 0 else float("inf")
    beyond = _number_under(schema, exclusive, nowhere)
    return beyond + inside if beyond != nowhere else _number_under(schema, inclusive, nowhere)
