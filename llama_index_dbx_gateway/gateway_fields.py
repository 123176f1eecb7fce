"""What the model and the embeddings share: the core's settings as fields, the core's clients, and safe copies."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from llama_index.core import __version__ as core_version
from pydantic import ConfigDict, model_validator

from dbx_gateway.adapters.client_fields import ClientFields
from dbx_gateway.settings import named_values

__all__ = ["GatewayFields"]

_SHARED: Final = ("callback_manager", "rate_limiter")
"""What a deep copy shares with its original, beside the core's: objects that belong to something outside."""


class GatewayFields(ClientFields):
    """The settings of the core as fields of a LlamaIndex class.

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest) or does not fit.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())

    product: ClassVar[str] = f"llama-index-core/{core_version}"

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = {name: value for name, value in values.items() if name != "callback_manager" or value is not None}
        return named_values(fields, cls.model_fields)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        known = {} if memo is None else memo
        for value in (getattr(self, name, None) for name in _SHARED):
            if value is not None:
                known[id(value)] = value
        return super().__deepcopy__(known)

    def __getstate__(self) -> dict[Any, Any]:
        # Of a copy: LlamaIndex's own method removes from the object what cannot be pickled.
        return super(GatewayFields, self.model_copy(update=self._stand_ins())).__getstate__()
