"""Models by one string, and LangChain's own factories once we are registered there."""

from __future__ import annotations

import langchain.chat_models.base as chat_base
import langchain.embeddings.base as embeddings_base
import pytest
from langchain.chat_models import init_chat_model
from langchain.embeddings import init_embeddings

from dbx_gateway.errors import ConfigurationError
from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings, init_dbx_chat_model, register_provider


@pytest.fixture
def registries(monkeypatch):
    """Both registries, as they were again after the test."""
    for module, cached in (
        (chat_base, chat_base._get_chat_model_creator),
        (embeddings_base, embeddings_base._get_embeddings_class_creator),
    ):
        monkeypatch.setattr(module, "_BUILTIN_PROVIDERS", dict(module._BUILTIN_PROVIDERS))
        cached.cache_clear()
    yield
    chat_base._get_chat_model_creator.cache_clear()
    embeddings_base._get_embeddings_class_creator.cache_clear()


@pytest.mark.parametrize(
    "model", ["databricks-claude-sonnet-4-5", "databricks:databricks-claude-sonnet-4-5"], ids=["name", "with provider"]
)
@pytest.mark.parametrize("provider", [None, "databricks"])
def test_a_name_with_or_without_the_provider_makes_a_model(model, provider):
    llm = init_dbx_chat_model(model, model_provider=provider, temperature=0.5)

    assert isinstance(llm, ChatDbxGateway)
    assert (llm.model, llm.temperature) == ("databricks-claude-sonnet-4-5", 0.5)


def test_a_unity_catalog_name_makes_a_model():
    assert init_dbx_chat_model("databricks:system.ai.gpt-5").model == "system.ai.gpt-5"


def test_no_name_takes_the_environments(monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", "https://proxy.example.com/v1/chat/completions")
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", "key")
    monkeypatch.setenv("DBX_GATEWAY_MODEL", "team-model")

    assert init_dbx_chat_model().model == "team-model"


@pytest.mark.parametrize("asked", [{"model": "openai:gpt-5"}, {"model": "m", "model_provider": "openai"}])
def test_another_provider_is_refused(asked):
    with pytest.raises(ConfigurationError, match=r"'openai'.*init_chat_model"):
        init_dbx_chat_model(**asked)


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean 'temperature'"):
        init_dbx_chat_model("databricks:m", temprature=0)


def test_langchains_own_factories_do_not_know_us_until_we_are_registered(registries):
    with pytest.raises(ValueError, match="databricks"):
        init_chat_model("m", model_provider="databricks")

    register_provider()
    register_provider()

    llm = init_chat_model("databricks:databricks-gpt-5", temperature=0)
    embeddings = init_embeddings("databricks:databricks-gte-large-en", dimensions=64)
    assert isinstance(llm, ChatDbxGateway)
    assert (llm.model, llm.temperature) == ("databricks-gpt-5", 0)
    assert isinstance(embeddings, DbxGatewayEmbeddings)
    assert (embeddings.model, embeddings.dimensions) == ("databricks-gte-large-en", 64)


def test_a_configurable_model_of_langchain_takes_us_once_registered(registries):
    register_provider()

    chosen = init_chat_model(temperature=0)
    llm = chosen._model({"configurable": {"model": "databricks:databricks-gpt-5"}})

    assert (type(llm), llm.model) == (ChatDbxGateway, "databricks-gpt-5")


@pytest.mark.parametrize("form", [None, {}, {"openai": "langchain_openai"}], ids=str)
def test_a_registry_of_another_form_is_left_alone(registries, monkeypatch, form):
    monkeypatch.setattr(embeddings_base, "_BUILTIN_PROVIDERS", form)

    with pytest.raises(ConfigurationError, match="init_dbx_chat_model"):
        register_provider()

    assert "databricks" not in chat_base._BUILTIN_PROVIDERS
