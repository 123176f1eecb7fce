"""The media type of a picture, a file or a sound: what its bytes are, else what its label or its name says."""

from __future__ import annotations

import base64
import re
from typing import Final

from dbx_gateway.chat import Blob

__all__ = ["media_type", "type_of_bytes", "type_of_name"]

_HEAD: Final = 64
"""Characters of base64 that hold how bytes begin."""

_BY_BYTES: Final[tuple[tuple[re.Pattern[bytes], str, frozenset[str]], ...]] = tuple(
    (re.compile(begin, re.DOTALL), name, frozenset(other_names))
    for begin, name, *other_names in (
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"BM.{4}\0\0\0\0", "image/bmp", "image/x-ms-bmp", "image/x-bmp"),
        (rb"II\*\0|MM\0\*", "image/tiff", "image/x-adobe-dng"),
        (rb".{4}ftyp(?:heic|heix|hevc|heim|heis)", "image/heic", "image/heif"),
        (rb".{4}ftyp(?:mif1|msf1)", "image/heif", "image/heic", "image/avif"),
        (rb".{4}ftyp(?:avif|avis)", "image/avif"),
        (rb"%PDF-", "application/pdf"),
        (rb"RIFF....WAVE", "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"),
        (
            rb"ID3[\x02-\x04][\x00-\xfe]|\xff[\xfa\xfb\xf2\xf3]",
            "audio/mp3",
            "audio/mpeg",
            "audio/mpeg3",
            "audio/x-mpeg-3",
        ),
        (rb"fLaC", "audio/flac", "audio/x-flac"),
    )
)
"""How the formats begin whose bytes tell them for certain; the type, and other labels that are right for it."""

_LIKELY: Final = (
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"<\?xml|<svg"), "image/svg+xml"),
)
"""How formats begin that may be others too: only where nothing is said."""

_SPELLINGS: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
}
"""Labels that no registry knows, and no server but some takes."""

_BY_SUFFIX: Final = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "avi": "video/avi",
    "csv": "text/csv",
    "flac": "audio/flac",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "md": "text/markdown",
    "mov": "video/mov",
    "mp3": "audio/mp3",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}


def media_type(blob: Blob, filename: str | None = None) -> str | None:
    """Return the media type of ``blob``, in lower case and without parameters; None where nothing tells it.

    Bytes of a known format are what they are, whatever the label says: servers compare the two, and refuse a JPEG that
    is called a PNG (docs/wire/comparison.md#media-types).

    Args:
        blob: its bytes, its URL or its id.
        filename: the name of the file, for bytes without a label whose beginning tells nothing.
    """
    label = _label(blob.mime)
    shown = type_of_bytes(blob.data, label)
    return shown or label or type_of_name(filename)


def type_of_bytes(data: str | None, label: str | None = None) -> str | None:
    """Return the media type that bytes show; None where they are of no format that is known by its beginning.

    Args:
        data: the bytes in base64.
        label: what they are said to be; of several names of the format that they show, this one is returned.
    """
    head = _head(data)
    for begin, name, other_names in _BY_BYTES:
        if begin.match(head):
            return label if label in other_names else name
    return None if label else next((name for begin, name in _LIKELY if begin.match(head.lstrip())), None)


def type_of_name(name: str | None) -> str | None:
    """Return the media type that the suffix of a file's name tells."""
    return _BY_SUFFIX.get(name.rpartition(".")[2].lower()) if name else None


def _head(data: str | None) -> bytes:
    try:
        return base64.b64decode((data or "")[:_HEAD], validate=True)
    except ValueError:
        return b""


def _label(mime: str | None) -> str | None:
    """Return a label in its registered spelling; a bare suffix such as ``png`` is one too."""
    plain = (mime or "").partition(";")[0].strip().lower()
    return _SPELLINGS.get(plain) or _BY_SUFFIX.get(plain.lstrip(".")) or plain or None
