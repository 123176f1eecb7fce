"""The former home of :mod:`dbx_gateway.call.observations`: pickles of clients name it."""

from dbx_gateway.call.observations import (
    HOUR,
    MINUTE,
    Observations,
    SingleFlight,
    forget,
    shared_observations,
)

__all__ = ["HOUR", "MINUTE", "Observations", "SingleFlight", "forget", "shared_observations"]
