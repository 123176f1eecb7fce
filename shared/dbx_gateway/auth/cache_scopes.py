"""What tells one host and one caller from another in the keys of caches, found without asking anybody for anything.

A cache may be shared by processes and outlive them. So what cannot be known without signing in has the mark of this process:
its entries are found by nobody else.
"""

from __future__ import annotations

import secrets
import weakref

from dbx_gateway.fork_hooks import in_child_after_fork

__all__ = ["mark_of", "mark_of_process"]


class _Marks:
    """The marks of this process and of the objects in it, made when they are first asked for."""

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Forget all marks (after a fork: the child is another process)."""
        self.of_process = ""
        self.of_objects: dict[int, tuple[weakref.ref[object], str]] = {}


_marks = _Marks()
in_child_after_fork(_marks.start_anew)


def mark_of_process() -> str:
    """Return what no other process has."""
    _marks.of_process = _marks.of_process or _new_mark()
    return _marks.of_process


def mark_of(thing: object) -> str:
    """Return what no other object has, in this process or in another, be it equal to this one or not.

    An object to which there can be no weak reference has another mark each time.
    """
    marks, key = _marks.of_objects, id(thing)
    known = marks.get(key)
    if known is not None:
        return known[1]
    mark = _new_mark()
    try:
        # It is called before the memory, and with it the key, can be another object's.
        reference = weakref.ref(thing, lambda _: marks.pop(key, None))
    except TypeError:
        return mark
    return marks.setdefault(key, (reference, mark))[1]


def _new_mark() -> str:
    return f"mark:{secrets.token_hex(16)}"
