"""The chat-completions api: the fields of a request beside the messages and the tools.

Source of the fields: docs/wire/chat-completions.md#request; of those that are Databricks' own:
docs/wire/chat-completions.md#accepted-fields.
"""

from __future__ import annotations

import re
from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject, OutputFormat
from dbx_gateway.dialects.chat_completions.answer import ChatStream, decode_answer
from dbx_gateway.dialects.chat_completions.prompt import encode_messages
from dbx_gateway.dialects.chat_completions.thinking import reasoning_fields
from dbx_gateway.dialects.chat_completions.tools import tool_fields
from dbx_gateway.dialects.dialect import Decoder
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.surfaces import Api

__all__ = ["ChatCompletions"]

_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 64


class ChatCompletions:
    """Writes requests and reads answers of chat-completions as OpenAI defines it (docs/wire/chat-completions.md), and of agents.

    Where a workspace takes less than the definition, its quirks change what this writes.
    """

    api: Api = "chat-completions"

    def encode(self, request: ChatRequest, profile: Profile) -> JsonObject:
        """Return the body to send, without ``extra_body``.

        ``stream_options`` asks for usage. An agent gets the conversation and what the user set, nothing else
        (``Profile.client_defaults``).

        Raises:
            InvalidRequestError: the request holds something this api cannot carry; the message says what to change.
        """
        body: JsonObject = {"model": request.model, "messages": encode_messages(request.messages, profile)}
        if request.stream:
            body["stream"] = True
            if profile.client_defaults:
                body["stream_options"] = {"include_usage": True}
        reasoning = reasoning_fields(request, profile)
        body |= tool_fields(request, profile, thinking=_thinks(reasoning))
        body |= reasoning | _limits(request, profile) | _sampling(request, profile) | _bookkeeping(request)
        if request.output is not None:
            body["response_format"] = _response_format(request.output)
        if request.custom_inputs is not None:
            body["custom_inputs"] = _custom_inputs(request.custom_inputs, profile)
        return body

    def decode(self, body: JsonObject, model: str) -> ChatResponse:
        """Return the answer in ``body``; ``model`` is the requested name.

        Raises:
            InvalidResponseError: the body holds neither choices nor an agent's messages.
        """
        return decode_answer(body, model)

    def decoder(self, model: str) -> Decoder:
        """Return a new reader of one stream; ``model`` is the requested name."""
        return ChatStream(model)


def _set(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _thinks(reasoning: JsonObject) -> bool:
    thinking = reasoning.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") != "disabled"


_MOST_STOPS: Final = 4
"""Stop sequences that the format takes (docs/wire/chat-completions.md#request); at the others the answer is cut here."""


def _limits(request: ChatRequest, profile: Profile) -> JsonObject:
    """``max_tokens`` is the documented name on a workspace.

    Source: docs/wire/chat-completions.md#refused-fields, ``max_completion_tokens``.
    """
    stop: list[JsonValue] = [*request.stop[:_MOST_STOPS]] if profile.stop_sequences else []
    several = request.n if profile.several_answers or request.n == 1 else None
    return _set({"max_tokens": request.max_tokens, "stop": stop or None, "n": several})


def _sampling(request: ChatRequest, profile: Profile) -> JsonObject:
    fields: JsonObject = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    if not profile.sampling:
        for name, value in fields.items():
            if value is not None:
                warn_once(
                    f"{profile.model}: {name}",
                    f"{profile.model} takes no {name}, so it is not sent; leave it out, or put it into extra_body to "
                    "send it nevertheless",
                )
        fields = {}
    fields |= {
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "seed": request.seed,
        "logprobs": request.logprobs,
        "top_logprobs": request.top_logprobs,
    }
    return _set(fields)


def _bookkeeping(request: ChatRequest) -> JsonObject:
    return _set(
        {
            "service_tier": request.service_tier,
            "prompt_cache_key": request.cache_key,
            "metadata": request.metadata,
            "user": request.user,
        }
    )


def _response_format(output: OutputFormat) -> JsonObject:
    match output.kind:
        case "text":
            return {"type": "text"}
        case "json":
            return {"type": "json_object"}
        case "json_schema":
            if output.schema is None:
                raise InvalidRequestError("the output format json_schema has no schema; give OutputFormat(schema=...)")
            name = _NOT_IN_A_NAME.sub("_", output.name)[:_LONGEST_NAME] or "answer"
            described = _set({"description": output.description, "strict": output.strict})
            return {"type": "json_schema", "json_schema": {"name": name, "schema": output.schema, **described}}


def _custom_inputs(inputs: JsonObject, profile: Profile) -> JsonObject:
    if not profile.custom_inputs:
        raise InvalidRequestError(
            f"custom_inputs are for agent endpoints, and {profile.model!r} is treated as a model of family "
            f"{profile.family!r}; leave them out, or set family='agent'"
        )
    return inputs
