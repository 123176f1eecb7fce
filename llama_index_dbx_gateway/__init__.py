"""LlamaIndex for every LLM a Databricks workspace serves.

Example:
    >>> from llama_index_dbx_gateway import DbxGateway  # doctest: +SKIP
    >>> DbxGateway(model="databricks-claude-sonnet-4-5").complete("Hello").text  # doctest: +SKIP
"""

try:
    import llama_index.core  # noqa: F401  # only to say how to install it
except ModuleNotFoundError as error:
    if error.name not in ("llama_index", "llama_index.core"):
        raise
    raise ImportError(
        "llama_index_dbx_gateway needs llama-index-core; install it with: pip install 'dbx-gateway[llama-index]'"
    ) from error

from llama_index_dbx_gateway.embeddings import DbxGatewayEmbedding
from llama_index_dbx_gateway.llm import DbxGateway

__all__ = ["DbxGateway", "DbxGatewayEmbedding"]
