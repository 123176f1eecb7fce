"""The page of the documentation that tells which faults are tried, made from the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from faults.case import Case
from faults.cases_statuses import BODIES, KINDS, STATUSES
from faults.catalogue import CASES, Cell, counts
from faults.runs import ALWAYS, FRONT_ENDS, RUNS, Run
from faults.wires import WIRES
from support import sent_again

_APIS = tuple(wire.api for wire in WIRES)

_HEAD = """# What happens when a server fails

Each case below is one way in which a server, a gateway or a network fails, or is odd but right. A server that fails as
it is told plays it over a real socket; the core's `Client` and `AsyncClient`, LangChain's `ChatDbxGateway` and
LlamaIndex's `DbxGateway` ask for the answer as a stream and whole, where both make sense, sync and async. A case counts
as right only if the answer that the framework hands out is right to the letter (text, reasoning, tool calls, usage, how
it ended), or the error is of the right class and carries the status, the server's id of the request and its own words
and, where a stream broke off, what had arrived: that, and nothing else, has been handed out before. No tool call of a
broken answer is executable. How many requests arrived, and how long the client meant to wait between them, is checked
as well. All cases are right in every mode.

## What a framework shows in its own way

- LangChain's total of tokens is the sum of its two counts, whatever total the server gives. A stream of LangChain's
  is one message: further answers of the same request (`n`) are in whole answers only. A tool call that must not be run
  is in `invalid_tool_calls`; in a stream the reason stands behind its arguments. Each error is also langchain-core's
  kind, `is_retryable` with it, and callbacks are told of that error once.
- LlamaIndex has no block for a refusal: it is in `additional_kwargs["refusal"]`, and text where it is no notice. A tool call that must not be
  run is a block for which `get_tool_calls_from_response` raises; until a stream has ended, it leaves every call out.

## What is promised

| fault | promise |
|---|---|
| a stream ends without its terminal event | `IncompleteStreamError` with what had arrived in `partial`; never a short answer |
| the connection breaks after the headers | an error, with what had arrived |
| no byte for as long as `timeout` | `APITimeoutError`, `error_code` "read" |
| bytes but no event of the answer, for as long as `stream_idle_timeout` (default: the silence of `timeout`) | `APITimeoutError`, "idle". A sync stream whose keep-alives stop may wait for one silence more |
| more time than `total_timeout` (default: no limit), retries and pauses included | `APITimeoutError`, "total", or at once the last failure if the pause before the next try would not fit |
| a body or an event that is too large | `InvalidResponseError` beyond 256 MiB of a whole answer and 128 MiB of one event; 1 MiB is read of the body of a failure |
| an error inside a 200 stream, in any shape | the class of error that its code or status means |
| a redirect to another origin | an error; neither headers nor body are sent there |
| 429 or 503 | no retry is counted: the call waits for its turn with all others of the endpoint and identity, until `total_timeout` or 120 s are over, then the error; with `max_retries=0` the error at once |
| `Retry-After` | kept in all its forms up to 120 s; beyond that the error, with the value |

One bound is weak: headers that arrive byte by byte reset the silence with each byte, up to 100 KiB of them. Only an
async call with a `total_timeout` is exact there.
"""

_SENT_AGAIN = f"""## What is sent again

`again` is up to `max_retries` times. What counts as an agent is in [promises.md](promises.md#when-a-server-fails).

{sent_again.table()}
"""

_RUNS_HEAD = """## How many runs

A case runs through the core and through both adapters, in each form that makes sense for it, sync and async.
`.ci/run --full` runs every case on every api that it stands under. The tests of every change run each name of a case on
one of its apis, in all of these modes: the first name on the first api, the second on the second, and so on around, one
api later with each round. Where a group would not be met on one of its apis as a stream or whole, a case more is run.
The table counts the runs of one front end; each of the three has the same.
"""


def page() -> str:
    """Return the page."""
    groups = list(dict.fromkeys(case.group for case in CASES))
    sections = (_section(group) for group in groups)
    return "\n".join(
        [_HEAD, _SENT_AGAIN, "## How many cases", "", table(), "", _RUNS_HEAD, runs_table(), "", *sections]
    )


def table() -> str:
    """Return the counts of cases, by group and by api."""
    found = counts()
    lines = [f"| group | {' | '.join(_APIS)} |", f"|---|{'---:|' * len(_APIS)}"]
    lines += [
        f"| {group} | {' | '.join(str(found[group, api] or '–') for api in _APIS)} |"
        for group in dict.fromkeys(case.group for case in CASES)
    ]
    totals = Counter(case.wire.api for case in CASES)
    return "\n".join([*lines, f"| **all** | {' | '.join(f'**{totals[api]}**' for api in _APIS)} |"])


def runs_table() -> str:
    """Return the counts of runs of one front end, by group and by api: those of the gate, and of how many.

    All front ends have the same runs.
    """
    every, always = (_counted(runs) for runs in (RUNS, ALWAYS))
    lines = [f"| group | {' | '.join(_APIS)} |", f"|---|{'---:|' * len(_APIS)}"]
    for group in dict.fromkeys(case.group for case in CASES):
        cells = [(group, api) for api in _APIS]
        lines.append(f"| {group} | {' | '.join(_part(always[cell], every[cell]) for cell in cells)} |")
    cells = [("", api) for api in _APIS]
    return "\n".join(
        [*lines, f"| **all** | {' | '.join(f'**{_part(always[cell], every[cell])}**' for cell in cells)} |"]
    )


def _counted(runs: Iterable[Run]) -> Counter[Cell]:
    """Return how many of one front end's runs each group has for each api, and under ``""`` all groups together."""
    cases = [run.case for run in runs if run.front is FRONT_ENDS[0]]
    return Counter((group, case.wire.api) for case in cases for group in (case.group, ""))


def _part(some: int, whole: int) -> str:
    if not whole:
        return "–"
    return str(whole) if some == whole else f"{some} of {whole}"


def _section(group: str) -> str:
    if group == STATUSES:
        statuses, bodies = ", ".join(map(str, KINDS)), ", ".join(f"`{name}`" for name in BODIES)
        return f"## {group}\n\nEach of {statuses} with each of the bodies {bodies}; 304 without a body only.\n"
    by_apis: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(case.name for case in CASES if case.group == group):
        by_apis.setdefault(_apis_of(group, name), []).append(name)
    lines = [f"- {_where(apis)}: {', '.join(f'`{name}`' for name in names)}" for apis, names in by_apis.items()]
    return f"## {group}\n\n" + "\n".join(lines) + "\n"


def _apis_of(group: str, name: str) -> tuple[str, ...]:
    def is_it(case: Case) -> bool:
        return (case.group, case.name) == (group, name)

    return tuple(dict.fromkeys(case.wire.api for case in CASES if is_it(case)))


def _where(apis: tuple[str, ...]) -> str:
    return "all apis" if apis == _APIS else ", ".join(apis)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # a page is printed to be kept
