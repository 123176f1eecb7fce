"""LangChain for every LLM a Databricks workspace serves.

Example:
    >>> from langchain_dbx_gateway import ChatDbxGateway  # doctest: +SKIP
    >>> ChatDbxGateway(model="databricks-claude-sonnet-4-5").invoke("Hello")  # doctest: +SKIP
"""

from importlib.util import find_spec

if find_spec("langchain_core") is None:
    raise ImportError(
        "langchain_dbx_gateway needs langchain-core; install it with: pip install 'dbx-gateway[langchain]'"
    )

from langchain_dbx_gateway.chat_models import ChatDbxGateway
from langchain_dbx_gateway.embeddings import DbxGatewayEmbeddings

__all__ = ["ChatDbxGateway", "DbxGatewayEmbeddings"]
