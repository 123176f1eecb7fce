"""Server-sent events, from bytes to the data of each event.

The standard is WHATWG HTML, section "Server-sent events": lines end at CR, LF or CRLF and at nothing else, a byte order
mark may lead, a comment begins with a colon, an event ends at a blank line. Data stays bytes here: JSON is read from
them directly.
"""

from __future__ import annotations

from typing import NamedTuple

from dbx_gateway.errors import InvalidResponseError

__all__ = ["MAX_EVENT_BYTES", "SSEReader", "ServerSentEvent"]

MAX_EVENT_BYTES = 128 * 1024 * 1024
"""The largest single event that is read; one answer never comes near it."""

_MAX_STRAY_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event: its type (empty where the stream names none) and its data."""

    event: str
    data: bytes


class SSEReader:
    """Reads a stream of server-sent events, however its bytes are cut.

    Attributes:
        stray: what stood in the stream outside the format (at most 64 KiB). Some hosts write an error as bare JSON into
            a stream; dialects.md section 4.5.
    """

    def __init__(self) -> None:
        self.stray = bytearray()
        self._line: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._event = b""
        self._skip_lf = False
        self._first = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes, and return the events that they complete.

        Raises:
            InvalidResponseError: one event is larger than ``MAX_EVENT_BYTES``.
        """
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        if not lines:
            self._keep(rest)
            return []
        if self._line:
            self._line.append(lines[0])
            lines[0] = b"".join(self._line)
            self._line = []
        events: list[ServerSentEvent] = []
        for line in lines:
            self._take(line, events)
        self._keep(rest)
        return events

    def close(self) -> list[ServerSentEvent]:
        """The bytes have ended: return the event that no blank line closed, if there is one.

        The standard discards it; it is returned so that a whole answer is not lost for one missing byte. Data that was
        cut is no JSON and shows itself.
        """
        events: list[ServerSentEvent] = []
        if self._line:
            line = b"".join(self._line)
            self._line = []
            self._take(line, events)
        self._take(b"", events)
        return events

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._line.append(rest)
            self._grow(len(rest))

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            raise InvalidResponseError(
                f"one event of the stream is larger than {MAX_EVENT_BYTES} bytes; the server may be broken or hostile"
            )

    def _take(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._grow(len(value))
        elif name == b"event":
            self._event = value.removeprefix(b" ")
        elif name and name not in (b"id", b"retry"):
            self._stray(line)

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            if data:
                events.append(ServerSentEvent(self._event.decode("utf-8", "replace"), data))
            self._data = []
        self._event = b""
        self._size = 0

    def _stray(self, line: bytes) -> None:
        if len(self.stray) + len(line) < _MAX_STRAY_BYTES:
            self.stray += line + b"\n"
