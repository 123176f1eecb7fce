"""What vendors refuse in the media type that a request gives for bytes (docs/wire/comparison.md#media-types)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dbx_gateway.testing.apis.shape import Path
from dbx_gateway.testing.json_values import inside, is_array, is_object

__all__ = ["data_urls", "is_registered", "labelled_pictures", "wrong_label"]

_BEGINNINGS = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How the pictures that Claude reads begin in base64."""
_DATA_URL = re.compile(r"data:([^;,]*);base64,(.{0,64})")
_TYPE = re.compile(r"(?!image/jpg)[a-z]+/[a-z0-9.+-]+")


def wrong_label(label: str, data: str) -> str | None:
    """Return what a picture appears to be where that is not what its label says, or None."""
    shown = next((kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), label)
    return shown if shown != label else None


def is_registered(label: str) -> bool:
    """Return whether Google's servers know a media type by its spelling."""
    return _TYPE.fullmatch(label) is not None


def labelled_pictures(value: Any, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """Yield each picture in the blocks of the messages api: where it stands, its label, and its bytes."""
    if is_array(value):
        for at, one in enumerate(value):
            yield from labelled_pictures(one, (*path, at))
    elif is_object(value):
        source = inside(value, "source")
        if value.get("type") == "image" and source.get("type") == "base64":
            yield (*path, "image", "source", "base64"), source["media_type"], source["data"]
        yield from labelled_pictures(value.get("content"), (*path, "content"))


def data_urls(messages: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the label of each picture in the messages of chat-completions, and how its bytes begin."""
    for content in (message.get("content") for message in messages):
        for part in filter(is_object, content if is_array(content) else ()):
            found = _DATA_URL.match(str(inside(part, "image_url").get("url") or ""))
            if found is not None:
                yield found[1], found[2]
