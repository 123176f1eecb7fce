"""Who calls, and where."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and where: the workspace's host, and an identity that is never a token."""

    host: str
    identity: str
