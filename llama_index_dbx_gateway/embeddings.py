"""``DbxGatewayEmbedding``: LlamaIndex's embeddings for the embedding models of a Databricks workspace."""

from __future__ import annotations

from threading import Lock
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from pydantic import ConfigDict, PrivateAttr, model_validator

from dbx_gateway.chat import Usage
from dbx_gateway.embeddings import Embeddings as Vectors
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.markers import documented
from dbx_gateway.settings import ALIASES
from llama_index_dbx_gateway.gateway_fields import GatewayFields

__all__ = ["DbxGatewayEmbedding"]


class _Bill:
    """Tokens counted so far, from any number of threads; a copy or pickle begins anew."""

    def __init__(self) -> None:
        self.tokens = 0
        self._lock = Lock()

    def add(self, usage: Usage | None) -> None:
        """Count what one request cost."""
        if usage is not None:
            with self._lock:
                self.tokens += usage.input

    def __deepcopy__(self, _: object) -> _Bill:
        return _Bill()

    def __reduce__(self) -> tuple[type[_Bill], tuple[()]]:
        return (_Bill, ())


@documented
class DbxGatewayEmbedding(GatewayFields, BaseEmbedding):
    """Vectors of texts from an embedding model of a workspace.

    Constructing one needs no network and no credentials.

    Args:
        model: name of the serving endpoint or model service; ``model_name`` is the same.
        dimensions: length of the vectors, for models that offer several.
        query_instruction, text_instruction: texts to put in front, for models that want them.
        embed_batch_size: texts that LlamaIndex gives at once; what the model takes at once is kept to in any case.
        **others: the other settings of ``dbx_gateway.Settings`` (``host``, ``token``, ``timeout``, …) and LlamaIndex's own.

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest) or does not fit.

    Examples:
        `pip install 'dbx-gateway[llama-index]'`

        ```python
        from llama_index.core import Settings
        from llama_index_dbx_gateway import DbxGatewayEmbedding

        Settings.embed_model = DbxGatewayEmbedding(model="databricks-gte-large-en")
        ```
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=(), defer_build=False)

    model_name: str = ""
    """The same as ``model``: LlamaIndex's name for it."""
    dimensions: int | None = None
    """Length of the vectors, for models that offer several."""
    query_instruction: str | None = None
    """Text to put in front of each query, for models that need one."""
    text_instruction: str | None = None
    """Text to put in front of each document, for models that need one."""

    _bill: _Bill = PrivateAttr(default_factory=_Bill)

    @model_validator(mode="before")
    @classmethod
    def _both_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        spellings = ("model", *(alias for alias, name in ALIASES.items() if name == "model"))
        names = {values[name] for name in spellings if values.get(name)}
        if len(names) > 1:
            raise ConfigurationError(f"model is given twice, as {' and '.join(sorted(names))}; give it once")
        rest = {name: value for name, value in values.items() if name not in spellings}
        return {**rest, "model": name, "model_name": name} if (name := next(iter(names), "")) else rest

    @model_validator(mode="after")
    def _named_by_environment(self) -> DbxGatewayEmbedding:
        self.__dict__["model_name"] = self.model
        return self

    @classmethod
    def class_name(cls) -> str:
        """Return the name that stands for this class in serialised forms."""
        return "DbxGatewayEmbedding"

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        twin = {"model": "model_name", "model_name": "model"}.get(name)
        if twin is not None and getattr(self, twin) != value:
            super().__setattr__(twin, value)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._bill = _Bill()  # noqa: SLF001  # it counts for itself
        return copied

    def _options(self) -> dict[str, Any]:
        return {"dimensions": self.dimensions}

    def embed_with_usage(self, texts: list[str]) -> Vectors:
        """Return one vector for each text, in order, and the tokens that they cost; no instruction is put in front.

        Returns:
            ``vectors``, ``usage`` (``usage.input`` tokens; None where the server counts none) and ``model`` as the
            server names it.

        Raises:
            InvalidRequestError: a text is empty; nothing was sent.
            DbxGatewayError: the call failed.
        """
        found = self._client.embed(texts, **self._options())
        self._bill.add(found.usage)
        return found

    async def aembed_with_usage(self, texts: list[str]) -> Vectors:
        """Return vectors and usage without blocking the event loop; see :meth:`embed_with_usage`."""
        found = await self._async_client.embed(texts, **self._options())
        self._bill.add(found.usage)
        return found

    @property
    def tokens_used(self) -> int:
        """Tokens that the workspace has counted for this object's texts so far: of indexing and queries together.

        LlamaIndex's own counters estimate them. A copy begins at 0; texts that the server counted none for add none.
        """
        return self._bill.tokens

    def _embed(self, texts: list[str]) -> list[Embedding]:
        return [list(vector) for vector in self.embed_with_usage(texts).vectors]

    async def _aembed(self, texts: list[str]) -> list[Embedding]:
        return [list(vector) for vector in (await self.aembed_with_usage(texts)).vectors]

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._embed([_instructed(self.query_instruction, query)])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aembed([_instructed(self.query_instruction, query)]))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._embed([_instructed(self.text_instruction, text) for text in texts])

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._aembed([_instructed(self.text_instruction, text) for text in texts])


def _instructed(instruction: str | None, text: str) -> str:
    """Return ``text`` behind an instruction, parted by a space unless the instruction brings its own."""
    if not instruction:
        return text
    return f"{instruction}{text}" if instruction[-1].isspace() else f"{instruction} {text}"
