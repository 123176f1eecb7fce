"""What a forked process does first, where there are forked processes."""

import os
import subprocess
import sys

from dbx_gateway.fork_hooks import in_child_after_fork

FORKED = """
import os
from dbx_gateway.fork_hooks import in_child_after_fork

in_child_after_fork(lambda: print("first", flush=True))
in_child_after_fork(lambda: print("second", flush=True))
if (child := os.fork()) == 0:
    print("child", flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent")
"""


def test_actions_are_taken_in_the_child_before_all_else_and_not_in_the_parent():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["first", "second", "child", "parent"]


def test_nothing_is_to_be_done_where_there_is_no_fork(monkeypatch):
    monkeypatch.delattr(os, "register_at_fork")
    taken = []
    in_child_after_fork(lambda: taken.append(1))
    assert taken == []
