"""What requests say about who sends them (docs/wire/auth.md#user-agent)."""

from __future__ import annotations

import platform
from functools import cache

from dbx_gateway.version import __version__

__all__ = ["user_agent"]


@cache
def user_agent(product: str = "") -> str:
    """Return the User-Agent: this package, what uses it (``name/version``), Python and system."""
    parts = [
        f"dbx-gateway/{__version__}",
        product,
        f"python/{platform.python_version()}",
        f"os/{platform.system().lower()}",
    ]
    return " ".join(part for part in parts if part)
