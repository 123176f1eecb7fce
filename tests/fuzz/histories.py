"""What a server answered on its way into the next request: through LangChain, through LlamaIndex, to every api."""

from __future__ import annotations

from faults.wires import WIRES, dumped
from fuzz import seeds
from fuzz.reading import goes_back
from fuzz.target import Target
from langchain_core.messages import AIMessage, ToolMessage, message_to_dict, messages_from_dict
from llama_index.core.base.llms.types import ChatMessage
from pydantic import JsonValue
from pydantic_core import from_json, to_json

import langchain_dbx_gateway.answers
import langchain_dbx_gateway.blocks
import llama_index_dbx_gateway.answers
import llama_index_dbx_gateway.messages
from dbx_gateway.call.reading import replay
from dbx_gateway.chat import ChatResponse, Message, is_executable
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.errors import DbxGatewayError, InvalidResponseError
from langchain_dbx_gateway.answers import answer_message
from langchain_dbx_gateway.chunks import Chunks
from langchain_dbx_gateway.messages import to_core as from_langchain
from llama_index_dbx_gateway.answers import chat_response
from llama_index_dbx_gateway.messages import to_core as from_llama_index

__all__ = ["TARGETS"]

_MODEL = "databricks-some-model"


def _answers(data: bytes) -> list[ChatResponse]:
    """Return the answer in ``data`` as each api reads it that can."""
    try:
        body: JsonValue = from_json(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InvalidResponseError("no object")
    found: list[ChatResponse] = []
    for dialect in DIALECTS.values():
        try:
            found.append(dialect.decode(body, _MODEL))
        except DbxGatewayError:
            continue
    if not found:
        raise InvalidResponseError("no answer of any api")
    return found


def _assistant(messages: tuple[Message, ...]) -> Message:
    return next(message for message in messages if message.role == "assistant")


def _through_langchain(answer: ChatResponse, *, blocks: bool) -> Message:
    message = answer_message(answer, _MODEL, blocks=blocks)
    assert message.content_blocks is not None
    [loaded] = messages_from_dict([message_to_dict(message)])
    assert isinstance(loaded, AIMessage)
    results = [ToolMessage("ok", tool_call_id=call["id"]) for call in loaded.tool_calls]
    before = repr(loaded)
    back = _assistant(from_langchain([loaded, *results]))
    assert repr(loaded) == before
    called = [call.name for call in answer.message.tool_calls if is_executable(call, answer.finish)]
    assert [call["name"] for call in message.tool_calls] == called
    return back


def _as_chunks(answer: ChatResponse, *, blocks: bool) -> None:
    chunks = Chunks(_MODEL, blocks=blocks)
    made = [chunk.message for event in replay(answer) for chunk in chunks.of(event)]
    total = made[0]
    for chunk in made[1:]:
        total = total + chunk
    whole = answer_message(answer, _MODEL, blocks=blocks)
    assert total.text == whole.text
    told, as_whole = ({**one.response_metadata, "output_version": ""} for one in (total, whole))
    assert told == as_whole
    assert {"model_name": _MODEL, "model_provider": "databricks"}.items() <= whole.response_metadata.items()


def _langchain(data: bytes) -> None:
    for answer in _answers(data):
        for blocks in (False, True):
            back = _through_langchain(answer, blocks=blocks)
            for api in DIALECTS:
                goes_back(back, api)
            _as_chunks(answer, blocks=blocks)


def _llama_index(data: bytes) -> None:
    for answer in _answers(data):
        response = chat_response(answer, _MODEL)
        loaded = ChatMessage.model_validate_json(response.message.model_dump_json())
        before = repr(loaded)
        back = _assistant(from_llama_index([loaded]))
        assert repr(loaded) == before
        assert to_json(response.raw)
        for api in DIALECTS:
            goes_back(back, api)


_SEEDS = tuple(dumped(body) for wire in WIRES for body in (wire.whole(), wire.whole_call(), *seeds.WHOLE[wire.api]))

TARGETS = (
    Target(
        name="history-langchain",
        form="json",
        run=_langchain,
        read=lambda data: [_through_langchain(answer, blocks=True) for answer in _answers(data)],
        raises=(DbxGatewayError,),
        seeds=_SEEDS,
        modules=(langchain_dbx_gateway.answers, langchain_dbx_gateway.blocks),
    ),
    Target(
        name="history-llama-index",
        form="json",
        run=_llama_index,
        read=lambda data: [from_llama_index([chat_response(answer, _MODEL).message]) for answer in _answers(data)],
        raises=(DbxGatewayError,),
        seeds=_SEEDS,
        modules=(llama_index_dbx_gateway.answers, llama_index_dbx_gateway.messages),
    ),
)
