"""What the protection of a stream costs: deadlines, silence between events, bounds of sizes, leases, watchdog.

    python benchmarks/protection.py

Each row reads a stream of 2,000 events that arrives in pieces of 16 KiB over a loopback socket, through the package's own
transport, with protection and without, in turn. A figure is the CPU time of this process (the server is another) per event;
the ratio is taken within each pair of neighbouring readings, and its median and quartiles are shown. The last column compares
the tenth percentile of each side instead: what is measured while the machine does little else.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from streams import EVENTS, MODELS, QUESTION, TOKEN, replaying
from unprotected import unprotected

from dbx_gateway import AsyncClient, Client
from dbx_gateway.events import TextDelta

LIMITS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "all limits set": {"total_timeout": 300.0, "stream_idle_timeout": 30.0, "timeout": 60.0},
}
"""The settings of the protected side."""

BARE: dict[str, dict[str, Any]] = {"as it comes": {}, "all limits set": {"timeout": 60.0}}
"""Of the other: what every client on httpx has, a limit for each read of the socket, it has too."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one way to read one stream.

    Args:
        name: dialect, way and limits.
        protected: CPU seconds of each reading with protection.
        bare: of each without, in the same order.
    """

    name: tuple[str, str, str]
    protected: list[float]
    bare: list[float]

    @property
    def ratios(self) -> list[float]:
        """The cost with protection by that without, for each pair."""
        return [one / other for one, other in zip(self.protected, self.bare, strict=True)]

    @property
    def middle(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def least(self) -> float:
        """The ratio of the tenth percentiles."""
        return statistics.quantiles(self.protected, n=10)[0] / statistics.quantiles(self.bare, n=10)[0]

    def line(self) -> str:
        """Return the row of the table."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        costs = [statistics.median(costs) / EVENTS * 1e6 for costs in (self.protected, self.bare)]
        words = " | ".join(self.name)
        return f"| {words} | {costs[0]:.2f} | {costs[1]:.2f} | {self.middle:.3f} | {low:.3f} to {high:.3f} | {self.least:.3f} |"


Reading = Callable[[], int]


@contextmanager
def readings(way: str, fields: dict[str, Any]) -> Iterator[Reading]:
    """Give a function that reads one stream to its end and returns the number of its deltas of text."""
    if way == "sync":
        with Client(**fields) as client:
            yield lambda: sum(isinstance(event, TextDelta) for event in client.stream(QUESTION))
        return
    async_client = AsyncClient(**fields)

    async def read() -> int:
        return sum([isinstance(event, TextDelta) async for event in async_client.stream(QUESTION)])

    with asyncio.Runner() as runner:
        yield lambda: runner.run(read())


def cost(read: Reading, streams: int) -> float:
    """Return the CPU seconds of one reading, the mean of some."""
    gc.collect()
    before = time.process_time()
    for _ in range(streams):
        read()
    return (time.process_time() - before) / streams


def measured(name: tuple[str, str, str], url: str, pairs: int, streams: int) -> Row:
    """Measure one row."""
    dialect, way, limits = name
    fields = {"model": MODELS[dialect], "host": url, "token": TOKEN, "surface": "ai-gateway", "coalesce_deltas": False}
    row = Row(name, [], [])
    with readings(way, fields | LIMITS[limits]) as on, readings(way, fields | BARE[limits]) as off:
        sides = [(row.protected, on, nullcontext), (row.bare, off, unprotected)]
        for number in range(pairs + 1):
            for costs, read, around in sides if number % 2 else sides[::-1]:
                with around():
                    if number == 0 and read() < EVENTS:
                        message = f"{name}: the stream was cut"
                        raise RuntimeError(message)
                    spent = cost(read, streams)
                    if number:
                        costs.append(spent)
    return row


def main() -> int:
    """Print the table, and the mean of its rows; return 1 where a row is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=150, help="pairs of readings for each row")
    parser.add_argument("--streams", type=int, default=1, help="streams of one reading")
    parser.add_argument("--dialect", action="append", choices=tuple(MODELS))
    parser.add_argument(
        "--limit", type=float, help="fail where the median ratio of a row is above this, for example 1.03"
    )
    given = parser.parse_args()
    print("| dialect | way | limits | µs per event, protected | not protected | ratio | quartiles | least |")
    print("|---|---|---|---|---|---|---|---|")
    rows: list[Row] = []
    gc.freeze()
    with replaying() as url:
        for dialect in given.dialect or MODELS:
            for way in ("sync", "async"):
                for limits in LIMITS:
                    rows.append(measured((dialect, way, limits), url, given.pairs, given.streams))
                    print(rows[-1].line(), flush=True)
    costs = [statistics.geometric_mean(ratio) for ratio in zip(*[(r.middle, r.least) for r in rows], strict=True)]
    print(f"| all | | | | | {costs[0]:.3f} | | {costs[1]:.3f} |")
    over = [row.name for row in rows if given.limit is not None and row.least > given.limit]
    for name in over:
        print(f"above {given.limit}: {' '.join(name)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
