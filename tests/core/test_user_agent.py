"""What requests say about who sends them."""

from __future__ import annotations

import platform

from dbx_gateway.transport.user_agent import user_agent
from dbx_gateway.version import __version__

SYSTEM = f"python/{platform.python_version()} os/{platform.system().lower()}"


def test_a_request_names_this_package_python_and_the_system():
    assert user_agent() == f"dbx-gateway/{__version__} {SYSTEM}"


def test_what_uses_the_package_stands_beside_it():
    assert user_agent("langchain/1.2") == f"dbx-gateway/{__version__} langchain/1.2 {SYSTEM}"
