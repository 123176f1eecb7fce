"""LangChain's standard unit tests: all of them, none skipped."""

from __future__ import annotations

from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_dbx_gateway import ChatDbxGateway


class TestChatDbxGateway(ChatModelUnitTests):
    @property
    def chat_model_class(self):
        return ChatDbxGateway

    @property
    def chat_model_params(self):
        return {"model": "databricks-claude-sonnet-4-5"}

    @property
    def init_from_env_params(self):
        return (
            {"DATABRICKS_HOST": "https://workspace.example.com", "DATABRICKS_TOKEN": "dapi-of-the-environment"},
            {"model": "databricks-claude-sonnet-4-5"},
            {"model": "databricks-claude-sonnet-4-5"},
        )
