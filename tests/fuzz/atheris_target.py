"""The process in which libFuzzer drives one target: ``python -m fuzz.atheris_target TARGET [LIBFUZZER'S OPTIONS]``.

Half of the mutations are libFuzzer's own, half keep the shape of JSON and of server-sent events: hypothesis makes them,
out of the bytes that a seed of libFuzzer's gives, with the strategies of :mod:`fuzz.inputs`.
"""

from __future__ import annotations

import logging
import random
import shlex
import sys
from collections.abc import Callable

import atheris
from fuzz.inputs import changed
from fuzz.target import Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_FOLLOWED = ["dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway", "fuzz.planted"]
_CHOICES = 512
"""Bytes that hypothesis makes its choices of; few changes take as many."""


def mutator(target: Target) -> Callable[[bytes, int, int], bytes]:
    """Return what changes an input, in libFuzzer's form: the input, the most bytes of the result, and a seed."""
    held = [b""]

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changed(target, st.builds(lambda: held[0])))
    def hold(data: bytes) -> None:
        held[0] = data

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        held[0] = data
        if target.form != "text" and chance.random() < 0.5:
            hold.hypothesis.fuzz_one_input(chance.randbytes(_CHOICES))
        return held[0][:most] if held[0] != data else atheris.Mutate(data, most)

    return mutated


def main() -> None:
    """Give this process to libFuzzer; it does not return."""
    name, *options = sys.argv[1:]
    logging.disable()
    with atheris.instrument_imports(include=_FOLLOWED):
        from fuzz.planted import PLANTED
        from fuzz.targets import TARGETS

        target = {**TARGETS, PLANTED.name: PLANTED}[name]
        for seed in target.seeds:
            target.accepts(seed)  # what is imported on first use is followed too

    def run(data: bytes) -> None:
        target.accepts(data)

    again = f"{shlex.quote(sys.executable)} -m fuzz.atheris_target {name}"  # a merge starts itself with this
    atheris.Setup([again, *options], run, custom_mutator=mutator(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
