"""How much a Gemini model thinks: the reasoning setting as fields of the generate-content api.

Gemini 2.5 takes a budget of tokens, later models a level (``Profile.thinking``, ``Profile.efforts``).
Sources: docs/wire/generate-content.md#request; docs/wire/models.md#geminis-thinking.
"""

from __future__ import annotations

from typing import Final

from dbx_gateway.chat import JsonObject, ReasoningConfig
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once

__all__ = ["EFFORT_BUDGETS", "thinking_config"]

EFFORT_BUDGETS: Final = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
"""Tokens of thought for each effort, on models that count tokens.

Up to ``high`` as in the vendor's own OpenAI-compatible api; the rest is the most a workspace takes, 24,576
(docs/wire/models.md#geminis-thinking).
"""

_SCALE: Final = tuple(EFFORT_BUDGETS)
_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh")
"""Every ``thinkingLevel`` of the api."""


def thinking_config(config: ReasoningConfig | None, profile: Profile) -> JsonObject:
    """Return ``generationConfig.thinkingConfig`` for a model with ``profile``; empty to leave it out.

    Raises:
        InvalidRequestError: an effort that does not exist, or a budget below 0 tokens.
    """
    if config is None:
        return {}
    if config.effort is not None and config.effort not in EFFORT_BUDGETS:
        raise InvalidRequestError(f"unknown reasoning effort {config.effort!r}; give one of {', '.join(_SCALE)}")
    if config.budget is not None and config.budget < 0:
        raise InvalidRequestError(
            f"a thinking budget of {config.budget} tokens is negative; give 0 or more, or mode='auto'"
        )
    amount = _budget(config) if profile.thinking in ("budget", "both") else _level(config, profile)
    return amount if config.show is None else {**amount, "includeThoughts": config.show != "none"}


def _budget(config: ReasoningConfig) -> JsonObject:
    """Return the amount in tokens: 0 switches thinking off, -1 lets the model decide."""
    match config:
        case ReasoningConfig(mode="off"):
            return {"thinkingBudget": 0}
        case ReasoningConfig(budget=int(tokens)):
            return {"thinkingBudget": tokens}
        case ReasoningConfig(effort=str(effort)):
            return {"thinkingBudget": EFFORT_BUDGETS[effort]}
        case ReasoningConfig(mode=None):
            return {}
        case _:
            return {"thinkingBudget": -1}


def _level(config: ReasoningConfig, profile: Profile) -> JsonObject:
    """Return the amount as a level; the api takes a level or a budget, never both."""
    if config.mode == "off" or config.effort == "none":
        least = _nearest("none", profile)
        warn_once(
            f"{profile.model}: thinking off",
            f"{profile.model} cannot switch thinking off; its lowest level, {least!r}, is sent instead",
        )
        return {"thinkingLevel": least.upper()}
    if config.effort is None:
        return {} if config.budget is None else {"thinkingBudget": config.budget}
    level = _nearest(config.effort, profile)
    if level != config.effort:
        warn_once(
            f"{profile.model}: effort {config.effort}",
            f"{profile.model} takes the efforts {', '.join(profile.efforts or _LEVELS)}; {level!r} is sent for "
            f"{config.effort!r}",
        )
    if config.budget is not None:
        warn_once(
            f"{profile.model}: thinking budget",
            f"{profile.model} takes an effort or a thinking budget, not both; the effort {level!r} is sent. "
            "Give only the budget to count tokens",
        )
    return {"thinkingLevel": level.upper()}


def _nearest(effort: str, profile: Profile) -> str:
    """Return the level nearest to ``effort`` that the model takes; of two equally near, the lower one."""
    known = [level for level in _LEVELS if level in profile.efforts] or _LEVELS
    return min(known, key=lambda level: abs(_SCALE.index(level) - _SCALE.index(effort)))
