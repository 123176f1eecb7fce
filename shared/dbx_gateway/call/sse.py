"""Server-sent events, from bytes to the data of each event.

The standard is WHATWG HTML, section "Server-sent events": lines end at CR, LF or CRLF and at nothing else, a byte order
mark may lead, a comment begins with a colon, an event ends at a blank line. Data stays bytes here: JSON is read from
them directly.
"""

from __future__ import annotations

from typing import NamedTuple

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

    Args:
        limit: bytes of data of one event, and of the line that is being read, at most.

    Attributes:
        stray: what stood in the stream outside the format (at most 64 KiB). Some hosts write an error as bare JSON into
            a stream; docs/wire/generate-content.md#errors.
        overflowed: an event was larger than ``limit``; nothing after it is read.
    """

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self.stray = bytearray()
        self.overflowed = False
        self._limit = limit
        self._line: list[bytes] = []
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = b""
        self._skip_lf = False
        self._first = True
        self._count = 0
        self._strays: list[tuple[int, int]] = []

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes, and return the events that they complete.

        An event whose data is blank is left out: it carries nothing to decode.
        """
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        # Where all that is there would fit into one event, no line needs to be measured.
        fits = self._data_size + self._line_size + len(chunk) <= self._limit
        take = self._take if fits and not self.overflowed else self._take_checked
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = self._ended(lines[0])
        events: list[ServerSentEvent] = []
        for line in lines:
            take(line, events)
        if rest and not self.overflowed:
            self._line.append(rest)
            self._line_size += len(rest)
            self._check_size(self._line_size)
        self._count += len(events)
        return events

    def stray_before(self, count: int) -> bytes:
        """Return what stood outside the format before the event that was the ``count``-th (from 1) was complete.

        One read may bring much more than the last event of an answer; what is after that is none of it.
        """
        size = next((size for events, size in self._strays if events >= count), len(self.stray))
        return bytes(self.stray[:size])

    def close(self) -> list[ServerSentEvent]:
        """The bytes have ended: return the event that no blank line closed, if there is one.

        The standard discards it; it is returned so that a whole answer is not lost for one missing byte. Data that was
        cut is no JSON and shows itself.
        """
        events: list[ServerSentEvent] = []
        self._take_checked(self._ended(b""), events)
        self._take_checked(b"", events)
        self._count += len(events)
        return events

    def _ended(self, end: bytes) -> bytes:
        """Return the line that ends with ``end``, joined once from the pieces in which it came."""
        if not self._line:
            return end
        line = b"".join([*self._line, end])
        self._line, self._line_size = [], 0
        return line

    def _check_size(self, size: int) -> None:
        if self._data_size + size > self._limit:
            self.overflowed = True
            self._line, self._data = [], []

    def _take_checked(self, line: bytes, events: list[ServerSentEvent]) -> None:
        self._check_size(len(line))
        if not self.overflowed:
            self._take(line, events)

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
            self._data_size += len(value)
        elif name == b"event":
            self._event = value.removeprefix(b" ")
        elif name and name not in (b"id", b"retry"):
            self._stray(line, self._count + len(events))

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        if data and not data.isspace():
            events.append(ServerSentEvent(self._event.decode("utf-8", "replace"), data))
        self._data, self._data_size = [], 0
        self._event = b""

    def _stray(self, line: bytes, after: int) -> None:
        if len(self.stray) + len(line) < _MAX_STRAY_BYTES:
            self._strays.append((after, len(self.stray)))
            self.stray += line + b"\n"
