"""The kept inputs of the fuzzer: every one is read, or refused with a typed error, and the laws of its target hold."""

from __future__ import annotations

import pytest
from fuzz import corpus
from fuzz.targets import TARGETS
from support.promises import promise

INPUTS = {name: corpus.load(name) for name in TARGETS}


@promise("any-bytes")
@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_keeps_the_laws_of_its_target(name):
    target = TARGETS[name]
    for label, data in INPUTS[name].items():
        try:
            target.accepts(data)
        except BaseException as error:
            error.add_note(f"input {label} of {name}: {data!r}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_a_session_begins_with_inputs_that_are_read(name):
    assert [seed for seed in TARGETS[name].seeds if TARGETS[name].accepts(seed)] != []


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].raises])
def test_some_kept_inputs_are_read_and_some_are_refused(name):
    assert {TARGETS[name].accepts(data) for data in INPUTS[name].values()} == {True, False}


def test_an_input_without_a_name_of_its_own_is_named_by_its_content():
    for inputs in INPUTS.values():
        nameless = {label: data for label, data in inputs.items() if "-" not in label}
        assert {label: corpus.digest(data) for label, data in nameless.items()} == {label: label for label in nameless}


def test_every_file_of_the_corpus_belongs_to_a_target():
    assert {path.stem for path in corpus.FOLDER.iterdir()} == set(TARGETS)


def test_the_corpus_stays_small():
    assert max(map(len, INPUTS.values())) <= 150
    assert sum(path.stat().st_size for path in corpus.FOLDER.iterdir()) <= 300_000
