"""All cases of the catalogue, by api and by group."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

from faults import (
    cases_chat,
    cases_connection,
    cases_framing,
    cases_generate_content,
    cases_messages,
    cases_not_answers,
    cases_responses,
    cases_shapes,
    cases_statuses,
    cases_stream_errors,
)
from faults.case import Case
from faults.wires import WIRES

_MODULES: tuple[ModuleType, ...] = (
    cases_connection,
    cases_framing,
    cases_stream_errors,
    cases_not_answers,
    cases_statuses,
    cases_shapes,
    cases_chat,
    cases_messages,
    cases_responses,
    cases_generate_content,
)

CASES: tuple[Case, ...] = tuple(case for module in _MODULES for wire in WIRES for case in module.cases(wire))

Cell = tuple[str, str]


def counts() -> Counter[Cell]:
    """Return how many cases each group has for each api."""
    return Counter((case.group, case.wire.api) for case in CASES)
