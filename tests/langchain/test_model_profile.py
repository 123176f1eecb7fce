"""``model.profile``: what LangChain learns of a model, and what it then does."""

from __future__ import annotations

import pickle
import warnings
from typing import get_type_hints

import pytest
from langchain.agents.factory import _supports_provider_strategy
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.language_models import ModelProfile
from langchain_core.runnables import ConfigurableField

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.models.profiles import known_models
from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway import model_profile as module
from langchain_dbx_gateway.model_profile import profile_data

GPT = "databricks-gpt-5-2"
CHAT = [row.model for row in known_models() if row.kind == "chat"]
UNITY = [name.replace("databricks-", "system.ai.") for name in CHAT]


@pytest.mark.parametrize("model", [*CHAT, *UNITY])
def test_every_known_model_has_a_profile_of_keys_that_langchain_knows(model):
    data = profile_data(model)

    assert data
    assert set(data) <= set(get_type_hints(ModelProfile))
    assert None not in data.values()
    assert data["text_inputs"] is data["text_outputs"] is True


def test_a_unity_catalog_name_has_the_profile_of_the_endpoint():
    assert [profile_data(name) for name in UNITY] == [profile_data(name) for name in CHAT]


def test_the_profile_of_claude_sonnet_4_5_is_this():
    expected = {
        "max_input_tokens": 200_000,
        "max_output_tokens": 64_000,
        "text_inputs": True,
        "image_inputs": True,
        "image_url_inputs": False,
        "pdf_inputs": True,
        "audio_inputs": False,
        "video_inputs": False,
        "attachment": True,
        "image_tool_message": True,
        "pdf_tool_message": True,
        "mid_conversation_system_messages": False,
        "text_outputs": True,
        "image_outputs": False,
        "audio_outputs": False,
        "video_outputs": False,
        "reasoning_output": True,
        "structured_output": True,
        "tool_calling": True,
        "tool_choice": True,
        "tool_call_streaming": True,
        "temperature": True,
    }

    assert profile_data("databricks-claude-sonnet-4-5") == {
        key: value for key, value in expected.items() if key in get_type_hints(ModelProfile)
    }


def test_effort_levels_are_told_where_they_are_known():
    assert profile_data("databricks-gpt-5-2")["reasoning_effort_levels"] == ["none", "low", "medium", "high", "xhigh"]
    assert "reasoning_effort_levels" not in profile_data("databricks-meta-llama-3-3-70b-instruct")


def test_a_family_speaks_for_a_name_that_does_not():
    assert profile_data("team-chat", "claude")["pdf_inputs"] is True
    assert profile_data("team-chat")["pdf_inputs"] is False
    with pytest.raises(ConfigurationError, match="did you mean 'claude'"):
        profile_data("team-chat", "cloude")


def test_a_key_that_an_older_langchain_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "_keys", lambda: frozenset({"max_input_tokens", "tool_calling"}))

    assert profile_data("databricks-claude-sonnet-4-5") == {"max_input_tokens": 200_000, "tool_calling": True}


def test_a_model_object_has_the_profile_of_its_model_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        llm = ChatDbxGateway(model="databricks-gemini-2-5-pro")

    assert llm.profile == profile_data("databricks-gemini-2-5-pro")


def test_a_profile_of_the_users_own_is_kept():
    assert ChatDbxGateway(model="databricks-gpt-5", profile={"tool_calling": False}).profile == {"tool_calling": False}


def reassigned(llm):
    llm.model = GPT
    return llm


def as_another_family(llm):
    llm.model, llm.family = "team-chat", "gpt"
    return llm


ANOTHER = {
    "assigned": reassigned,
    "family assigned": as_another_family,
    "copied": lambda llm: llm.model_copy(update={"model": GPT}),
    "copied in depth": lambda llm: llm.model_copy(update={"model": GPT}, deep=True),
    "pickled and assigned": lambda llm: reassigned(pickle.loads(pickle.dumps(llm))),
    "configured": lambda llm: llm.configurable_fields(model=ConfigurableField(id="llm")).prepare(
        {"configurable": {"llm": GPT}}
    )[0],
}


@pytest.mark.parametrize("way", ANOTHER)
def test_the_profile_follows_the_model(way):
    llm = ANOTHER[way](ChatDbxGateway(model="databricks-claude-sonnet-4-5"))

    assert llm.profile == profile_data(llm.model, llm.family)
    assert llm.profile != profile_data("databricks-claude-sonnet-4-5")


@pytest.mark.parametrize("way", ANOTHER)
def test_a_profile_of_the_users_own_stays_whatever_the_model(way):
    own = {"tool_calling": False}

    assert ANOTHER[way](ChatDbxGateway(model="databricks-claude-sonnet-4-5", profile=own)).profile == own


def test_a_copy_with_another_profile_has_that():
    llm = ChatDbxGateway(model="databricks-claude-sonnet-4-5")

    assert llm.model_copy(update={"profile": {"tool_calling": False}}).profile == {"tool_calling": False}
    assert llm.profile == profile_data("databricks-claude-sonnet-4-5")


def test_structured_output_goes_by_the_profile():
    def method(**settings):
        bound = ChatDbxGateway(**settings).with_structured_output({"title": "A", "type": "object", "properties": {}})
        return bound.first.kwargs["ls_structured_output_format"]["kwargs"]["method"]

    assert method(model="team-chat", family="gpt") == "json_schema"
    assert method(model="databricks-claude-sonnet-4") == "function_calling"
    assert method(model="databricks-gpt-5-2", profile={"structured_output": False}) == "function_calling"
    # Claude cannot be forced to call a tool while it thinks.
    assert method(model="databricks-claude-sonnet-4", thinking=1024) == "json_schema"
    assert method(model="databricks-claude-sonnet-4", thinking=False) == "function_calling"
    assert method(model="databricks-claude-sonnet-4", reasoning_effort="none") == "function_calling"


@pytest.mark.parametrize("model", ["databricks-gpt-5", "databricks-claude-sonnet-4-5", "databricks-gemini-3-pro"])
def test_create_agent_takes_the_models_own_structured_output(model):
    assert _supports_provider_strategy(ChatDbxGateway(model=model), []) is True


@pytest.mark.parametrize("model", ["databricks-claude-opus-4-1", "databricks-claude-sonnet-4"])
def test_create_agent_asks_for_a_tool_call_where_the_model_has_no_structured_output(model):
    assert _supports_provider_strategy(ChatDbxGateway(model=model), []) is False


@pytest.mark.parametrize("model", ["databricks-gpt-5", "system.ai.claude-sonnet-4-5", "databricks-gemini-3-pro"])
def test_summarization_takes_a_fraction_of_the_context_window(model):
    llm = ChatDbxGateway(model=model)
    middleware = SummarizationMiddleware(model=llm, trigger=("fraction", 0.8), keep=("fraction", 0.3))

    assert middleware._get_profile_limits() == llm.profile["max_input_tokens"]
