"""Vectors of texts: the request and the response (docs/wire/surfaces.md#model-serving, #ai-gateway)."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.chat import JsonObject, Usage
from dbx_gateway.error_bodies import RequestTarget, api_error, error_event
from dbx_gateway.errors import InvalidRequestError, InvalidResponseError
from dbx_gateway.json_schema import check_schema
from dbx_gateway.models.routing import EmbeddingsRoute

__all__ = ["DEFAULT_BATCH", "Embeddings", "batches", "embeddings_body", "joined", "read_embeddings"]

DEFAULT_BATCH = 20
"""Texts per request where the profile names no other number (docs/wire/quirks.md#embeddings-batch)."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of their texts.

    Args:
        vectors: one list of numbers for each text.
        model: as the server names it.
        usage: tokens of the texts; None where the server reports none.
    """

    vectors: tuple[tuple[float, ...], ...]
    model: str | None = None
    usage: Usage | None = None


def batches(texts: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield ``texts`` in groups of at most ``size``, in order.

    Raises:
        InvalidRequestError: a text is empty or no text, ``texts`` is one text, or ``size`` is less than one.
    """
    if size < 1:
        raise InvalidRequestError(f"the batch size is {size}; give at least 1")
    if isinstance(texts, str):
        raise InvalidRequestError("embeddings take a list of texts, not one text; put it into a list")
    group: list[str] = []
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():  # pyright: ignore[reportUnnecessaryIsInstance]  # callers err
            raise InvalidRequestError(f"text number {number} is empty or no text; embeddings need some")
        check_schema({str(number): text}, "the texts")
        group.append(text)
        if len(group) == size:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def embeddings_body(route: EmbeddingsRoute, texts: tuple[str, ...], dimensions: int | None) -> JsonObject:
    """Return the body that asks for the vectors of ``texts``."""
    body: JsonObject = {"input": list(texts)}
    if route.model_in_body:
        body["model"] = route.model
    if dimensions is not None:
        body["dimensions"] = dimensions
    return body


def read_embeddings(body: bytes, count: int, target: RequestTarget) -> Embeddings:
    """Return the vectors in ``body``.

    Raises:
        DbxGatewayError: it reports an error, or does not hold ``count`` vectors of one length.
    """
    try:
        value: JsonValue = from_json(body)
    except ValueError:
        value = None
    if isinstance(value, dict) and error_event(value):
        raise api_error(None, {}, value, target)
    rows = value.get("data") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(rows, list) or len(rows) != count:
        found = len(rows) if isinstance(rows, list) else "no"
        raise _invalid(target, f"{found} vectors for {count} texts")
    model = value.get("model")
    vectors = tuple(_vector(row.get("embedding"), target) for row in _ordered(rows, target))
    _check_lengths(vectors, target)
    return Embeddings(
        vectors,
        model if isinstance(model, str) else None,
        _usage(value.get("usage")),
    )


def joined(parts: Iterable[Embeddings]) -> Embeddings:
    """Return the results of several batches as one.

    Raises:
        InvalidResponseError: their vectors are not of one length.
    """
    vectors: list[tuple[float, ...]] = []
    model: str | None = None
    used: list[Usage | None] = []
    for part in parts:
        vectors += part.vectors
        model = part.model or model
        used.append(part.usage)
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1:
        raise InvalidResponseError(
            f"the batches returned vectors of {_shown(lengths)} numbers, which cannot be compared. Check that the "
            "endpoint serves one embedding model, or set dimensions=.",
            model=model,
        )
    counts = [usage for usage in used if usage is not None]
    complete = counts and len(counts) == len(used)  # the tokens of some batches are not the tokens of all
    total = Usage(input=sum(u.input for u in counts), total=sum(u.total for u in counts)) if complete else None
    return Embeddings(tuple(vectors), model, total)


def _check_lengths(vectors: tuple[tuple[float, ...], ...], target: RequestTarget) -> None:
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1:
        raise _invalid(target, f"vectors of {_shown(lengths)} numbers, which cannot be compared")


def _shown(lengths: set[int]) -> str:
    least, most = min(lengths), max(lengths)
    return f"{least} and {most}" if len(lengths) == 2 else f"{least} to {most}"


def _ordered(rows: list[JsonValue], target: RequestTarget) -> list[JsonObject]:
    """Return the rows in the order of their texts: by their index, or as received where none has one."""
    objects = [row for row in rows if isinstance(row, dict)]
    if len(objects) == len(rows) and not any("index" in row for row in objects):
        return objects
    by_index = {row.get("index"): row for row in objects if isinstance(row.get("index"), int)}
    if by_index.keys() != set(range(len(rows))):
        raise _invalid(target, "vectors without the index of their text")
    return [by_index[index] for index in range(len(rows))]


def _vector(value: JsonValue, target: RequestTarget) -> tuple[float, ...]:
    if isinstance(value, str):
        return _unpacked(value, target)
    if not isinstance(value, list) or not value:
        raise _invalid(target, "a vector that is no list of numbers")
    numbers = [number for number in value if isinstance(number, int | float) and not isinstance(number, bool)]
    if len(numbers) != len(value):
        raise _invalid(target, "a vector that is no list of numbers")
    return _finite(numbers, target)


def _unpacked(text: str, target: RequestTarget) -> tuple[float, ...]:
    """Return a vector that was requested in base64: 32-bit floats, little-endian."""
    try:
        raw = base64.b64decode(text, validate=True)
        numbers: tuple[float, ...] = struct.unpack(f"<{len(raw) // 4}f", raw)
    except (ValueError, struct.error):
        raise _invalid(target, "a vector that is neither numbers nor base64 of them") from None
    if not numbers:
        raise _invalid(target, "an empty vector")
    return _finite(numbers, target)


def _finite(numbers: Iterable[float], target: RequestTarget) -> tuple[float, ...]:
    """Return ``numbers`` as a vector; a NaN in it would make every comparison with it invalid."""
    try:
        vector = tuple(map(float, numbers))
    except OverflowError:
        vector = (math.inf,)
    if not all(map(math.isfinite, vector)):
        raise _invalid(target, "a vector that holds an infinite number, or one that is none")
    return vector


def _invalid(target: RequestTarget, what: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"{target} answered with {what}. Check that the endpoint serves an embedding model.",
        status=200,
        model=target.model,
        route=target.route,
    )


def _usage(value: JsonValue) -> Usage | None:
    if not isinstance(value, dict):
        return None
    prompt, total = value.get("prompt_tokens"), value.get("total_tokens")
    if not isinstance(prompt, int):
        return None
    return Usage(input=prompt, total=total if isinstance(total, int) else prompt, raw=value)
