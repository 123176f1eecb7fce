"""What is fuzzed: a function of bytes that checks its own laws, and the errors it may raise."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Literal

__all__ = ["Form", "Target", "words_in"]

Form = Literal["text", "json", "events"]
"""How inputs are built, so that mutations keep some of their shape: plain text, one JSON value, server-sent events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that reads what strangers write.

    Args:
        name: also of its corpus.
        form: how its inputs are built.
        run: reads an input and asserts what must hold of the result; the same for the same bytes.
        read: reads an input as the package's users do, and nothing more; what it costs is measured.
        raises: what it may raise, and nothing else.
        seeds: where a session begins.
        modules: whose string literals are worth writing into inputs.
    """

    name: str
    form: Form
    run: Callable[[bytes], object]
    read: Callable[[bytes], object]
    raises: tuple[type[Exception], ...] = ()
    seeds: tuple[bytes, ...] = ()
    modules: tuple[ModuleType, ...] = ()

    def accepts(self, data: bytes) -> bool:
        """Whether ``data`` is read, and not refused with an error that may be raised. Any other error is a finding."""
        try:
            self.run(data)
        except self.raises:
            return False
        return True

    def reads(self, data: bytes) -> object:
        """Return what ``read`` makes of ``data``; None where it is refused."""
        try:
            return self.read(data)
        except self.raises:
            return None

    @property
    def words(self) -> tuple[str, ...]:
        """The short string literals of ``modules``."""
        return words_in(self.modules)


@cache
def words_in(modules: Iterable[ModuleType]) -> tuple[str, ...]:
    """Return the string literals of ``modules`` that can be names or values on a wire."""
    words: set[str] = set()
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_word(node.value):
                words.add(node.value)
    return tuple(sorted(words))


def _is_word(text: str) -> bool:
    return 0 < len(text) <= 48 and text.isascii() and not any(letter.isspace() for letter in text)
