"""What the model and the embeddings share: the core's settings as fields, the core's clients, and safe copies."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, Self

from llama_index.core import __version__ as core_version
from pydantic import ConfigDict, PrivateAttr, ValidationError, model_validator

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.settings import Settings, SettingsFields, misfit, named_values, veiled

if TYPE_CHECKING:
    from dbx_gateway.client import AsyncClient, Client

__all__ = ["Connection"]

_CREDENTIALS: Final = ("token", "workspace_client", "sdk_config")
_UNPICKLED: Final = (*_CREDENTIALS, "http_client", "http_async_client", "default_headers")
"""Settings that hold a secret or a client object: never part of a pickle."""
_SHARED: Final = (
    *("workspace_client", "sdk_config", "http_client", "http_async_client", "verify"),
    *("callback_manager", "rate_limiter"),
)
"""What a deep copy has in common with its original: objects that stand for something outside."""


class _Clients:
    """The core's clients of one object, made on first use; a copy or pickle of them is empty."""

    def __init__(self) -> None:
        self.pair: tuple[Client, AsyncClient] | None = None

    def __deepcopy__(self, _: object) -> _Clients:
        return _Clients()

    def __reduce__(self) -> tuple[type[_Clients], tuple[()]]:
        return (_Clients, ())


class Connection(SettingsFields):
    """The settings of the core as fields of a LlamaIndex class.

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest) or does not fit.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())

    _clients: _Clients = PrivateAttr(default_factory=_Clients)
    _lost: tuple[str, ...] = PrivateAttr(default=())

    def __init__(self, **fields: Any) -> None:
        fields = veiled(fields)
        wrong: ConfigurationError | None = None
        try:
            super().__init__(**fields)
        except ValidationError as error:
            wrong = misfit(error)
        if wrong is not None:
            raise wrong  # here, where it does not hang on the error that holds the values

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = {name: value for name, value in values.items() if name != "callback_manager" or value is not None}
        return named_values(given, cls.model_fields)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in SettingsFields.model_fields:
            self._clients = _Clients()

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__setattr__("_clients", _Clients())
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        known = {} if memo is None else memo
        for value in (getattr(self, name, None) for name in _SHARED):
            if value is not None:
                known[id(value)] = value
        return super().__deepcopy__(known)

    def __getstate__(self) -> dict[Any, Any]:
        kept_back = [name for name in _UNPICKLED if getattr(self, name)]
        if isinstance(self.verify, ssl.SSLContext):
            kept_back.append("verify")
        empty = {name: SettingsFields.model_fields[name].get_default(call_default_factory=True) for name in kept_back}
        # Of a copy: LlamaIndex's own method takes out of the object what cannot be pickled.
        state = super(Connection, self.model_copy(update=empty)).__getstate__()
        return {**state, "lost": (*kept_back, *self._still_lost())}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != "lost"})
        self._lost = state.get("lost", ())

    def _still_lost(self) -> tuple[str, ...]:
        signed_in = any(getattr(self, name) for name in _CREDENTIALS)
        return tuple(name for name in self._lost if not (getattr(self, name) or (signed_in and name in _CREDENTIALS)))

    def _settings(self) -> Settings:
        own = {name: getattr(self, name) for name in self.model_fields_set if name in SettingsFields.model_fields}
        return Settings.of(own)

    def _both(self) -> tuple[Client, AsyncClient]:
        """Return the clients.

        Raises:
            ConfigurationError: this object was pickled without what it was given, and that was not given again.
        """
        if self._clients.pair is None:
            if lost := self._still_lost():
                raise ConfigurationError(
                    f"this object was pickled, and {lost[0]} is never part of a pickle; set {lost[0]} again after "
                    "loading, or build it from the environment"
                )
            from dbx_gateway.client import AsyncClient, Client  # noqa: PLC0415  # so that the import stays quick

            product = f"llama-index-core/{core_version}"
            settings = self._settings()
            self._clients.pair = (Client(settings, product=product), AsyncClient(settings, product=product))
        return self._clients.pair
