"""Everything that is fuzzed, by name."""

from __future__ import annotations

from fuzz import extraction, failures, framing, histories, reading, schemas
from fuzz.target import Target

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (framing, reading, histories, failures, extraction, schemas)
    for target in module.TARGETS
}
