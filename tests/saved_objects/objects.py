"""One object of each kind that users pickle or write down as JSON, built from public names only.

``files/`` holds what ``save.py`` made of them when every module still stood in the root of its package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import httpx
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core.base.llms.types import ChatMessage

import dbx_gateway
from dbx_gateway import chat, errors, events
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings, LightChatMessageHistory
from langchain_dbx_gateway import errors as langchain_errors
from langchain_dbx_gateway.middleware import DbxLightHistoryMiddleware, DbxPromptCachingMiddleware
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

__all__ = ["CREDENTIALS", "ERRORS", "FACTS", "JSON", "MODELS", "OTHERS", "SECRETS", "VALUES", "Stored", "error_of"]

MODEL: Final = "databricks-claude-sonnet-4-5"
EMBEDDING_MODEL: Final = "databricks-gte-large-en"
CREDENTIALS: Final = {"host": "https://example.cloud.databricks.com", "token": "dapi-very-secret"}
SECRETS: Final = ("dapi-very-secret", "header-very-secret")
MANY: Final[dict[str, Any]] = {
    "surface": "ai-gateway",
    "temperature": 0.5,
    "max_tokens": 100,
    "stop": ["END"],
    "thinking": False,
    "timeout": 30,
    "max_retries": 5,
    "disabled_quirks": ("drop-name",),
    "extra_body": {"metadata": {"user_id": "me"}},
}


class Stored(BaseChatMessageHistory):
    """A history of a user's own."""

    def __init__(self) -> None:
        self.messages = [HumanMessage("Hello")]

    def clear(self) -> None:
        self.messages = []


MODELS: Final[dict[str, Callable[[], Any]]] = {
    "client": lambda: dbx_gateway.Client(model=MODEL),
    "client_many_settings": lambda: dbx_gateway.Client(model=MODEL, product="framework/1", **MANY),
    "client_own_observations": lambda: dbx_gateway.Client(model=MODEL, observations=dbx_gateway.Observations()),
    "client_token": lambda: dbx_gateway.Client(model=MODEL, **CREDENTIALS),
    "async_client": lambda: dbx_gateway.AsyncClient(model=MODEL),
    "async_client_token": lambda: dbx_gateway.AsyncClient(model=MODEL, **CREDENTIALS),
    "langchain_model": lambda: ChatDbxGateway(model=MODEL),
    "langchain_model_many_settings": lambda: ChatDbxGateway(model=MODEL, streaming=True, **MANY),
    "langchain_model_token": lambda: ChatDbxGateway(
        model=MODEL, default_headers={"x-team": "header-very-secret"}, **CREDENTIALS
    ),
    "langchain_chain": lambda: ChatPromptTemplate.from_template("{question}") | ChatDbxGateway(model=MODEL),
    "langchain_bound_tools": lambda: ChatDbxGateway(model=MODEL).bind_tools([WEATHER]),
    "langchain_embeddings": lambda: DbxGatewayEmbeddings(model=EMBEDDING_MODEL, batch_size=3),
    "langchain_embeddings_token": lambda: DbxGatewayEmbeddings(model=EMBEDDING_MODEL, **CREDENTIALS),
    "llama_index_model": lambda: DbxGateway(model=MODEL),
    "llama_index_model_many_settings": lambda: DbxGateway(model=MODEL, context_window=5000, **MANY),
    "llama_index_model_token": lambda: DbxGateway(
        model=MODEL, default_headers={"x-team": "header-very-secret"}, **CREDENTIALS
    ),
    "llama_index_embedding": lambda: DbxGatewayEmbedding(model=EMBEDDING_MODEL, text_instruction="passage:"),
    "llama_index_embedding_token": lambda: DbxGatewayEmbedding(model=EMBEDDING_MODEL, **CREDENTIALS),
}
"""What can be called. A name that ends in ``_token`` is of an object that was given credentials."""

WEATHER: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

_CALL: Final = chat.ToolCall(
    call_id="call_1", name="weather", arguments='{"city": "Rome"}', signature="c2ln", minted=True, id="fc_1"
)
_PARTS: Final[tuple[chat.Part, ...]] = (
    chat.Text(
        "Rome is warm.",
        citations=(
            chat.Citation(
                kind="url_citation",
                cited_text="warm",
                url="https://example.com/rome",
                title="Rome",
                start=8,
                end=12,
                source={"type": "url_citation"},
            ),
        ),
        phase="final_answer",
        cache=chat.CacheHint("5m"),
        opaque={"annotations": []},
    ),
    chat.Refusal("I cannot say.", category="policy"),
    chat.Reasoning(
        segments=(chat.Segment("summary", "in short"), chat.Segment("raw", "at length")),
        signature="c2ln",
        encrypted="ZW5j",
        redacted="cmVk",
    ),
    _CALL,
    chat.ToolCall(call_id="call_2", name="shell", arguments="ls", custom=True),
    chat.ToolResult(call_id="call_1", name="weather", content=(chat.Text("21 °C"),), is_error=True),
    chat.Image(blob=chat.Blob(data="aGVsbG8=", mime="image/png"), detail="low"),
    chat.File(blob=chat.Blob(file_id="file-1", mime="application/pdf"), filename="a.pdf", title="A", citable=True),
    chat.File(text="plain", context="of a letter"),
    chat.Audio(blob=chat.Blob(data="aGVsbG8=", mime="audio/wav"), transcript="hello"),
    chat.Video(blob=chat.Blob(url="https://example.com/film.mp4", mime="video/mp4"), fps=1.5),
    chat.Native(api="messages", payload={"type": "server_tool_use", "id": "srvtoolu_1"}),
)
_ORIGIN: Final = chat.Origin("messages", MODEL)
_FINISH: Final = chat.Finish(
    reason="stop", raw="stop_sequence", stop_sequence="END", message="done", details={"why": "END"}
)
_USAGE: Final = chat.Usage(
    input=10, output=5, total=15, cache_read=4, cache_write=2, reasoning=1, audio_in=0, audio_out=0, raw={"n": 15}
)
_EXCHANGE: Final = chat.Exchange(
    surface="ai-gateway",
    family="claude",
    api="messages",
    url="https://example.cloud.databricks.com/ai-gateway/anthropic/v1/messages",
    status=200,
    request_id="r-1",
    attempts=("messages https://example.cloud.databricks.com/ai-gateway/anthropic/v1/messages 200",),
    repairs=("drop_parameter",),
)
_MESSAGE: Final = chat.Message(role="assistant", parts=_PARTS, name="me", id="msg_1", origin=_ORIGIN)


def _events() -> list[events.Event]:
    return [
        events.Start("msg_1", MODEL, _ORIGIN, _EXCHANGE),
        events.TextDelta(0, "Rome is warm."),
        events.PartEnd(0, _PARTS[0]),
        events.ReasoningDelta(1, "summary", "in short", 0),
        events.PartEnd(1, _PARTS[2]),
        events.RefusalDelta(2, "I cannot say."),
        events.PartEnd(2, _PARTS[1]),
        events.ToolCallStart(3, "call_1", "weather"),
        events.ToolCallDelta(3, '{"city": "Rome"}'),
        events.ToolCallEnd(3, _CALL),
        events.UsageUpdate(_USAGE),
        events.End(_FINISH, _USAGE, (chat.Alternative(message=_MESSAGE, finish=_FINISH),), {"served_by": "sim"}),
    ]


def _request() -> chat.ChatRequest:
    return chat.ChatRequest(
        model=MODEL,
        messages=(chat.system("Be brief."), chat.user("Weather?", *_PARTS[6:11]), _MESSAGE),
        tools=(
            chat.ToolSpec(
                name="weather",
                description="The weather of a city.",
                parameters=WEATHER["function"]["parameters"],
                strict=True,
                cache=chat.CacheHint("1h"),
                extras={"defer": True},
            ),
            chat.ToolSpec(name="web_search", native={"type": "web_search_20250305", "name": "web_search"}),
            chat.ToolSpec(name="shell", custom=True),
        ),
        tool_choice=chat.ToolChoice("required", ("weather",), outranks_thinking=True),
        parallel_tool_calls=False,
        output=chat.OutputFormat(kind="json_schema", schema={"type": "object"}, name="city", strict=True),
        reasoning=chat.ReasoningConfig(effort="low", budget=2048, mode="on", show="summary"),
        max_tokens=100,
        stop=("END",),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        seed=1,
        n=2,
        metadata={"run": "1"},
        user="me",
        stream=True,
        extra_body={"x": 1},
    )


def _response() -> chat.ChatResponse:
    return chat.ChatResponse(
        message=_MESSAGE,
        finish=_FINISH,
        usage=_USAGE,
        id="msg_1",
        model=MODEL,
        alternatives=(chat.Alternative(message=chat.assistant("Or cold."), finish=_FINISH),),
        extras={"served_by": "sim"},
        exchange=_EXCHANGE,
    )


def _offline() -> dict[str, Any]:
    workspace = Workspace()
    return {
        "host": "https://example.cloud.databricks.com",
        "token": workspace.token,
        "surface": "ai-gateway",
        "http_client": httpx.Client(transport=workspace_transport(workspace)),
    }


def _langchain_answer() -> Any:
    model = ChatDbxGateway(model=MODEL, thinking=True, max_tokens=4000, **_offline())
    return model.bind_tools([WEATHER]).invoke("Call weather with city Rome.", config={"run_name": "saved"})


def _langchain_stream() -> list[AIMessageChunk]:
    return list(ChatDbxGateway(model=MODEL, **_offline()).stream("Hello"))


def _llama_index_answer() -> Any:
    model = DbxGateway(model=MODEL, **_offline())
    return model.chat([ChatMessage(role="user", content="Hello")])


VALUES: Final[dict[str, Callable[[], Any]]] = {
    "settings": lambda: dbx_gateway.Settings(model=MODEL),
    "settings_many": lambda: dbx_gateway.Settings(model=MODEL, **MANY),
    "settings_timeout": lambda: dbx_gateway.Settings(model=MODEL, timeout=httpx.Timeout(3, read=60)),
    "parts": lambda: _PARTS,
    "message": lambda: _MESSAGE,
    "request": _request,
    "response": _response,
    "usage": lambda: _USAGE,
    "exchange": lambda: _EXCHANGE,
    "events": _events,
    "embeddings": lambda: dbx_gateway.Embeddings(((0.5, -1.0), (0.25, 2.0)), EMBEDDING_MODEL, _USAGE),
    "profile": lambda: dbx_gateway.Profile(
        model=MODEL, family="claude", context_window=200_000, efforts=("low",), denied=(("audio", "no"),), known=False
    ),
    "langchain_answer": _langchain_answer,
    "langchain_stream": _langchain_stream,
    "llama_index_answer": _llama_index_answer,
}
"""What compares by its value."""

OTHERS: Final[dict[str, Callable[[], Any]]] = {
    "observations": dbx_gateway.Observations,
    "langchain_profile": lambda: ChatDbxGateway(model=MODEL).profile,
    "langchain_history": lambda: LightChatMessageHistory(Stored()),
    "langchain_caching_middleware": lambda: DbxPromptCachingMiddleware("1h", min_messages=3, unsupported="raise"),
    "langchain_light_history_middleware": DbxLightHistoryMiddleware,
}
"""What can be pickled and has no value to compare; each has a test of its own."""

ERRORS: Final[dict[str, type[errors.DbxGatewayError]]] = {
    kind.__name__: kind
    for module in (errors, langchain_errors)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, errors.DbxGatewayError) and kind.__module__ == module.__name__
}

FACTS: Final[dict[str, Any]] = {
    "status": 429,
    "error_code": "REQUEST_LIMIT_EXCEEDED",
    "request_id": "r-1",
    "retry_after": 1.5,
    "model": MODEL,
    "route": "ai-gateway messages https://example.cloud.databricks.com/ai-gateway/anthropic/v1/messages",
}


def error_of(kind: type[errors.DbxGatewayError]) -> errors.DbxGatewayError:
    """Return an error with everything that one can hold."""
    error = kind(f"{kind.__name__}: what happened", **FACTS)
    error.add_note("a note")
    return error


def _dumpd(value: Any) -> Any:
    from langchain_core.load import dumpd

    return dumpd(value)


JSON: Final[dict[str, Callable[[], Any]]] = {
    "langchain_dumpd_model": lambda: _dumpd(ChatDbxGateway(model=MODEL, **MANY)),
    "langchain_dumpd_model_token": lambda: _dumpd(ChatDbxGateway(model=MODEL, **CREDENTIALS)),
    "langchain_dumpd_chain": lambda: _dumpd(
        ChatPromptTemplate.from_template("{question}") | ChatDbxGateway(model=MODEL) | StrOutputParser()
    ),
    "langchain_dumpd_answer": lambda: _dumpd(_langchain_answer()),
    "llama_index_to_dict_model": lambda: DbxGateway(model=MODEL, context_window=5000, **MANY).to_dict(),
    "llama_index_to_json_model": lambda: DbxGateway(model=MODEL, **CREDENTIALS).to_json(),
    "llama_index_to_dict_embedding": lambda: DbxGatewayEmbedding(
        model=EMBEDDING_MODEL, text_instruction="passage:"
    ).to_dict(),
}
"""Serialised forms that users store as JSON."""
