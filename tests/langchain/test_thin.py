"""The adapter's own files stay small and know nothing of the wire: that is the core's."""

from __future__ import annotations

import re

import pytest
from support.source_words import ROOT, numbers_in, texts_in, words_of_the_wire

from dbx_gateway.models.families import FAMILIES
from dbx_gateway.models.profiles import known_models

OURS = sorted((ROOT / "langchain_dbx_gateway").rglob("*.py"))

LANGCHAINS = {
    # blocks of langchain_core.messages.content
    *("type", "text", "reasoning", "refusal", "image", "audio", "video", "file", "citation", "annotations", "index"),
    *("id", "name", "args", "base64", "url", "file_id", "data", "error", "output", "title", "context", "transcript"),
    *("cited_text", "start_index", "end_index", "encrypted_content", "filename", "detail"),
    *("source", "content", "value"),
    # roles of messages
    *("system", "developer", "user", "assistant", "tool", "role"),
    # ToolMessage, and additional_kwargs of an older message
    *("tool_call_id", "function_call"),
    # usage_metadata and response_metadata
    *("input_tokens", "output_tokens", "total_tokens", "usage", "metadata", "model", "finish_reason"),
    # token_usage in llm_output
    *("prompt_tokens", "completion_tokens"),
    # arguments of bind_tools, with_structured_output and invoke
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "strict", "stop", "stream", "schema"),
    *("json_schema", "any", "parameters", "description", "properties", "object", "function"),
    # metadata of a tool that takes free text
    "custom_tool",
    # model profiles and events
    *("max_output_tokens", "temperature", "delta", "last", "messages"),
}
"""Words that the wire has too, and that stand in the adapter as LangChain's own."""

CORES = {
    # fields of dbx_gateway.chat and arguments of the clients
    *("arguments", "citations", "custom", "kind", "native", "raw", "summary", "output", "model"),
    "encrypted",
    # finish reasons of dbx_gateway.chat.Finish
    *("length", "content_filter"),
    # names of apis
    *("messages", "responses"),
}
"""Words of the core's own types."""


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_module_has_no_key_of_the_wire(path):
    assert (texts_in(path) & words_of_the_wire()) - LANGCHAINS - CORES - {"answer"} == set()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_module_names_no_model_no_header_no_path_and_no_status(path):
    texts = texts_in(path)
    models = {row.model for row in known_models()} | {row.family for row in FAMILIES if row.markers and row.native_api}

    assert [text for text in texts if any(model in text.lower() for model in models)] == []
    assert [text for text in texts if re.search(r"authorization|content-type|user-agent|^x-", text.lower())] == []
    assert [text for text in texts if text.startswith("/")] == []
    assert [number for number in numbers_in(path) if number >= 100] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_module_stays_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 450


def test_every_word_that_is_let_through_is_needed():
    used = {text for path in OURS for text in texts_in(path)}

    assert (LANGCHAINS | CORES) - used == set()
