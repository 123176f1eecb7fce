"""The fields of chat-completions on a workspace that control how much a model thinks.

Three ways: Claude's ``thinking`` and ``output_config`` (docs/wire/models.md#claudes-thinking), Gemini 2.5's
``thinking.budget_tokens`` (docs/wire/models.md#geminis-thinking), and ``reasoning_effort`` for all others
(docs/wire/models.md#efforts).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dbx_gateway.chat import ChatRequest, JsonObject, ReasoningConfig
from dbx_gateway.dialects.messages.thinking import EFFORT_BUDGETS, plan_thinking
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once

__all__ = ["nearest_effort", "reasoning_fields"]

_SCALE: Final = ("none", *EFFORT_BUDGETS)
_DEFAULT_EFFORT: Final = "medium"


def reasoning_fields(request: ChatRequest, profile: Profile) -> JsonObject:
    """Return the fields that control thinking; none where the request leaves it to the model.

    Raises:
        InvalidRequestError: an effort that does not exist, or a budget the model cannot have.
    """
    config = request.reasoning
    if config is None:
        return {}
    if config.effort is not None and config.effort not in (*_SCALE, *profile.efforts):
        raise InvalidRequestError(f"unknown reasoning effort {config.effort!r}; give one of {', '.join(_SCALE)}")
    if config.show is not None:
        warn_once(
            f"{profile.model}: reasoning show",
            "chat-completions has no field for how much of the reasoning to show, so show= is not sent; api='messages' or "
            "api='responses' can, where the model is served there",
        )
    if profile.thinking == "none":
        return _effort_fields(config, profile)
    if profile.max_thinking_budget is not None:
        return _budget_fields(config, profile, profile.max_thinking_budget)
    return _thinking_fields(request, config, profile)


def _thinking_fields(request: ChatRequest, config: ReasoningConfig, profile: Profile) -> JsonObject:
    plan = plan_thinking(replace(request, reasoning=replace(config, show=None)), profile)
    fields: JsonObject = {}
    if plan.thinking is not None:
        fields["thinking"] = plan.thinking
    if plan.effort is not None:
        fields["output_config"] = {"effort": plan.effort}
    return fields


def _budget_fields(config: ReasoningConfig, profile: Profile, most: int) -> JsonObject:
    if _is_off(config) or config.budget == 0:
        return {"thinking": {"type": "disabled", "budget_tokens": 0}}
    budget = config.budget
    if budget is None:
        if config.effort is None and config.mode != "on":
            return {}
        budget = min(EFFORT_BUDGETS[config.effort or _DEFAULT_EFFORT], most)
    if not 0 <= budget <= most:
        raise InvalidRequestError(
            f"a thinking budget of {budget} tokens is outside what {profile.model!r} takes, 0 to {most}; change it"
        )
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _effort_fields(config: ReasoningConfig, profile: Profile) -> JsonObject:
    effort = "none" if _is_off(config) else config.effort
    if effort is None and config.budget is not None:
        budget = config.budget
        effort = min(EFFORT_BUDGETS, key=lambda name: abs(EFFORT_BUDGETS[name] - budget))
        warn_once(
            f"{profile.model}: thinking budget",
            f"{profile.model} takes no thinking budget; an effort is sent instead. Set the effort to choose it",
        )
    if effort is None and config.mode == "on" and profile.efforts:
        effort = _DEFAULT_EFFORT
    if effort is None or (effort == "none" and config.effort is None and not profile.reasoning):
        return {}
    sent = nearest_effort(effort, profile.efforts)
    if sent != effort:
        warn_once(
            f"{profile.model}: effort {effort}",
            f"{profile.model} takes the efforts {', '.join(profile.efforts)}; {sent!r} is sent for {effort!r}",
        )
    return {"reasoning_effort": sent}


def _is_off(config: ReasoningConfig) -> bool:
    return config.mode == "off" or (config.effort == "none" and config.mode is None)


def nearest_effort(effort: str, known: tuple[str, ...]) -> str:
    """Return the effort among ``known`` that is nearest to ``effort``; of two equally near, the higher one.

    Where ``known`` is empty, that is ``effort`` itself.
    """
    on_scale = [name for name in known if name in _SCALE]
    if effort in known or effort not in _SCALE or not on_scale:
        return effort
    place = _SCALE.index(effort)
    return min(on_scale, key=lambda name: (abs(_SCALE.index(name) - place), -_SCALE.index(name)))
