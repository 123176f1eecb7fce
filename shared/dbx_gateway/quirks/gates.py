"""Sets of families that several quirks apply to."""

from __future__ import annotations

from typing import get_args

from dbx_gateway.models.families import OPEN_FAMILIES, Family

__all__ = ["ALL_BUT_CLAUDE", "CHAT_FAMILIES", "OPEN_FAMILIES"]

CHAT_FAMILIES: frozenset[Family] = frozenset(get_args(Family)) - {"embeddings"}
"""Every family that answers a chat."""

ALL_BUT_CLAUDE: frozenset[Family] = CHAT_FAMILIES - {"claude"}
