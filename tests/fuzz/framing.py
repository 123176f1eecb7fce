"""Server-sent events: the reader against one that is slow and plain."""

from __future__ import annotations

import random
import re
import zlib

from fuzz.target import Target

from dbx_gateway.call import sse
from dbx_gateway.call.sse import ServerSentEvent, SSEReader

__all__ = ["TARGETS", "cut", "plainly_read"]


def cut(data: bytes) -> list[bytes]:
    """Return ``data`` in a few pieces; where it is cut, its content decides."""
    chance = random.Random(zlib.crc32(data))
    places = sorted(chance.randint(0, len(data)) for _ in range(4))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def plainly_read(data: bytes) -> list[tuple[str, bytes]]:
    """Read events as the standard words it, from all bytes at once; one that no blank line closed counts here too."""
    events: list[tuple[str, bytes]] = []
    kind, lines = b"", list[bytes]()
    for line in [*re.split(rb"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf")), b""]:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not line:
            if b"\n".join(lines).strip():
                events.append((kind.decode("utf-8", "replace"), b"\n".join(lines)))
            kind, lines = b"", []
        elif field == b"data":
            lines.append(value)
        elif field == b"event":
            kind = value
    return events


def _read(pieces: list[bytes], limit: int = 1 << 20) -> tuple[list[ServerSentEvent], bytes, bool]:
    reader = SSEReader(limit)
    events = [event for piece in pieces for event in reader.feed(piece)]
    events += reader.close()
    assert reader.close() == []
    return events, bytes(reader.stray), reader.overflowed


def _sse(data: bytes) -> None:
    whole = _read([data])
    assert [tuple(event) for event in whole[0]] == [
        event for event in plainly_read(data) if not event[1].isspace() and event[1]
    ]
    assert _read(cut(data)) == whole
    assert _read([data[at : at + 1] for at in range(len(data))]) == whole
    assert _read(cut(data), limit=64)[0] == whole[0][: len(_read(cut(data), limit=64)[0])]
    assert sum(len(event.data) for event in whole[0]) + len(whole[1]) <= 2 * len(data) + 2


TARGETS = (
    Target(
        name="sse",
        form="events",
        run=_sse,
        read=lambda data: _read([data]),
        seeds=(
            b'data: {"a": 1}\n\ndata: [DONE]\n\n',
            b"\xef\xbb\xbfevent: error\r\ndata: a\r\ndata:b\r\n\r\n: comment\rid: 1\rretry: 2\rdata\r\r",
            b'{"error": "bare"}\n\ndata: x',
        ),
        modules=(sse,),
    ),
)
