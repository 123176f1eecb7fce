"""LangChain's own suites for embeddings, against the simulated workspace over a socket."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from dbx_gateway.testing import Workspace, serve
from langchain_dbx_gateway import DbxGatewayEmbeddings

MODELS = ("databricks-gte-large-en", "databricks-bge-large-en", "databricks-qwen3-embedding-0-6b")


class TestDbxGatewayEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self):
        return DbxGatewayEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": MODELS[0]}

    @property
    def init_from_env_params(self):
        variables = {
            "DBX_GATEWAY_API_URL": "https://proxy.example.com/v1/embeddings",
            "DBX_GATEWAY_API_KEY": "key",
            "DBX_GATEWAY_MODEL": "team-embeddings",
            "DBX_GATEWAY_DISABLED_QUIRKS": "all",
        }
        return variables, {}, {"model": "team-embeddings", "disabled_quirks": ("all",)}


class TestDbxGatewayEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return DbxGatewayEmbeddings

    @pytest.fixture(
        params=[(model, surface) for model in MODELS for surface in ("model-serving", "ai-gateway")], ids=str
    )
    def model(self, request):
        name, surface = request.param
        workspace = Workspace()
        with serve(workspace) as server:
            yield DbxGatewayEmbeddings(model=name, surface=surface, host=server.url, token=workspace.token)
