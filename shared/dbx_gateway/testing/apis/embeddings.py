"""The embeddings of the simulated workspace: deterministic, and closer for texts that share words."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from functools import lru_cache
from typing import Any

from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import is_array
from dbx_gateway.testing.model.conversation import Counts
from dbx_gateway.testing.model.situation import Situation

__all__ = ["MOST_TEXTS", "embed"]

MOST_TEXTS = 150
"""The maximum number of texts in a request."""

_DIMENSIONS = 1024
_FIELDS = frozenset({"input", "model", "encoding_format", "dimensions", "user", "instruction"})
_WORD = re.compile(r"\w+")


def embed(body: dict[str, Any], situation: Situation) -> tuple[dict[str, Any], Counts]:
    """Return the body of an embeddings answer, and its tokens.

    Raises:
        Refused: ``input`` is not a text or list of texts, or holds too many.
    """
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        raise Refused(400, f'json: unknown field "{unknown[0]}"')
    texts = _texts(body.get("input"))
    size = body.get("dimensions") or _DIMENSIONS
    if not isinstance(size, int) or not 0 < size <= _DIMENSIONS:
        raise Refused(400, f"Invalid 'dimensions': expected an integer from 1 to {_DIMENSIONS}.")
    tokens = sum(len(_WORD.findall(text)) for text in texts)
    data = [
        {"object": "embedding", "index": number, "embedding": _written(_vector(text, size), body)}
        for number, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "data": data, "model": situation.model, "usage": usage}
    return answer, Counts(tokens, 0)


def _texts(value: Any) -> list[str]:
    texts: list[Any] = [value] if isinstance(value, str) else list(value) if is_array(value) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise Refused(400, "Invalid 'input': expected a string or a non-empty array of strings.")
    if len(texts) > MOST_TEXTS:
        raise Refused(400, f"Invalid 'input': {len(texts)} texts given, the maximum is {MOST_TEXTS}.")
    return texts


def _written(vector: list[float], body: dict[str, Any]) -> list[float] | str:
    if body.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector


def _vector(text: str, size: int) -> list[float]:
    """Return the sum of the vectors of the text's words, with length one."""
    vector = [0.0] * size
    for word in _WORD.findall(text.lower()) or [text]:
        for at, sign in _places(word, size):
            vector[at] += sign
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


@lru_cache(maxsize=4096)
def _places(word: str, size: int) -> tuple[tuple[int, float], ...]:
    digest = hashlib.sha256(word.encode()).digest()
    numbers = struct.unpack("<16H", digest)
    return tuple((number % size, 1.0 if number & 0x8000 else -1.0) for number in numbers)
