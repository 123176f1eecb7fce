"""One request to the simulated workspace, and what is known about it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import to_json

from dbx_gateway.surfaces import Api
from dbx_gateway.testing.apis import agents as wire_agents
from dbx_gateway.testing.apis.chat_completions import wire as wire_chat
from dbx_gateway.testing.apis.generate_content import wire as wire_generate_content
from dbx_gateway.testing.apis.messages import wire as wire_messages
from dbx_gateway.testing.apis.responses import wire as wire_responses
from dbx_gateway.testing.apis.wire import Wire
from dbx_gateway.testing.faults.faults import Failure, Fault
from dbx_gateway.testing.model.conversation import Counts
from dbx_gateway.testing.service.accounts import Login
from dbx_gateway.testing.service.catalog import Served
from dbx_gateway.testing.service.paths import Place

__all__ = ["WIRES", "WorkspaceExchange"]

WIRES: Mapping[Api, Wire] = {
    "chat-completions": wire_chat,
    "responses": wire_responses,
    "messages": wire_messages,
    "generate-content": wire_generate_content,
}
"""The wire formats the workspace speaks."""


@dataclass
class WorkspaceExchange:
    """A request and what is known about it so far.

    Args:
        id: the request id of the reply.
        method: the HTTP method, upper case.
        path: the path on the workspace's main host.
        query: the first value of each query parameter.
        target: path and query as received.
        headers: the request's headers, lower case.
        raw: the body as received.
        user: of the credential; None when it is not taken.
        login: the user, once the credential was accepted.
        place: where a request to a model arrived.
        served: the model it reached.
        api: the wire format of the reply.
        model: the requested name of the model.
        stream: whether a streamed answer was requested.
        billed: the tokens of the answer.
        body: the decoded body.
    """

    id: str
    method: str
    path: str
    query: dict[str, str]
    target: str
    headers: dict[str, str]
    raw: bytes
    user: str | None = None
    login: Login | None = None
    place: Place | None = None
    served: Served | None = None
    api: Api | Literal["embeddings"] | None = None
    model: str | None = None
    stream: bool = False
    billed: Counts = field(default_factory=lambda: Counts(0, 0))
    body: dict[str, Any] | None = None

    @property
    def origin(self) -> str:
        """The workspace's own address, as the client called it."""
        return f"http://{self.headers.get('host', '127.0.0.1')}"

    @property
    def is_for_app(self) -> bool:
        """Whether it was sent to a Databricks App rather than to the workspace: an App takes OAuth tokens only."""
        return self.headers.get("host", "").endswith(".databricksapps.com")

    def is_terminal(self, event: bytes) -> bool:
        """Whether an event belongs to the end of a stream."""
        of_agent = self.served is not None and self.served.is_agent
        return wire_agents.is_terminal(event) if of_agent else self.wire().is_terminal(event)

    def failure(self, fault: Fault) -> Failure:
        """Return the error of a fault inside an answer, in the format of this request's api."""
        words = (fault.error_status, fault.error_code, fault.error_message)
        wire = self.wire()
        return Failure(
            body=to_json(wire.failed(*words)) if self.place is not None else None,
            first=wire.error_event(*words, started=False),
            event=wire.error_event(*words, started=True),
        )

    def wire(self) -> Wire:
        """The wire format for an error."""
        return wire_chat if self.api is None or self.api == "embeddings" else WIRES[self.api]
