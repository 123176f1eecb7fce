"""A ``DbxGateway`` whose answers are scripted on the wire, in any of the four dialects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
from faults.wires import WIRES, Frame, Wire, sse

from llama_index_dbx_gateway import DbxGateway

__all__ = ["WIRES", "Script", "scripted"]


class Script:
    """Answers one request after another, and keeps their bodies.

    Args:
        replies: each the frames of a stream, a whole body, or a response; the last one serves all further requests.
    """

    def __init__(self, replies: Sequence[list[Frame] | dict[str, Any] | httpx.Response]) -> None:
        self.replies = list(replies)
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        reply = self.replies[min(len(self.bodies), len(self.replies)) - 1]
        if isinstance(reply, httpx.Response):
            return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)
        if isinstance(reply, list):
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=sse(reply))
        return httpx.Response(200, json=reply)


def scripted(wire: Wire, *replies: list[Frame] | dict[str, Any] | httpx.Response, **settings: Any) -> Any:
    """Return a model that is answered as scripted, and the script; it sends each delta as it comes."""
    script = Script(replies)
    transport = httpx.MockTransport(script)
    fields = {
        "model": wire.model,
        "host": "https://example.com",
        "token": "t",
        "surface": "ai-gateway",
        "api": wire.api,
    }
    clients = {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }
    return DbxGateway(**{**fields, **clients, "coalesce_deltas": False, **settings}), script
