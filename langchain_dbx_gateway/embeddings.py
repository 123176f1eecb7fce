"""``DbxGatewayEmbeddings``: LangChain's embeddings for the embedding models of a Databricks workspace."""

from __future__ import annotations

from typing import Any

from langchain_core import __version__ as core_version
from langchain_core.embeddings import Embeddings

from dbx_gateway.client import AsyncClient, Client
from langchain_dbx_gateway.errors import translated

__all__ = ["DbxGatewayEmbeddings"]


class DbxGatewayEmbeddings(Embeddings):
    """Vectors of texts from an embedding model of a workspace.

    Constructing one needs no network and no credentials.

    Args:
        dimensions: length of the vectors, for models that offer several.
        batch_size: texts per request; None takes the model's.
        **settings: ``model``, ``host``, ``token`` and the other settings of the core.

    Raises:
        ConfigurationError: a setting is unknown or does not fit.
    """

    def __init__(self, *, dimensions: int | None = None, batch_size: int | None = None, **settings: Any) -> None:
        product = f"langchain-core/{core_version}"
        self._client = Client(**settings, product=product)
        self._async_client = AsyncClient(self._client.settings, product=product)
        self.model = self._client.settings.model
        self.dimensions = dimensions
        self.batch_size = batch_size

    def _options(self) -> dict[str, Any]:
        return {"dimensions": self.dimensions, "batch_size": self.batch_size}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector for each text, in order."""
        with translated():
            return [list(vector) for vector in self._client.embed(texts, **self._options()).vectors]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector for each text, in order, without blocking the event loop."""
        with translated():
            found = await self._async_client.embed(texts, **self._options())
        return [list(vector) for vector in found.vectors]

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of one text without blocking the event loop."""
        return (await self.aembed_documents([text]))[0]
