"""The former home of :mod:`dbx_gateway.adapters.client_fields`: pickles of the adapters' objects name it."""

from dbx_gateway.adapters.client_fields import ClientFields as Connection
from dbx_gateway.adapters.client_fields import _Clients  # pyright: ignore[reportPrivateUsage]  # pickles hold it

__all__ = ["Connection", "_Clients"]
