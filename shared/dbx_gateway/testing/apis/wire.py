"""The contract between the simulated workspace and its four wire formats.

A wire format is a module with the members of :class:`Wire`: it reads a body into an
:class:`~dbx_gateway.testing.model.conversation.ParsedRequest`, writes an :class:`~dbx_gateway.testing.model.conversation.Answer` as one
body or as a stream, writes errors, and lists the :class:`Rule` rows in which a workspace deviates from the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic_core import to_json

from dbx_gateway.models.families import Family
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.model.conversation import Answer, ParsedRequest
from dbx_gateway.testing.model.situation import Situation

__all__ = ["Check", "Refused", "Rule", "Wire", "databricks_error", "sse"]


class Refused(Exception):  # noqa: N818  # it is an answer of the workspace, not a failure of the simulation
    """The workspace answers with an error.

    Args:
        status: HTTP status.
        message: the server's message.
        code: ``error_code`` of a Databricks body, or the code of a vendor's body.
        body: the body exactly as it is sent. None: the workspace writes a Databricks body in workspace mode, and the
            api's own :meth:`Wire.error` in plain mode.
        headers: response headers beside the usual ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "BAD_REQUEST",
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.body = body
        self.headers = dict(headers or {})


Check = Callable[[dict[str, Any], Situation], Refused | None]
"""Checks a body as received; returns its refusal, or None."""


@dataclass(frozen=True)
class Rule:
    """One way in which a workspace deviates from the wire format it offers.

    Args:
        name: the name of the quirk that fixes it; or, for an oddity that needs no quirk, a name of its own.
        surfaces: surfaces where it is in force.
        families: families of models it is in force for; empty for all.
        apis: apis it is in force for.
        kind: ``refusal``: a request that breaks it is refused by ``check``; ``oddity``: the writers show it.
        check: for a refusal.
    """

    name: str
    surfaces: frozenset[Surface]
    families: frozenset[Family]
    apis: frozenset[Api]
    kind: Literal["refusal", "oddity"] = "refusal"
    check: Check | None = None

    def applies(self, surface: Surface, family: Family, api: Api) -> bool:
        """Return whether the rule is in force there in workspace mode."""
        return surface in self.surfaces and api in self.apis and (not self.families or family in self.families)


class Wire(Protocol):
    """The members of a wire format's module."""

    RULES: tuple[Rule, ...]

    def read(self, body: dict[str, Any], situation: Situation, model_from_path: str | None) -> ParsedRequest:
        """Parse a body.

        Args:
            body: the decoded JSON object; never changed.
            situation: where it arrived.
            model_from_path: the model when the path names it (``/invocations``, Gemini paths), else None. For
                Gemini the path also decides about streaming: the workspace sets ``stream`` on the request afterwards.

        Raises:
            Refused: the body is not of this format.
        """
        ...

    def whole(self, answer: Answer, request: ParsedRequest, situation: Situation) -> dict[str, Any]:
        """Write an answer as one body."""
        ...

    def stream(self, answer: Answer, request: ParsedRequest, situation: Situation) -> Iterator[bytes]:
        """Write an answer as server-sent events, one complete event each, the terminal one last."""
        ...

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        """Write an error body as the vendor of this format does."""
        ...

    def failed(self, status: int, code: str, message: str) -> dict[str, Any]:
        """Write the body of a whole answer that failed after its status, 200, was sent.

        Args:
            status: the HTTP status that the error stands for.
            code: the server's own, sent as it is where the format has a place for it.
            message: the server's message.
        """
        ...

    def error_event(self, status: int, code: str, message: str, *, started: bool) -> bytes:
        """Write an error inside a stream as the vendor of this format does.

        Args:
            status: the HTTP status that the error stands for.
            code: the server's own, sent as it is where the format has a place for it.
            message: the server's message.
            started: the stream has sent an event.
        """
        ...

    def is_terminal(self, event: bytes) -> bool:
        """Return whether an event of :meth:`stream` is part of its end: the answer is complete with it or a later one.

        The fault "a clean end without a terminal event" leaves out exactly these.
        """
        ...


def databricks_error(code: str, message: str) -> dict[str, Any]:
    """Return an error body in the workspace's format (docs/wire/errors.md#body-shapes)."""
    return {"error_code": code, "message": message}


def sse(data: dict[str, Any] | str, event: str | None = None) -> bytes:
    """Return one server-sent event: ``data`` as JSON (a string as it is), with its ``event:`` line if named."""
    payload = data.encode() if isinstance(data, str) else to_json(data)
    head = f"event: {event}\n".encode() if event else b""
    return head + b"data: " + payload + b"\n\n"
