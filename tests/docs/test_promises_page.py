"""``docs/promises.md``: every promise has its test, every mark its promise, and the bounds are the code's."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from support.promises import PAGE, marked_tests, page_promises, promise, rendered

ROOT = Path(__file__).resolve().parents[2]
TEXT = PAGE.read_text(encoding="utf-8")
BOUNDS = re.findall(r"\| `(dbx_gateway[\w.]*)` = ([\d.]+) \|", TEXT)


def test_the_list_of_tests_is_what_the_marks_say():
    assert rendered(TEXT) == TEXT


def test_every_promise_stands_once_and_has_a_test():
    names = page_promises(TEXT)
    assert len(names) > 35
    assert len(set(names)) == len(names)
    assert [name for name in names if name not in marked_tests()] == []


def test_every_mark_names_a_promise_of_the_page():
    assert set(marked_tests()) - set(page_promises(TEXT)) == set()


def test_a_mark_without_a_promise_is_an_error():
    with pytest.raises(AssertionError):
        promise()


def test_every_file_of_lifecycles_and_secrets_stands_for_a_promise():
    """A file without one would hold something that nobody can read about."""
    files = {
        path.relative_to(ROOT).as_posix()
        for kind in ("lifecycles", "secrets")
        for path in (ROOT / "tests" / kind).glob("test_*.py")
    }
    assert files - {one.partition("::")[0] for tests in marked_tests().values() for one in tests} == set()


@pytest.mark.parametrize(("name", "value"), BOUNDS)
def test_a_bound_of_the_page_is_the_codes(name, value):
    module, _, constant = name.rpartition(".")
    if module.endswith(".SettingsFields"):
        fields = import_module(module.rpartition(".")[0]).SettingsFields.model_fields
        assert fields[constant].default == float(value)
    else:
        assert getattr(import_module(module), constant) == float(value)


def test_the_page_names_the_bounds_of_every_reader():
    assert len(BOUNDS) > 15
