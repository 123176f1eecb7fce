"""The kept inputs of the fuzzer: every one is read, or refused with a typed error, and the laws of its target hold."""

from __future__ import annotations

from functools import cache

import pytest
from fuzz import corpus
from fuzz.targets import TARGETS
from support.promises import promise

INPUTS = {name: corpus.load(name) for name in TARGETS}


@cache
def accepted(name: str) -> set[bool]:
    """Return whether some kept input is read, and whether some is refused; a law that one breaks is raised."""
    return {corpus.check(TARGETS[name], data) for data in INPUTS[name].values()}


@promise("any-bytes")
@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_keeps_the_laws_of_its_target(name):
    assert accepted(name) == ({True, False} if TARGETS[name].raises else {True})


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_of_a_target_keeps_its_laws_and_some_are_read(name):
    assert True in {corpus.check(TARGETS[name], seed) for seed in TARGETS[name].seeds}


def test_an_input_without_a_name_of_its_own_is_named_by_its_content():
    for inputs in INPUTS.values():
        nameless = {label: data for label, data in inputs.items() if "-" not in label}
        assert {label: corpus.digest(data) for label, data in nameless.items()} == {label: label for label in nameless}


def test_every_file_of_the_corpus_belongs_to_a_target():
    assert {path.stem for path in corpus.FOLDER.iterdir()} == set(TARGETS)


def test_the_corpus_stays_small():
    assert max(map(len, INPUTS.values())) <= 150
    assert sum(path.stat().st_size for path in corpus.FOLDER.iterdir()) <= 300_000
