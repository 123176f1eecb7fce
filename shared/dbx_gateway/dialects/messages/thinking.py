"""How much a Claude model thinks: the reasoning setting as fields of the Messages api.

Models differ in what they take (``Profile.thinking``, ``Profile.efforts``): a budget of tokens, an effort, either, or
thinking that cannot be switched off. Sources: docs/wire/models.md#claudes-thinking, #efforts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dbx_gateway.chat import ChatRequest, JsonObject, ReasoningConfig, ToolChoice
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_values import objects_in
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once

__all__ = [
    "EFFORT_BUDGETS",
    "ThinkingPlan",
    "default_max_tokens",
    "plan_beside_choice",
    "plan_thinking",
    "plan_within_turn",
]

EFFORT_BUDGETS: Final[dict[str, int]] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 32768,
}
"""Thinking tokens for each effort, on models that take a budget. This package's own: the vendor publishes no such scale."""

_LEAST_BUDGET: Final = 1024
"""The vendor's least ``budget_tokens`` (docs/wire/messages.md#request)."""

_VENDOR_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_SCALE: Final = ("none", *EFFORT_BUDGETS)
_DEFAULT_MAX_TOKENS: Final = 8192
_DEFAULT_EFFORT: Final = "medium"


@dataclass(frozen=True, slots=True)
class ThinkingPlan:
    """The fields about thinking to send.

    Args:
        thinking: the ``thinking`` field of the body, or None to leave it out.
        effort: ``output_config.effort``, or None to leave it out.
    """

    thinking: JsonObject | None = None
    effort: str | None = None

    @property
    def budget(self) -> int:
        """Thinking tokens that ``max_tokens`` must include beside the answer; 0 where the model decides."""
        budget = (self.thinking or {}).get("budget_tokens")
        return budget if isinstance(budget, int) else 0

    @property
    def on(self) -> bool:
        """Whether the model may think."""
        return self.thinking is not None and self.thinking["type"] != "disabled"


def default_max_tokens(request: ChatRequest, profile: Profile) -> int:
    """Return the ``max_tokens`` to send when the caller set none.

    The api requires the field (docs/wire/messages.md#request). It is the model's output limit, at most 8,192, plus the
    thinking budget, within the model's limit.
    """
    budget, longest = plan_thinking(request, profile).budget, profile.max_output
    if longest is None:
        return _DEFAULT_MAX_TOKENS + budget
    max_tokens = min(longest, _DEFAULT_MAX_TOKENS) + budget
    return max_tokens if budget >= longest else min(max_tokens, longest)


def plan_thinking(request: ChatRequest, profile: Profile) -> ThinkingPlan:
    """Return what to send about thinking for ``request`` to a model with ``profile``.

    Raises:
        InvalidRequestError: a budget below 1,024 tokens or not below ``max_tokens``, or an effort that does not exist.
    """
    config = request.reasoning
    if config is None or config == ReasoningConfig():
        return ThinkingPlan()
    if config.effort is not None and config.effort not in _SCALE:
        raise InvalidRequestError(f"unknown reasoning effort {config.effort!r}; give one of {', '.join(_SCALE)}")
    if config.mode == "off" or (config.effort == "none" and config.mode is None):
        return _off(config, profile)
    if config.budget is not None and config.budget < _LEAST_BUDGET:
        raise InvalidRequestError(
            f"a thinking budget of {config.budget} tokens is below the minimum of the messages api, {_LEAST_BUDGET}; "
            "raise it, or switch thinking off with mode='off'"
        )
    if profile.thinking == "none":
        warn_once(
            f"{profile.model}: thinking",
            f"{profile.model} is not known to take a thinking control, so none is sent; "
            "to send one nevertheless, put it into extra_body",
        )
        return ThinkingPlan()
    if profile.thinking == "budget" or (profile.thinking == "both" and config.budget is not None):
        return _counted(request, config, profile)
    return _adaptive(config, profile)


def plan_within_turn(plan: ThinkingPlan, turns: list[JsonObject], model: str) -> ThinkingPlan:
    """Return ``plan``, or one without thinking where the conversation does not allow it.

    With a budget, the assistant turn before the last tool results must begin with its thinking blocks
    (docs/wire/messages.md#round-trip). Where another model wrote that turn, or its reasoning was not saved, there are
    none.

    Args:
        plan: the plan from the settings.
        turns: the conversation on the wire.
        model: the requested name.
    """
    if not plan.budget or _begins_with_thoughts(turns):
        return plan
    warn_once(
        f"{model}: thinking within a turn",
        f"{model} continues after tool calls that have no reasoning of its own, which it refuses while thinking is on; "
        "thinking is off until the next user message",
    )
    return ThinkingPlan(effort=plan.effort)


def plan_beside_choice(plan: ThinkingPlan, choice: ToolChoice | None, model: str) -> ThinkingPlan:
    """Return ``plan``, or one without thinking where a call is forced and outranks thinking.

    Source: docs/wire/models.md#forced-tool-choice.
    """
    if not plan.budget or choice is None or choice.mode != "required" or not choice.outranks_thinking:
        return plan
    warn_once(
        f"{model}: thinking beside a forced call",
        f"{model} cannot be forced to call a tool while it thinks; for a call that a program forces, thinking is off",
    )
    return ThinkingPlan(effort=plan.effort)


def _begins_with_thoughts(turns: list[JsonObject]) -> bool:
    """Whether the turn of the latest tool calls begins with thinking; True if a user message came after it."""
    for turn in reversed(turns):
        kinds = [block.get("type") for block in objects_in(turn.get("content"))]
        if turn.get("role") == "assistant" and "tool_use" in kinds:
            return kinds[0] in ("thinking", "redacted_thinking")
        if turn.get("role") == "user" and "tool_result" not in kinds:
            return True
    return True


def _off(config: ReasoningConfig, profile: Profile) -> ThinkingPlan:
    if profile.thinking == "none":
        return ThinkingPlan()
    if profile.thinking == "always":
        least = _nearest("none", profile.efforts or _VENDOR_EFFORTS)
        warn_once(
            f"{profile.model}: thinking off",
            f"{profile.model} cannot switch thinking off; its lowest effort, {least!r}, is sent instead",
        )
        return ThinkingPlan(effort=least)
    return ThinkingPlan({"type": "disabled"}, _effort(config, profile))


def _counted(request: ChatRequest, config: ReasoningConfig, profile: Profile) -> ThinkingPlan:
    """Return a plan with a budget: the caller's own, or the one for the effort."""
    if config.budget is None and config.mode is None and config.effort is None and config.show == "none":
        return ThinkingPlan()
    stands_for = EFFORT_BUDGETS.get(config.effort or "", EFFORT_BUDGETS[_DEFAULT_EFFORT])
    budget = config.budget or _fitting(stands_for, request, profile)
    if request.max_tokens is not None and budget >= request.max_tokens:
        raise InvalidRequestError(
            f"a thinking budget of {budget} tokens does not fit into max_tokens={request.max_tokens}, which counts "
            "thoughts and answer together; raise max_tokens, lower the budget or leave reasoning out"
        )
    return ThinkingPlan(
        {"type": "enabled", "budget_tokens": budget, **_display(config, profile)}, _effort(config, profile)
    )


def _adaptive(config: ReasoningConfig, profile: Profile) -> ThinkingPlan:
    """Return a plan where the model decides how much to think, guided by an effort."""
    thinking_requested = config.mode is not None or config.effort is not None or config.budget is not None
    if not thinking_requested and config.show == "none" and profile.thinking != "always":
        return ThinkingPlan()  # nothing to hide: only a request for thinking switches it on
    effort = _effort(config, profile)
    if config.budget is not None:
        nearest = min(EFFORT_BUDGETS, key=lambda name: abs(EFFORT_BUDGETS[name] - (config.budget or 0)))
        effort = effort or _nearest(nearest, profile.efforts or _VENDOR_EFFORTS)
        warn_once(
            f"{profile.model}: thinking budget",
            f"{profile.model} takes no thinking budget; effort {effort!r} is sent instead. Set the effort to choose",
        )
    return ThinkingPlan({"type": "adaptive", **_display(config, profile)}, effort)


def _fitting(budget: int, request: ChatRequest, profile: Profile) -> int:
    """Return ``budget``, at most half the output limit: a default budget must leave room for the answer."""
    room = request.max_tokens or profile.max_output
    return budget if room is None else max(_LEAST_BUDGET, min(budget, room // 2))


def _effort(config: ReasoningConfig, profile: Profile) -> str | None:
    """Return the effort to send: the requested one, or the nearest one the model takes."""
    if config.effort in (None, "none"):
        return None
    if not profile.efforts and profile.thinking == "budget":
        return None  # the budget stands for it
    known = profile.efforts or _VENDOR_EFFORTS
    nearest = _nearest(config.effort, known)
    if nearest != config.effort:
        warn_once(
            f"{profile.model}: effort {config.effort}",
            f"{profile.model} takes the efforts {', '.join(known)}; {nearest!r} is sent for {config.effort!r}",
        )
    return nearest


def _nearest(effort: str, known: tuple[str, ...]) -> str:
    return min(
        known, key=lambda name: abs(_SCALE.index(name) - _SCALE.index(effort)) if name in _SCALE else len(_SCALE)
    )


def _display(config: ReasoningConfig, profile: Profile) -> JsonObject:
    match config.show:
        case None:
            return {}
        case "none":
            return {"display": "omitted"}
        case "summary":
            return {"display": "summarized"}
        case "full":
            warn_once(
                f"{profile.model}: thinking display",
                "the messages api shows at most a summary of the reasoning; show='summary' is sent for show='full'",
            )
            return {"display": "summarized"}
