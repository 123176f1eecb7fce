"""Models by one string, as LangChain's ``init_chat_model`` makes them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from dbx_gateway.errors import ConfigurationError
from langchain_dbx_gateway.chat_models import ChatDbxGateway
from langchain_dbx_gateway.messages import PROVIDER

__all__ = ["init_dbx_chat_model", "register_provider"]

_REGISTRIES: Final = (
    ("langchain.chat_models.base", "ChatDbxGateway"),
    ("langchain.embeddings.base", "DbxGatewayEmbeddings"),
)
"""The modules in which LangChain lists its providers, and our class for each."""

_REGISTRY: Final = "_BUILTIN_PROVIDERS"


def init_dbx_chat_model(model: str = "", *, model_provider: str | None = None, **settings: Any) -> ChatDbxGateway:
    """Return a chat model for a name with or without the ``databricks:`` in front.

    LangChain's own ``init_chat_model`` knows a closed list of providers, without this one; see :func:`register_provider`.

    Example:
        >>> init_dbx_chat_model("databricks:databricks-claude-sonnet-4-5", temperature=0).model
        'databricks-claude-sonnet-4-5'

    Args:
        model: the model's name; left out, the environment's.
        model_provider: ``"databricks"``, for code that names the provider apart.
        **settings: fields of :class:`ChatDbxGateway`.

    Raises:
        ConfigurationError: the provider is another one, or a setting is unknown or does not fit.
    """
    provider, colon, name = model.partition(":")
    if not colon:
        provider, name = model_provider or PROVIDER, model
    for named in (provider, model_provider or PROVIDER):
        if named != PROVIDER:
            raise ConfigurationError(
                f"the model provider is {named!r}, and init_dbx_chat_model makes models of {PROVIDER!r} only; "
                "use LangChain's init_chat_model for others"
            )
    return ChatDbxGateway(**({"model": name} if name else {}), **settings)


def register_provider() -> None:
    """Let LangChain's own ``init_chat_model`` and ``init_embeddings`` make models of ``databricks:…``.

    LangChain has no public way to do this: it adds a row to a private dictionary of ``langchain``, which a new version
    may move or rename (it then raises, and changes nothing). Opt-in for this reason, and only for this process. Prefer
    :func:`init_dbx_chat_model`, or give the model object itself: ``create_agent`` and all of LangChain take it.

    Raises:
        ConfigurationError: the installed ``langchain`` keeps its providers in another form.
        ImportError: ``langchain`` is not installed.
    """
    if find_spec("langchain") is None:
        raise ImportError("register_provider() adds to the package langchain; install it with: pip install langchain")
    registries = [(_registry(place), name) for place, name in _REGISTRIES]
    for providers, name in registries:
        providers.setdefault(PROVIDER, ("langchain_dbx_gateway", name, _made))


def _registry(place: str) -> dict[str, Any]:
    providers = getattr(import_module(place), _REGISTRY, None)
    row = next(iter(providers.values()), None) if isinstance(providers, dict) else None
    if not isinstance(providers, dict) or not isinstance(row, tuple) or len(row) != 3:
        raise ConfigurationError(
            "this version of langchain keeps its model providers in another form; use init_dbx_chat_model, or the classes "
            "themselves"
        )
    return providers


def _made(cls: type[Any], **settings: Any) -> Any:
    return cls(**settings)
