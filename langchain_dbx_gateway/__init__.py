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
from langchain_dbx_gateway.history import LightChatMessageHistory, without_attachments
from langchain_dbx_gateway.init_model import init_dbx_chat_model, register_provider
from langchain_dbx_gateway.registration import allow_loading, register

__all__ = [
    "ChatDbxGateway",
    "DbxGatewayEmbeddings",
    "LightChatMessageHistory",
    "init_dbx_chat_model",
    "register_provider",
    "without_attachments",
]

register()
allow_loading(ChatDbxGateway)
