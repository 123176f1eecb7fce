"""What the adapters' classes share: the settings as fields, and the clients that are made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

from pydantic import PrivateAttr, ValidationError

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.settings import Settings, SettingsFields, by_name, fitted, misfit, veiled

if TYPE_CHECKING:
    from dbx_gateway.client import AsyncClient, Client

__all__ = ["ClientFields"]


class _Clients:
    """The clients of one object, made on first use; a copy or pickle of them is empty."""

    def __init__(self) -> None:
        self.pair: tuple[Client, AsyncClient] | None = None

    def __deepcopy__(self, _: object) -> _Clients:
        return _Clients()

    def __reduce__(self) -> tuple[type[_Clients], tuple[()]]:
        return (_Clients, ())


class ClientFields(SettingsFields):
    """The settings of the core as fields of a framework's class.

    A setting that is assigned later is checked at once, and applies from the next call on. A copy has the settings of its
    original and clients of its own.

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest), does not fit, or is given without its name.
    """

    product: ClassVar[str]
    """``name/version`` of the framework, for the User-Agent."""

    _clients: _Clients = PrivateAttr(default_factory=_Clients)

    def __init__(self, *unnamed: Never, **fields: Any) -> None:
        if unnamed:
            raise by_name(type(self).__name__)
        fields = veiled(fields)
        wrong: ConfigurationError | None = None
        try:
            super().__init__(**fields)
        except ValidationError as error:
            wrong = misfit(error)
        if wrong is not None:
            raise wrong  # here, so that it has no context: the ValidationError holds the values

    def model_post_init(self, context: Any, /) -> None:
        """Let the framework's classes do what they do at this place, which pydantic's own method would hide."""
        super().model_post_init(context)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in SettingsFields.model_fields:
            super().__setattr__(name, value)
            return
        for each, fit in fitted(name, value).items():
            if each == name or self.endpoint_url is None:
                super().__setattr__(each, fit)
        self._clients = _Clients()

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._clients = _Clients()  # noqa: SLF001  # a copy may be given other settings
        return copied

    def _settings(self) -> Settings:
        own = {name: getattr(self, name) for name in self.model_fields_set if name in SettingsFields.model_fields}
        return Settings.of(own)

    @property
    def _client(self) -> Client:
        return self._pair()[0]

    @property
    def _async_client(self) -> AsyncClient:
        return self._pair()[1]

    def _pair(self) -> tuple[Client, AsyncClient]:
        if self._clients.pair is None:
            from dbx_gateway.client import AsyncClient, Client  # noqa: PLC0415  # so that the import stays quick

            settings = self._settings()
            self._clients.pair = (
                Client(settings, product=self.product),
                AsyncClient(settings, product=self.product),
            )
        return self._clients.pair
