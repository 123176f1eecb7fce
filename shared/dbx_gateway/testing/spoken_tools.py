"""Tools that a prompt offers in words only: thought, action, observation, as agents of plain-text models do.

The form is that of LlamaIndex's ``ReActAgent``: ``> Tool Name``, ``Tool Args``, then ``Action`` and ``Action Input``.
"""

from __future__ import annotations

import re
from itertools import takewhile

from pydantic_core import from_json, to_json

from dbx_gateway.testing.conversation import Ask, AskedTool, Turn
from dbx_gateway.testing.shape import is_object

__all__ = ["action", "closing", "observations", "question", "spoken_tools"]

_TOOL = re.compile(r"> Tool Name: (\S+)\n(?:(?!> Tool Name:).*\n)*?Tool Args: (\{.*\})")
_OBSERVATION = "Observation:"


def spoken_tools(ask: Ask) -> tuple[AskedTool, ...]:
    """Return the tools that the system turns describe and ask to be called in words."""
    system = "\n".join(turn.text for turn in ask.turns if turn.role == "system")
    if "Action Input:" not in system:
        return ()
    return tuple(AskedTool(name, _schema(arguments)) for name, arguments in _TOOL.findall(system))


def _schema(arguments: str) -> dict[str, object]:
    try:
        found = from_json(arguments)
    except ValueError:
        return {}
    return found if is_object(found) else {}


def _is_observation(turn: Turn) -> bool:
    return turn.text.startswith(_OBSERVATION)


def observations(ask: Ask) -> list[str]:
    """Return what the tools have answered since the user last spoke."""
    told = takewhile(lambda turn: turn.role == "assistant" or _is_observation(turn), reversed(ask.turns))
    return [turn.text.removeprefix(_OBSERVATION).strip() for turn in told if _is_observation(turn)][::-1]


def question(ask: Ask) -> str:
    """Return what the user asked last."""
    asked = (turn.text for turn in reversed(ask.turns) if turn.role == "user" and not _is_observation(turn))
    return next(asked, "")


def action(name: str, arguments: dict[str, object]) -> str:
    """Return the call of a tool, in words."""
    return f"Thought: I need a tool to answer.\nAction: {name}\nAction Input: {to_json(arguments).decode()}"


def closing(text: str) -> str:
    """Return a final answer, in words."""
    return f"Thought: I can answer without using any more tools.\nAnswer: {text}"
