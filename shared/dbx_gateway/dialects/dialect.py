"""What a dialect is: the code that writes requests and reads answers of one api."""

from __future__ import annotations

from typing import Protocol

from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject
from dbx_gateway.events import Event
from dbx_gateway.models.profile import Profile
from dbx_gateway.surfaces import Api

__all__ = ["Decoder", "Dialect"]


class Decoder(Protocol):
    """Reads one stream, wire event by wire event.

    ``complete`` is true once the stream has shown a normal end (docs/wire/comparison.md#ends-of-streams); ``done`` once
    the rest of the stream need not be read.
    """

    complete: bool
    done: bool

    def feed(self, event: JsonObject) -> list[Event]:
        """Read one wire event, and return the events it causes.

        An event that reports an error is never passed in: the client raises it first. Unknown events and fields are
        ignored or carried as native data; none raises.
        """
        ...

    def sentinel(self) -> list[Event]:
        """Read the ``[DONE]`` mark of the OpenAI apis."""
        ...

    def close(self) -> list[Event]:
        """Return the last events at the end of the stream, among them the one ``End``.

        Raises:
            IncompleteStreamError: the answer is not complete; the error carries what had arrived.
        """
        ...

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        ...


class Dialect(Protocol):
    """Writes requests and reads answers of one api. Pure: no I/O, and no argument is changed."""

    api: Api

    def encode(self, request: ChatRequest, profile: Profile) -> JsonObject:
        """Return the body to send, without ``extra_body`` (the client merges that last, verbatim).

        Raises:
            InvalidRequestError: the request holds something this api cannot carry; the message says what to change.
        """
        ...

    def decode(self, body: JsonObject, model: str) -> ChatResponse:
        """Return the answer in ``body``; ``model`` is the requested name.

        Raises:
            InvalidResponseError: the body is not an answer of this api.
        """
        ...

    def decoder(self, model: str) -> Decoder:
        """Return a new reader of one stream; ``model`` is the requested name."""
        ...
