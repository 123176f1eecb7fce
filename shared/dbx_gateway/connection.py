"""The former home of :mod:`dbx_gateway.adapters.client_fields`: pickles of the adapters' objects name it."""

from dbx_gateway.adapters.client_fields import Connection, _Clients  # pyright: ignore[reportPrivateUsage]  # pickles hold it

__all__ = ["Connection", "_Clients"]
