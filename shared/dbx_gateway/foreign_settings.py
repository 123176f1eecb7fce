"""Names that other packages have for settings, and what to write here instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dbx_gateway.errors import ConfigurationError, unknown_name

__all__ = ["FOREIGN_SETTINGS", "unknown_setting"]

_ROUTED: Final = "leave it out: the right api is found by itself, and api='responses' chooses this one"
_GATEWAY: Final = "write surface='ai-gateway'"
_BETA_HEADER: Final = "write default_headers={'anthropic-beta': '…'}"
_WORKSPACE: Final = "write host= for another workspace, or config_profile= for a section of the Databricks config file"
_METADATA: Final = "leave it out: an answer's metadata has the request id, and how it was obtained"
_VENDORS: Final = "leave it out: a workspace has no such thing; host= and token= say where and who"


def _in_body(name: str, value: str = "…") -> str:
    return f"write extra_body={{{name!r}: {value}}}"


FOREIGN_SETTINGS: Final[Mapping[str, str]] = {
    # how long to wait, how often to try
    "request_timeout": "write timeout=",
    "default_request_timeout": "write timeout=",
    "timeout_seconds": "write timeout=",
    "stream_chunk_timeout": "write stream_idle_timeout=",
    "num_retries": "write max_retries=",
    "retries": "write max_retries=",
    # where, and who
    "api_base": "write base_url=",
    "openai_api_base": "write base_url=",
    "anthropic_api_url": "write base_url=",
    "azure_endpoint": "write base_url=",
    "workspace_url": "write host=",
    "databricks_host": "write host=",
    "openai_api_key": "write token= with a token of the workspace",
    "anthropic_api_key": "write token= with a token of the workspace",
    "google_api_key": "write token= with a token of the workspace",
    "databricks_token": "write token=",
    "client": "write workspace_client= for a databricks.sdk.WorkspaceClient, or http_client= for an httpx.Client",
    "async_client": "write workspace_client= for a databricks.sdk.WorkspaceClient, or http_async_client= for an httpx.AsyncClient",
    "async_http_client": "write http_async_client=",
    "http_socket_options": "write http_client= with an httpx.Client that has them",
    "target_uri": _WORKSPACE,
    "databricks_uri": _WORKSPACE,
    "organization": _VENDORS,
    "openai_organization": _VENDORS,
    "api_version": _VENDORS,
    "openai_api_version": _VENDORS,
    "endpoint_name": "write model=",
    "deployment_name": "write model=",
    "azure_deployment": "write model=",
    "use_responses_api": _ROUTED,
    "use_ai_gateway": _GATEWAY,
    "use_ai_gateway_native_api": "write surface='ai-gateway': each model is asked by its own api",
    "use_model_serving": "write surface='model-serving'",
    # what is asked
    "max_completion_tokens": "write max_tokens=",
    "max_output_tokens": "write max_tokens=",
    "max_new_tokens": "write max_tokens=",
    "max_tokens_to_sample": "write max_tokens=",
    "reasoning": "write reasoning_effort=",
    "effort": "write reasoning_effort=",
    "thinking_budget": "write thinking= with the number of tokens",
    "thinking_level": "write reasoning_effort=",
    "thinking_dict": "write thinking=",
    "include_thoughts": "write thinking=True",
    "candidate_count": "write n=",
    "disable_parallel_tool_use": "write parallel_tool_calls=False",
    "verbosity": (
        "write extra_body={'text': {'verbosity': '…'}} for the responses api, which takes the place of a form of the answer too, or "
        "extra_body={'verbosity': '…'} with api='chat-completions'"
    ),
    "store": _in_body("store", "True"),
    "user": _in_body("user", "'…'"),
    "safety_identifier": _in_body("safety_identifier", "'…'"),
    "logit_bias": _in_body("logit_bias", "{…}"),
    "truncation": _in_body("truncation", "'auto'"),
    "prompt_cache_key": _in_body("prompt_cache_key", "'…'"),
    "context_management": _in_body("context_management"),
    "mcp_servers": _in_body("mcp_servers", "[…]"),
    "cached_content": _in_body("cachedContent", "'…'"),
    "safety_settings": _in_body("safetySettings", "[…]"),
    "generation_config": "write its fields as settings: temperature=, max_tokens=, top_p=, …",
    "include": (
        "write extra_body={'include': ['reasoning.encrypted_content', …]}, which takes the place of what is asked for by itself"
    ),
    "previous_response_id": (
        "this is not offered, as no conversation is held on the server: send all messages, or write "
        "extra_body={'previous_response_id': '…'} where the endpoint has one"
    ),
    "use_previous_response_id": "this is not offered, as no conversation is held on the server: send all messages",
    "betas": _BETA_HEADER,
    "anthropic_beta": _BETA_HEADER,
    "extra_headers": "write default_headers=",
    "headers": "write default_headers=",
    "default_query": "this is not offered; write endpoint_url= with the query in it",
    "extra_params": "write model_kwargs=, or extra_body= for fields of the body",
    "additional_kwargs": "write model_kwargs=, or extra_body= for fields of the body",
    "additional_model_request_fields": "write extra_body=",
    # what needs no saying
    "stream_usage": "leave it out: streams have their usage without it",
    "stream_options": "leave it out: streams have their usage without it",
    "include_usage": "leave it out: streams have their usage without it",
    "include_response_headers": _METADATA,
    "reuse_client": "leave it out: connections are shared and found again by themselves",
    "is_chat_model": "leave it out: every model is asked in its own form",
}
"""By the name in ChatOpenAI, ChatAnthropic, ChatGoogleGenerativeAI, ChatDatabricks, LlamaIndex's classes and litellm, the advice."""


def unknown_setting(name: str, known: Iterable[str]) -> ConfigurationError:
    """Return the error for a setting that does not exist: what to write instead, or the nearest name.

    Args:
        name: as the user wrote it.
        known: the names that exist where it was written.
    """
    names = list(known)
    advice = FOREIGN_SETTINGS.get(name)
    if advice is None:
        return unknown_name("setting", name, names)
    return ConfigurationError(f"unknown setting {name!r}; {advice}")
