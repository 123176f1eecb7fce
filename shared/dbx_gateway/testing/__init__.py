"""A simulated Databricks workspace, to run agents against with no workspace, no key and no network.

Example:
    >>> from dbx_gateway.testing import Workspace, serve
    >>> with serve(Workspace()) as server:  # needs the extra: pip install "dbx-gateway[sim]"
    ...     server.url.startswith("http://127.0.0.1:")
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbx_gateway.testing.faults.faults import CONSIDER_RETRYING, ConnectionCut, Fault, Pause, Reply
from dbx_gateway.testing.faults.odd_answers import ODD_ANSWERS, OddAnswer
from dbx_gateway.testing.faults.rates import TRANSIENT_FAULTS
from dbx_gateway.testing.faults.refusals import REFUSALS, KnownRefusal
from dbx_gateway.testing.in_process import WorkspaceTransport, workspace_transport
from dbx_gateway.testing.model.brain import Memory
from dbx_gateway.testing.model.conversation import Counts
from dbx_gateway.testing.service.catalog import Served, default_models
from dbx_gateway.testing.service.ledger import Entry, Ledger
from dbx_gateway.testing.workspace import Workspace

if TYPE_CHECKING:
    from dbx_gateway.testing.server import RunningServer

__all__ = [
    "CONSIDER_RETRYING",
    "ODD_ANSWERS",
    "REFUSALS",
    "TRANSIENT_FAULTS",
    "ConnectionCut",
    "Counts",
    "Entry",
    "Fault",
    "KnownRefusal",
    "Ledger",
    "Memory",
    "OddAnswer",
    "Pause",
    "Reply",
    "Served",
    "Workspace",
    "WorkspaceTransport",
    "default_models",
    "serve",
    "workspace_transport",
]


def serve(workspace: Workspace, port: int = 0, *, host: str = "127.0.0.1") -> RunningServer:
    """Serve a workspace from a thread of this process; see :func:`dbx_gateway.testing.server.serve`.

    Raises:
        ImportError: uvicorn is not installed; the message says how to install it.
    """
    from dbx_gateway.testing import server  # noqa: PLC0415  # only who serves needs uvicorn

    return server.serve(workspace, port, host=host)
