"""``DbxGatewayEmbeddings``: LangChain's embeddings for the embedding models of a Databricks workspace."""

from __future__ import annotations

from typing import Any, ClassVar

from langchain_core import __version__ as core_version
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, Field, model_validator

from dbx_gateway.adapters.client_fields import ClientFields
from dbx_gateway.embeddings import Embeddings as Vectors
from dbx_gateway.markers import documented
from dbx_gateway.settings import named_values
from langchain_dbx_gateway.errors import translated

__all__ = ["DbxGatewayEmbeddings"]


@documented
class DbxGatewayEmbeddings(ClientFields, Embeddings):
    """Vectors of texts from an embedding model of a workspace.

    Constructing one needs no network and no credentials. Texts are sent in batches, a few at once, and their vectors
    come in the order of the texts; the async methods do not block the event loop.

    Example:
        >>> embeddings = DbxGatewayEmbeddings(model="databricks-gte-large-en")  # doctest: +SKIP
        >>> len(embeddings.embed_query("What is a lakehouse?"))  # doctest: +SKIP
        1024

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest) or does not fit.
    """

    model_config = ConfigDict(defer_build=False)

    product: ClassVar[str] = f"langchain-core/{core_version}"

    dimensions: int | None = Field(default=None, ge=1)
    """Length of the vectors, for models that offer several."""
    batch_size: int | None = Field(default=None, ge=1)
    """Texts per request; None takes what the model takes."""
    max_concurrency: int | None = Field(default=None, ge=1)
    """Requests at once; None for a few."""

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        return named_values(values, cls.model_fields) if isinstance(values, dict) else values

    def _options(self) -> dict[str, Any]:
        return {
            "dimensions": self.dimensions,
            "batch_size": self.batch_size,
            "max_concurrency": self.max_concurrency,
        }

    def embed_with_usage(self, texts: list[str]) -> Vectors:
        """Return one vector for each text, in order, and the tokens that they cost.

        Returns:
            ``vectors``, ``usage`` (``usage.input`` tokens; None where the server counts none) and ``model`` as the
            server names it.

        Raises:
            InvalidRequestError: a text is empty; nothing was sent.
            DbxGatewayError: the call failed.
        """
        with translated():
            return self._client.embed(texts, **self._options())

    async def aembed_with_usage(self, texts: list[str]) -> Vectors:
        """Return vectors and usage without blocking the event loop; see :meth:`embed_with_usage`."""
        with translated():
            return await self._async_client.embed(texts, **self._options())

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector for each text, in order; see :meth:`embed_with_usage` for what it raises."""
        return [list(vector) for vector in self.embed_with_usage(texts).vectors]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector for each text, in order, without blocking the event loop."""
        return [list(vector) for vector in (await self.aembed_with_usage(texts)).vectors]

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of one text without blocking the event loop."""
        return (await self.aembed_documents([text]))[0]
