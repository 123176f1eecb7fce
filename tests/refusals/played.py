"""What the client does about each known refusal, found out by letting the simulated workspace refuse in these words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

import httpx
from core.sign_in import GivenConfig, bearer
from end_to_end.site import CLAUDE, GEMINI, GPT, LLAMA
from support.pacing import quick_pacing

from dbx_gateway import APIError, Client, DbxGatewayError, Message, OutputFormat, forget, user
from dbx_gateway.testing import KnownRefusal, Workspace, workspace_transport

__all__ = ["Outcome", "outcome_of"]

HOST: Final = "https://refusals.example.com"
THINKING: Final = {"thinking": 2048, "max_tokens": 9000}


@dataclass(frozen=True)
class Request:
    """What is asked, so that the refusal fits it.

    Args:
        model: its name.
        settings: of the client.
        history: the model has answered with reasoning before.
        output: the form of the answer.
        signed_in: the credentials can be renewed.
    """

    model: str = LLAMA
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: bool = False
    output: OutputFormat | None = None
    signed_in: bool = False


OBJECT: Final = OutputFormat(
    kind="json_schema",
    name="city",
    schema={
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
)

ASKED: Final[Mapping[str, Request]] = {
    "unknown field": Request(settings={"top_k": 7}),
    "extra input": Request(CLAUDE, {"top_k": 7}),
    "output_config": Request(CLAUDE, output=OBJECT),
    "unsupported parameter": Request(settings={"temperature": 0.2}),
    "only the default": Request(settings={"temperature": 0.2}),
    "unrecognized argument": Request("databricks-gpt-oss-120b", {"reasoning_effort": "low"}),
    "parameter of Bedrock": Request(CLAUDE, {"temperature": 0.2}),
    "one of two samplers": Request(settings={"temperature": 0.2, "top_p": 0.9}),
    "encrypted content": Request(GPT),
    "most output: Anthropic": Request(CLAUDE, {"max_tokens": 8192}),
    "most output: OpenAI": Request(settings={"max_tokens": 8192}),
    "most output: Bedrock": Request(CLAUDE, {"max_tokens": 8192}),
    "effort": Request(GPT, {"reasoning_effort": "xhigh"}),
    "unknown name": Request(GEMINI, {"top_k": 7}),
    "response_format": Request(output=OBJECT),
    "value out of range": Request(settings={"top_k": 7}),
    "signature": Request(CLAUDE, THINKING, history=True),
    "signature missing": Request(CLAUDE, THINKING, history=True),
    "encrypted reasoning": Request(GPT, {"reasoning_effort": "high"}, history=True),
    "thought signature": Request(GEMINI, history=True),
    "expired token: 401": Request(signed_in=True),
    "expired token: 403": Request(signed_in=True),
    "expired token: 400": Request(signed_in=True),
    "expiring token": Request(signed_in=True),
    "no permission": Request(signed_in=True),
    "no endpoint": Request(CLAUDE),
    "model services (v3)": Request(CLAUDE),
    "no gateway": Request(CLAUDE),
    "Responses only": Request(GPT, {"family": "other"}),
    "external model: field": Request(settings={"top_k": 7}),
}
"""What is asked where a plain question to Llama would not do."""


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Args:
        does: what the client does about the refusal by itself.
        error: the class that is raised where the refusal stays.
        retryable: whether a later call may succeed.
        advice: what the error's message says to do.
    """

    does: str
    error: str
    retryable: bool
    advice: str


def outcome_of(refusal: KnownRefusal) -> Outcome:
    """Let a workspace refuse once, and then for good."""
    asked = ASKED.get(refusal.name, Request())
    with ExitStack() as stack:
        stack.enter_context(quick_pacing())
        stack.enter_context(mock.patch("dbx_gateway.call.retries._FIRST_PAUSE", 0.001))
        stack.callback(forget)
        forget()
        _, sends, does = _play(refusal, asked, times=1)
        forget()
        error, _, _ = _play(refusal, asked, times=None)
    assert isinstance(error, DbxGatewayError), refusal.name
    assert sends, refusal.name
    kind = type(error).__name__
    if isinstance(error, APIError):
        advice = error.message.partition("[request id ")[2].partition("] ")[2]
    else:
        advice = error.message.partition("nothing was sent there. ")[2]
    return Outcome(does, kind, error.retryable, advice)


def _play(refusal: KnownRefusal, asked: Request, *, times: int | None) -> tuple[DbxGatewayError | None, int, str]:
    workspace = Workspace()
    surface = "ai-gateway" if asked.model == CLAUDE or refusal.name == "no endpoint" else "model-serving"
    credentials = (
        {"sdk_config": GivenConfig(HOST, *(bearer(workspace.token), {**bearer(workspace.token), "X-Second": "2"}))}
        if asked.signed_in
        else {"host": HOST, "token": workspace.token}
    )
    retries = 1 if times is not None else 0
    with httpx.Client(transport=workspace_transport(workspace)) as http:
        client = Client(
            model=asked.model, surface=surface, http_client=http, max_retries=retries, **credentials, **asked.settings
        )
        conversation: list[Message] = [user("Hello")]
        if asked.history:
            conversation += [client.chat(conversation).message, user("And now?")]
        before = len(_posts(workspace))
        workspace.inject(refusal.fault, times=times, where=_WHERE[surface])
        try:
            answer = client.chat(conversation, output=asked.output)
        except DbxGatewayError as error:
            return error, len(_posts(workspace)) - before, _nothing(times)
        return None, len(_posts(workspace)) - before, _did(workspace, before, answer.exchange.repairs, asked)


_WHERE: Final = {"ai-gateway": "/ai-gateway/", "model-serving": "/serving-endpoints/"}


def _posts(workspace: Workspace) -> list[Any]:
    return [entry for entry in workspace.ledger.entries("") if entry.method == "POST"]


def _nothing(times: int | None) -> str:
    return "raises at once" if times == 1 else ""


def _did(workspace: Workspace, before: int, repairs: tuple[str, ...], asked: Request) -> str:
    sent = _posts(workspace)[before:]
    if len(sent) == 1:
        return "asks otherwise"
    if repairs:
        return f"sends once more: {', '.join(repairs)}"
    if sent[0].path != sent[-1].path:
        return "asks on the next route"
    if asked.signed_in and sent[0].status in (400, 401, 403):
        return "sends once more with a fresh token"
    return (
        "sends again, up to `max_retries` times" if sent[0].status != 429 else "waits with the endpoint's other calls"
    )
