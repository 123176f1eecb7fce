"""What a vendor's type does not know of a value it has taken, for tests that forbid extra keys."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel


def unknown_keys(model: BaseModel, path: str = "") -> list[str]:
    """Return every key that the model's type does not define, at any depth."""
    found = [f"{path}.{key}" for key in model.model_extra or {}]
    for name in type(model).model_fields:
        value = getattr(model, name)
        for one in value if isinstance(value, list) else [value]:
            found += unknown_keys(one, f"{path}.{name}") if isinstance(one, BaseModel) else []
    return found


def events_of(written: list[bytes]) -> list[dict[str, Any]]:
    """Return the data of server-sent events, each of which is complete."""
    assert all(event.endswith(b"\n\n") for event in written)
    return [json.loads(event.split(b"data: ", 1)[1]) for event in written]
