"""Fuzzes what reads the words of servers, models and strangers: ``cd tests && python -m fuzz sse --seconds 60``.

A target (:mod:`fuzz.targets`) is a function of bytes that checks laws of its own: bytes cut at other places give the same
events, a stream adds up to the whole, an answer goes back into the next request, a schema repaired twice is repaired once,
``extract_json`` agrees with a slow reader that tries every bracket, nothing given is changed. Whatever it raises beside
its typed errors is a finding, and so is a call that goes over more lines of the package than its input is worth.

A session mutates inputs, as bytes, as values of JSON and as server-sent events, and keeps each that goes from one line to
another where none went before, or more often. The ways are followed with ``sys.settrace``: atheris would be faster, but it
is a large native package that ends with its first finding, and a session of so many rounds here is the same every time.
At its end the inputs are covered by few, made smaller, and kept in ``corpus/<target>.jsonl``; a
finding is kept there too, under a name that a person then makes telling.

The tests replay the corpus (``test_fuzz_replay.py``), generate more with hypothesis (``test_fuzz_properties.py``), run a
short session (``test_fuzz_session.py``, in the full check), and count lines and memory for inputs made to be expensive
(``test_fuzz_cost.py``). To look for more, run this for longer or with another ``--seed``.
"""

from __future__ import annotations

import argparse
import logging
import sys

from fuzz import corpus
from fuzz.arcs import Arc, OutOfSteps
from fuzz.session import Finding, Session, covering
from fuzz.shrinking import trimmed
from fuzz.target import Target
from fuzz.targets import TARGETS

_MOST = 100
"""Inputs that are kept of one target, beside its findings."""

_LONGEST = 1000
_MEMORY = 3 << 30


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; else all")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]!r}; the targets are {', '.join(TARGETS)}")
    return options


def _bound_memory() -> None:
    """Let an input that takes all memory end itself, and not the machine."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _fails_alike(session: Session, finding: Finding, data: bytes) -> bool:
    again = Session(session.target, folders=session.folders)
    again.take(data)
    return finding.place in again.found


def _kept(session: Session, known: dict[str, bytes]) -> dict[str, bytes]:
    """Return the inputs to keep: those with names of their own, and few that go every way any input went."""
    named = {name: data for name, data in known.items() if name != corpus.digest(data)}
    seen: set[Arc] = set()
    for data in named.values():
        seen |= session.ways_of(data)
    kept: dict[str, bytes] = {}
    for data in covering({data: ways - seen for data, ways in session.ways.items() if len(data) <= _LONGEST})[:_MOST]:
        new = session.ways_of(data) - seen
        if not new:
            continue
        short = data if data in known.values() else trimmed(data, lambda one, new=new: new <= session.ways_of(one), 60)
        kept[corpus.digest(short)] = short
        seen |= session.ways_of(short)
    return {**named, **kept}


def _fuzz(target: Target, seconds: float, seed: int) -> int:
    known = corpus.load(target.name)
    session = Session(target, seed)
    session.begin(known.values())
    session.go(seconds=seconds)
    inputs = _kept(session, known)
    for number, finding in enumerate(session.found.values(), 1):
        data = trimmed(finding.data, lambda one, finding=finding: _fails_alike(session, finding, one), 2000)
        inputs[f"found-{seed}-{number}"] = data
        sys.stdout.write(f"{finding.place}\n{data!r}\n{finding.trace}\n")
    corpus.save(target.name, inputs)
    size = sum(map(len, inputs.values()))
    found = f"{len(session.found)} findings"
    sys.stdout.write(f"{target.name}: {session.rounds} rounds, {len(inputs)} inputs of {size} bytes, {found}\n")
    return len(session.found)


def main() -> int:
    """Fuzz the targets that are named; 1 where there were findings."""
    options = _options()
    logging.disable()
    _bound_memory()
    names = options.targets or list(TARGETS)
    found = sum(_fuzz(TARGETS[name], options.seconds, options.seed) for name in names)
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OutOfSteps as error:
        sys.exit(f"an input of the corpus is too expensive: {error}")
