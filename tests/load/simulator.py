"""A simulated workspace in a process of its own, some of whose requests fail, and that says which.

As a program: it prints one JSON object with its address, and then one for each line that it reads: what each call has met
since the last one.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbx_gateway.testing import TRANSIENT_FAULTS, Fault, Workspace, serve

FAULTS = {
    **TRANSIENT_FAULTS,
    "expired": Fault(status=401, error_code="UNAUTHENTICATED", error_message="Token expired."),
}
"""Each comes at the rate of the simulator: what passes by itself, and a token that is taken no more."""

TOKENS = 4096
"""More than there are requests between two of one call: none is signed again with the token that was refused."""

CALL = re.compile(rb"\bcall (r\d+n\d+)\b")
"""How a prompt names the call it belongs to."""


def token(number: int) -> str:
    """Return one of the tokens that the workspace takes."""
    return f"dapi-load-{number % TOKENS}"


class SignIn:
    """Signs every request with another token, as an SDK's ``Config`` would after each expiry.

    Args:
        host: of the workspace.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self._numbers = itertools.count()

    def authenticate(self) -> dict[str, str]:
        """Return the headers of the next request."""
        return {"Authorization": f"Bearer {token(next(self._numbers))}"}


class FailingWorkspace(Workspace):
    """A workspace that keeps, for each call, the names of the faults that its requests met; ``None`` for one that met none."""

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__(tokens={token(number): "loaded@example.com" for number in range(TOKENS)})
        self.inject_at_rate(rate, seed=seed, faults=FAULTS)
        self.met: defaultdict[str, list[str | None]] = defaultdict(list)

    def handle(self, method, target, headers, body=b""):
        reply = super().handle(method, target, headers, body)
        (entry,) = self.ledger.entries()
        self.ledger.clear()
        if (call := CALL.search(body)) is not None:
            name = next((name for name, fault in FAULTS.items() if fault is entry.fault), None)
            self.met[call[1].decode()].append(name)
        return reply


class Simulator:
    """A running simulator, as its client sees it.

    Args:
        process: what serves.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url: str = self._told()

    def met(self) -> dict[str, list[str | None]]:
        """Return, for each call since the last time, the fault that each of its requests met, in order."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._told()

    def _told(self):
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def simulator(rate: float, seed: int) -> Iterator[Simulator]:
    """Run a simulator; it ends when its standard input does."""
    command = [sys.executable, str(Path(__file__)), str(rate), str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Simulator(process)
    finally:
        process.communicate(timeout=30)


def main(rate: float, seed: int) -> None:
    workspace = FailingWorkspace(rate, seed)
    with serve(workspace) as server:
        _tell(server.url)
        for _ in sys.stdin:
            met, workspace.met = workspace.met, defaultdict(list)
            _tell(met)


def _tell(value) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
