"""What a case of the catalogue is: a script for the server, and the one right outcome."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import EllipsisType
from typing import Any

from faults.server import Script, Step
from faults.wires import CALL, SAID, USED, Wire, dumped, sse

from dbx_gateway.errors import DbxGatewayError, IncompleteStreamError, InvalidResponseError

REQUEST_ID = "req-7"
ANY_ID = "(an id of our own)"
"""Stands in an expected call for an id that the wire did not give."""
_OWN_ID = re.compile("call_[0-9a-f]{24}")

EVENT_STREAM = "text/event-stream"
JSON = "application/json"
HTML = "text/html"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, to the letter.

    Args:
        calls: id, name and arguments; those that are JSON count as what they parse to.
        usage: tokens in, out and together; None for none.
        executable: calls that may be executed; None means all of them.
    """

    text: str = SAID
    reasoning: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    reason: str = "stop"
    usage: tuple[int, int, int] | None = USED
    alternatives: tuple[str, ...] = ()
    executable: int | None = None
    refusal: str = ""


def ended(raw: str, reason: str) -> Answer:
    """Return the text's answer that ended with the server's word ``raw``: a filtered one has a refusal that names it."""
    return Answer(reason=reason, refusal=f"The answer was stopped: {raw}." if reason == "content_filter" else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """A typed error, with everything that a caller or a support desk needs.

    Args:
        kind: its class, exactly.
        status: HTTP status, or the status that the server's code means.
        code: the server's own code, or the step that failed.
        words: what of the server's words stands in the message.
        request_id: None where no header arrived.
        partial: text that had arrived; ``...`` where that is up to the clock.
        calls: calls that had arrived, none of which may be executable.
        retry_after: seconds that the server asked to wait.
    """

    kind: type[DbxGatewayError]
    status: int | None = None
    code: str | None = None
    words: tuple[str, ...] = ()
    request_id: str | None = REQUEST_ID
    partial: str | EllipsisType = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    retry_after: float | None = None


ANSWERED = Answer()
CALLED = Answer(text="", calls=(CALL,), reason="tool_calls")
INVALID = Fails(kind=InvalidResponseError, status=200)


def incomplete(partial: str = "", code: str | None = None, **more: Any) -> Fails:
    """Return the outcome of a stream that ended too early."""
    return Fails(kind=IncompleteStreamError, status=200, code=code, partial=partial, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A case in one mode.

    Args:
        scripts: what the requests are answered with, one after another; the last serves all that follow.
        expect: the outcome.
        sends: how many requests arrive.
        pauses: between the sends, each with its bounds in seconds.
    """

    scripts: tuple[Script, ...]
    expect: Answer | Fails
    sends: int = 1
    pauses: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One way in which a server fails or is odd.

    Args:
        stream: what happens where the answer is asked for as a stream.
        whole: what happens where it is asked for whole.
        settings: of the client, beside the defaults of the catalogue.
        place: ``refused`` (a port where nobody listens) or ``tls`` instead of the fault server's own; ``renewed`` or
            ``unchanged`` where credentials may be asked for again.
        bounds: sizes of the package that are made smaller, so that nothing large need be sent.
    """

    name: str
    group: str
    wire: Wire
    stream: Scene | None = None
    whole: Scene | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    place: str = ""
    bounds: dict[str, int] = field(default_factory=dict)

    def scene(self, *, streamed: bool) -> Scene | None:
        """Return the scene of one mode."""
        return self.stream if streamed else self.whole


@dataclass(frozen=True, slots=True)
class Group:
    """Makes the cases of one group for one api."""

    name: str
    wire: Wire

    def stream(self, name: str, script: Script | bytes, expect: Answer | Fails, **more: Any) -> Case:
        """Return a case that concerns streams only."""
        return self._case(name, stream=_scene(script, expect, more), more=more)

    def whole(self, name: str, script: Script | bytes, expect: Answer | Fails, **more: Any) -> Case:
        """Return a case that concerns whole answers only."""
        return self._case(name, whole=_scene(script, expect, more), more=more)

    def both(self, name: str, script: Script | bytes, expect: Answer | Fails, **more: Any) -> Case:
        """Return a case in which the same script is to lead to the same outcome in both modes."""
        scene = _scene(script, expect, more)
        return self._case(name, stream=scene, whole=scene, more=more)

    def frames(self, name: str, frames: Sequence[Any], expect: Answer | Fails = ANSWERED, **more: Any) -> Case:
        """Return a case of a stream with odd events in sound framing."""
        return self.stream(name, streamed(sse(frames)), expect, **more)

    def odd(self, name: str, frames: Sequence[Any], body: Any, expect: Answer | Fails = ANSWERED, **more: Any) -> Case:
        """Return a case of an odd answer that reads the same as a stream and whole."""
        return self._case(
            name,
            stream=_scene(streamed(sse(frames)), expect, more),
            whole=_scene(ok(dumped(body)), expect, more),
            more=more,
        )

    def joined(self, stream: Case, whole: Case) -> Case:
        """Return one case of two that have a name in common."""
        return replace(stream, whole=whole.whole)

    def _case(
        self, name: str, *, more: dict[str, Any], stream: Scene | None = None, whole: Scene | None = None
    ) -> Case:
        kept = {key: more[key] for key in ("settings", "place", "bounds") if key in more}
        return Case(name=name, group=self.name, wire=self.wire, stream=stream, whole=whole, **kept)


def _scene(script: Script | bytes | Sequence[Script], expect: Answer | Fails, more: dict[str, Any]) -> Scene:
    scripts = more.get("scripts")
    if scripts is None:
        scripts = ((script,) if isinstance(script, bytes) else tuple(script),)
    return Scene(scripts=scripts, expect=expect, sends=more.get("sends", 1), pauses=more.get("pauses", ()))


# --- HTTP ------------------------------------------------------------------------------------------------------------


def head(status: int = 200, content_type: str | None = JSON, **headers: str) -> bytes:
    """Return a response's head without its framing; every answer has a request id."""
    lines = [f"HTTP/1.1 {status} Whatever", "connection: close", f"x-request-id: {REQUEST_ID}"]
    lines += [f"content-type: {content_type}"] if content_type is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n"


def ok(body: bytes, content_type: str | None = JSON, status: int = 200, **headers: str) -> bytes:
    """Return a whole response with its length."""
    return head(status, content_type, **headers) + b"content-length: %d\r\n\r\n" % len(body) + body


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def opened(content_type: str | None = EVENT_STREAM, **headers: str) -> bytes:
    """Return the head of a chunked answer."""
    return head(200, content_type, **headers) + b"transfer-encoding: chunked\r\n\r\n"


def streamed(*pieces: bytes | Step, content_type: str | None = EVENT_STREAM, **headers: str) -> Script:
    """Return a whole chunked answer, one chunk for each piece; steps that are no bytes stand between."""
    chunks = [chunk(piece) if isinstance(piece, bytes) else piece for piece in pieces if piece != b""]
    return (opened(content_type, **headers), *chunks, LAST_CHUNK)


# --- comparing -------------------------------------------------------------------------------------------------------


def in_full(answer: Answer, expected: Answer | None = None) -> Answer:
    """Return ``answer`` in the form in which answers are compared.

    Arguments are what they parse to, and how many calls may be executed is a number. An id of our own reads as
    ``ANY_ID`` where ``expected`` says that the wire gave none.
    """
    calls = []
    for place, (call_id, name, arguments) in enumerate(answer.calls):
        any_id = expected is not None and place < len(expected.calls) and expected.calls[place][0] == ANY_ID
        is_own = any_id and _OWN_ID.fullmatch(call_id) is not None
        calls.append((ANY_ID if is_own else call_id, name, _parsed(arguments)))
    executable = len(calls) if answer.executable is None else answer.executable
    return replace(answer, calls=tuple(calls), executable=executable)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
