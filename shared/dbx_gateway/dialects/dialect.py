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

    ``complete`` turns true once the wire has proved a normal end (docs/wire/comparison.md#ends-of-streams); ``done``
    once nothing more is worth reading.
    """

    complete: bool
    done: bool

    def feed(self, event: JsonObject) -> list[Event]:
        """Take one wire event, and return the events it causes.

        An event that reports an error never gets here: the client raises it first. Unknown events and fields are
        ignored or carried as native data; none is fatal.
        """
        ...

    def sentinel(self) -> list[Event]:
        """Take the ``[DONE]`` mark of the OpenAI apis."""
        ...

    def close(self) -> list[Event]:
        """The stream has ended: return the last events, among them the one ``End``.

        Raises:
            IncompleteStreamError: the answer is not complete; the error carries what had arrived.
        """
        ...

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        ...


class Dialect(Protocol):
    """Writes requests and reads answers of one api. Pure: no I/O, nothing given is changed."""

    api: Api

    def encode(self, request: ChatRequest, profile: Profile) -> JsonObject:
        """Return the body to send, without ``extra_body`` (the client merges that last, verbatim).

        Raises:
            InvalidRequestError: the request holds something this api cannot carry; the message says what to change.
        """
        ...

    def decode(self, body: JsonObject, model: str) -> ChatResponse:
        """Return the answer in ``body``; ``model`` is the name that was asked.

        Raises:
            InvalidResponseError: the body is not an answer of this api.
        """
        ...

    def decoder(self, model: str) -> Decoder:
        """Return a fresh reader of one stream; ``model`` is the name that was asked."""
        ...
