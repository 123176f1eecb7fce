"""The adapter's own files stay small and know nothing of the wire: that is the core's."""

from __future__ import annotations

import re

import pytest
from support.source_words import ROOT, numbers_in, texts_in, words_of_the_wire

from dbx_gateway.models.families import FAMILIES
from dbx_gateway.models.profiles import known_models

OURS = sorted((ROOT / "llama_index_dbx_gateway").rglob("*.py"))
EACH_MODULE = pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)

LLAMA_INDEXS = {
    # additional_kwargs of messages and responses, as every integration writes them
    *("id", "type", "function", "name", "arguments", "tool_calls", "function_call", "tool_call_id"),
    "is_error",
    # other integrations' tool calls in them
    "input",
    # raw, in the one form that counters and tracers read
    *("model", "choices", "index", "finish_reason", "message", "role", "content", "reasoning_content", "usage"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "stop_sequence"),
    *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details"),
    # roles of messages
    *("system", "developer", "user", "assistant", "tool"),
    # arguments of the chats and of JSON schemas, and what events and payloads are asked for
    *("tools", "tool_choice", "response_format", "messages", "temperature", "title", "description"),
}
"""Words that the wire has too, and that stand in the adapter as LlamaIndex's own."""

CORES = {
    # fields of dbx_gateway.chat
    *("kind", "call_id", "custom", "refusal", "text", "detail", "fps"),
    # arguments of the clients, and values of dbx_gateway.chat.ToolChoice and Finish
    *("output", "required", "length", "content_filter", "error"),
}
"""Words of the core's own types."""


@EACH_MODULE
def test_a_module_of_the_llama_index_adapter_has_no_key_of_the_wire(path):
    assert (texts_in(path) & words_of_the_wire()) - LLAMA_INDEXS - CORES - {"T"} == set()


@EACH_MODULE
def test_a_module_of_the_llama_index_adapter_names_no_model_no_header_no_path_and_no_status(path):
    texts = {re.sub(r"llama[-_ ]index", "", text.lower()) for text in texts_in(path)}
    models = {row.model for row in known_models()} | {row.family for row in FAMILIES if row.markers and row.native_api}

    assert [text for text in texts if any(model in text for model in models)] == []
    assert [text for text in texts if re.search(r"authorization|content-type|user-agent|^x-", text)] == []
    assert [text for text in texts if re.match(r"/\w", text)] == []
    assert [number for number in numbers_in(path) if 100 <= number < 600] == []


@EACH_MODULE
def test_a_module_of_the_llama_index_adapter_stays_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 450


def test_every_word_that_the_llama_index_adapter_is_let_is_needed():
    used = {text for path in OURS for text in texts_in(path)}

    assert (LLAMA_INDEXS | CORES) - (used & words_of_the_wire()) == set()
