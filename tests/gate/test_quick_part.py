"""The quick part is what is neither slow nor thorough, whatever the command line asks for beside it."""

from __future__ import annotations

import pytest
from support.parts import TESTS, THOROUGH, is_quick, is_thorough


@pytest.mark.parametrize("marks", [{"slow"}, {"thorough"}, {"slow", "asyncio"}])
def test_a_mark_takes_a_test_out_of_the_quick_part(marks):
    assert is_quick(TESTS / "core" / "test_sse.py", {"asyncio"})
    assert not is_quick(TESTS / "core" / "test_sse.py", marks)


def test_a_row_takes_a_folder_or_a_file_out_of_the_quick_part():
    assert is_thorough(TESTS / "lifecycles")
    assert is_thorough(TESTS / "lifecycles" / "test_forks.py")
    assert is_thorough(TESTS / "langchain" / "test_agents.py")
    assert not is_thorough(TESTS / "langchain" / "test_tools.py")
    assert not is_thorough(TESTS / "lifecycles_of_another_kind" / "test_one.py")
    assert not is_quick(TESTS / "lifecycles" / "test_forks.py", set())


@pytest.mark.parametrize("name", THOROUGH)
def test_each_row_names_tests(name):
    path = TESTS / name
    assert path.is_file() or list(path.glob("test_*.py"))


def test_this_test_is_quick_and_a_slow_one_is_not(request):
    assert request.node.get_closest_marker("quick") is not None
    slow = [item for item in request.session.items if item.get_closest_marker("slow")]
    assert [item.nodeid for item in slow if item.get_closest_marker("quick")] == []
