"""The three front ends under one set of verbs: the core's clients, LangChain's model, LlamaIndex's LLM."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

FRONT_ENDS = ("core", "langchain", "llama-index")


class FrontEnd:
    """One way to talk to a model.

    Args:
        fields: the settings of its objects.
    """

    name = ""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def objects(self) -> list[Any]:
        """Return what a user holds, the object for vectors last."""
        raise NotImplementedError

    def ask(self, text: str) -> str:
        """Return the answer to one question."""
        raise NotImplementedError

    async def aask(self, text: str) -> str:
        """Return the answer to one question, from an event loop."""
        raise NotImplementedError

    def stream(self, text: str) -> Generator[Any]:
        """Return the stream that a user gets."""
        raise NotImplementedError

    async def astream(self, text: str) -> AsyncGenerator[Any]:
        """Return the stream that a user gets on an event loop."""
        raise NotImplementedError

    def vectors(self, texts: list[str]) -> list[Any]:
        """Return a vector for each text."""
        raise NotImplementedError

    async def avectors(self, texts: list[str]) -> list[Any]:
        """Return a vector for each text, from an event loop."""
        raise NotImplementedError

    def said(self, item: Any) -> str:
        """Return the text that one item of a stream adds."""
        raise NotImplementedError


class Core(FrontEnd):
    name = "core"

    def __init__(self, objects: list[Any] | None = None, **fields: Any) -> None:
        from dbx_gateway import AsyncClient, Client

        super().__init__(**fields)
        self.client, self.async_client = objects or [Client(**fields), AsyncClient(**fields)]

    def objects(self):
        return [self.client, self.async_client]

    def ask(self, text):
        return self.client.chat(text).text

    async def aask(self, text):
        return (await self.async_client.chat(text)).text

    def stream(self, text):
        return self.client.stream(text)

    async def astream(self, text):
        return self.async_client.stream(text)

    def vectors(self, texts):
        return list(self.client.embed(texts, model=EMBEDDINGS).vectors)

    async def avectors(self, texts):
        return list((await self.async_client.embed(texts, model=EMBEDDINGS)).vectors)

    def said(self, item):
        from dbx_gateway.events import TextDelta

        return item.text if isinstance(item, TextDelta) else ""


class LangChain(FrontEnd):
    name = "langchain"

    def __init__(self, objects: list[Any] | None = None, **fields: Any) -> None:
        from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings

        super().__init__(**fields)
        made = objects or [ChatDbxGateway(**fields), DbxGatewayEmbeddings(**fields | {"model": EMBEDDINGS})]
        self.llm, self.embeddings = made

    def objects(self):
        return [self.llm, self.embeddings]

    def ask(self, text):
        return self.llm.invoke(text).text

    async def aask(self, text):
        return (await self.llm.ainvoke(text)).text

    def stream(self, text):
        return self.llm.stream(text)

    async def astream(self, text):
        return self.llm.astream(text)

    def vectors(self, texts):
        return self.embeddings.embed_documents(texts)

    async def avectors(self, texts):
        return await self.embeddings.aembed_documents(texts)

    def said(self, item):
        return item.text


class LlamaIndex(FrontEnd):
    name = "llama-index"

    def __init__(self, objects: list[Any] | None = None, **fields: Any) -> None:
        from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

        super().__init__(**fields)
        made = objects or [DbxGateway(**fields), DbxGatewayEmbedding(**fields | {"model": EMBEDDINGS})]
        self.llm, self.embedding = made

    def objects(self):
        return [self.llm, self.embedding]

    def ask(self, text):
        return self.llm.complete(text).text

    async def aask(self, text):
        return (await self.llm.acomplete(text)).text

    def stream(self, text):
        return self.llm.stream_complete(text)

    async def astream(self, text):
        return await self.llm.astream_complete(text)

    def vectors(self, texts):
        return self.embedding.get_text_embedding_batch(texts)

    async def avectors(self, texts):
        return await self.embedding.aget_text_embedding_batch(texts)

    def said(self, item):
        return item.delta or ""


EMBEDDINGS = "databricks-gte-large-en"


def front_end(name: str, objects: list[Any] | None = None, **fields: Any) -> FrontEnd:
    """Return the front end of a name, with its objects made of ``fields`` or as they are given."""
    kind = {kind.name: kind for kind in (Core, LangChain, LlamaIndex)}[name]
    return kind(objects, **fields)
