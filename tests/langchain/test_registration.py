"""What is registered with langchain-core: its reading of our blocks, and which classes "all" may load."""

from __future__ import annotations

from importlib import import_module

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway.answers import PROVIDER
from langchain_dbx_gateway.registration import allow_loading, translate_content, translate_content_chunk

CALL = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
BROKEN = {"name": "add", "args": "{", "id": "c2", "error": "cut", "type": "invalid_tool_call"}


def told(message):
    return [(block["type"], block.get("id")) for block in message]


def test_calls_that_the_content_lacks_are_added_to_it_once():
    message = AIMessage("hi", tool_calls=[CALL], invalid_tool_calls=[BROKEN])
    assert told(translate_content(message)) == [("text", None), ("tool_call", "c1"), ("invalid_tool_call", "c2")]
    listed = AIMessage([{"type": "text", "text": "hi"}, CALL, BROKEN], tool_calls=[CALL], invalid_tool_calls=[BROKEN])
    assert told(translate_content(listed)) == [("text", None), ("tool_call", "c1"), ("invalid_tool_call", "c2")]


def test_the_pieces_of_a_chunk_stand_behind_its_text_until_it_is_the_last():
    piece = {"name": "add", "args": '{"a": 1}', "id": "c1", "index": 0, "type": "tool_call_chunk"}
    chunk = AIMessageChunk("hi", tool_call_chunks=[piece])
    assert told(translate_content_chunk(chunk)) == [("text", None), ("tool_call_chunk", "c1")]
    last = AIMessageChunk("hi", tool_call_chunks=[piece], chunk_position="last")
    assert told(translate_content_chunk(last)) == [("text", None), ("tool_call", "c1")]


def test_a_chunk_whose_content_has_the_pieces_has_them_once():
    piece = {"type": "tool_call_chunk", "name": "add", "args": "", "id": "c1", "index": 0}
    chunk = AIMessageChunk([piece], tool_call_chunks=[piece])
    assert told(translate_content_chunk(chunk)) == [("tool_call_chunk", "c1")]


def test_langchain_reads_the_messages_of_this_package_so():
    message = AIMessage("hi", tool_calls=[CALL], response_metadata={"model_provider": PROVIDER})
    assert message.content_blocks == translate_content(message)


@pytest.mark.parametrize("table", [None, {}])
def test_a_release_of_langchain_without_its_table_is_no_error(monkeypatch, table):
    monkeypatch.setattr(import_module("langchain_core.load.load"), "ALL_SERIALIZABLE_MAPPINGS", table)
    allow_loading(ChatDbxGateway)
    allow_loading(ChatDbxGateway)
    path = tuple(ChatDbxGateway.lc_id())
    assert table in (None, {path: path})
