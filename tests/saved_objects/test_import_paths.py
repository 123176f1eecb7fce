"""The import paths that keep working, wherever the modules move that they lead to."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib.metadata import entry_points

from dbx_gateway import Settings

PATHS = {
    "dbx_gateway": "APIConnectionError APIError APITimeoutError AsyncClient Audio AuthenticationError BadRequestError "
    "Blob CacheHint ChatRequest ChatResponse Citation Client ConfigurationError ContextOverflowError DbxGatewayError "
    "Embeddings Event ExtractionError File Finish Image IncompleteStreamError InvalidRequestError InvalidResponseError "
    "Message Native NotFoundError Observations OutputFormat PermissionDeniedError Profile RateLimitError Reasoning "
    "ReasoningConfig Refusal ServerError Settings Text ToolCall ToolChoice ToolResult ToolSpec Usage Video __version__ "
    "assistant extract_json fold forget profile_of system tool_result user",
    "dbx_gateway.chat": "Alternative Audio Blob CacheHint ChatRequest ChatResponse Citation Exchange File Finish "
    "FinishReason Image JsonObject Message Native Origin OutputFormat Part Reasoning ReasoningConfig Refusal Role "
    "Segment Text ToolCall ToolChoice ToolResult ToolSpec Usage Video assistant is_executable opaque_for system "
    "tool_result user",
    "dbx_gateway.client": "AsyncClient Client Conversation",
    "dbx_gateway.events": "Assembly End Event PartEnd ReasoningDelta RefusalDelta Start TextDelta ToolCallDelta "
    "ToolCallEnd ToolCallStart UsageUpdate coalesce fold mint_call_id part_events with_exchange",
    "dbx_gateway.errors": "APIConnectionError APIError APITimeoutError AuthenticationError BadRequestError "
    "ConfigurationError ContextOverflowError DbxGatewayError ExtractionError IncompleteStreamError InvalidRequestError "
    "InvalidResponseError NotFoundError PermissionDeniedError RateLimitError ServerError forget_frames unknown_name",
    "dbx_gateway.settings": "ALIASES CALL_OPTIONS Lost Settings SettingsFields canonical_names fitted misfit "
    "named_values reasoning_config timeout_of veiled",
    "dbx_gateway.connection": "Connection",
    "dbx_gateway.observations": "HOUR MINUTE Observations SingleFlight forget shared_observations",
    "dbx_gateway.embeddings": "Embeddings",
    "dbx_gateway.profiles": "Profile profile_of",
    "dbx_gateway.testing": "TRANSIENT_FAULTS ConnectionCut Counts Entry Fault Ledger Memory Pause Reply Served Workspace "
    "WorkspaceTransport default_models serve workspace_transport",
    "dbx_gateway.testing.fixtures": "dbx_workspace dbx_workspace_url",
    "dbx_gateway.testing.workspace": "Workspace",
    "dbx_gateway.testing.server": "RunningServer application serve",
    "dbx_gateway.cli": "main",
    "langchain_dbx_gateway": "ChatDbxGateway DbxGatewayEmbeddings LightChatMessageHistory init_dbx_chat_model "
    "register_provider without_attachments",
    "langchain_dbx_gateway.chat_models": "ChatDbxGateway",
    "langchain_dbx_gateway.embeddings": "DbxGatewayEmbeddings",
    "langchain_dbx_gateway.errors": "ChatAPIError ChatAuthenticationError ChatBadRequestError ChatConfigurationError "
    "ChatConnectionError ChatContextOverflowError ChatIncompleteStreamError ChatInvalidRequestError "
    "ChatInvalidResponseError ChatNotFoundError ChatPermissionDeniedError ChatRateLimitError ChatServerError "
    "ChatTimeoutError translated",
    "langchain_dbx_gateway.history": "LightChatMessageHistory",
    "langchain_dbx_gateway.model_profile": "OwnProfile profile_data",
    "langchain_dbx_gateway.middleware": "DbxLightHistoryMiddleware DbxPromptCachingMiddleware",
    "llama_index_dbx_gateway": "DbxGateway DbxGatewayEmbedding",
    "llama_index_dbx_gateway.llm": "DbxGateway",
    "llama_index_dbx_gateway.embeddings": "DbxGatewayEmbedding",
}
"""Modules and their names. Besides those that are documented, it is what pickles of public objects name."""

QUIRKS = (
    "empty-parts empty-assistant-content empty-tool-result bare-assistant merge-system split-parallel-tool-results "
    "drop-name tools-with-response-format claude-structured-output stream-response-format drop-stream-options "
    "drop-parallel-tool-calls drop-openai-bookkeeping no-penalties-seed strip-strict anth-eager-streaming "
    "params-required schema-object-root schema-gemini resp-output-only-fields resp-id-64 schema-open-models "
    "tool-choice-required gpt-tools-effort max-tokens-name oss-output-cap claude-empty-args-delta "
    "claude-usage-exclusive tools-cap-32 schema-limits anth-server-tools anth-media-url"
)

EACH_FIRST = """
import importlib, json, sys

OURS = ("dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway")
for path, names in json.load(sys.stdin).items():
    for module in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[module]
    module = importlib.import_module(path)
    for name in names.split():
        if not hasattr(module, name):
            print(f"{path} has no {name}")
    exec(f"from {path} import {', '.join(names.split())}", {})
"""


def test_every_import_path_that_was_public_works_whichever_is_imported_first():
    done = subprocess.run(
        [sys.executable, "-c", EACH_FIRST], input=json.dumps(PATHS), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_quirk_can_be_turned_off_by_its_name():
    names = tuple(QUIRKS.split())
    assert Settings(model="m", disabled_quirks=names).disabled_quirks == names


def test_the_command_is_where_its_entry_point_says():
    (command,) = entry_points(group="console_scripts", name="dbx-gateway")
    assert command.value == "dbx_gateway.cli:main"
    assert callable(command.load())


def test_loggers_have_the_names_that_they_had():
    import dbx_gateway.client  # noqa: F401  # it makes them

    assert {"dbx_gateway", "dbx_gateway.requests"} <= set(logging.root.manager.loggerDict)
