"""Where a workspace deviates from chat-completions: its refusals, and its oddities (docs/wire/quirks.md).

Every refusal's text is the server's own where docs/wire quotes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

from dbx_gateway.models.families import OPEN_FAMILIES, Family
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.apis.chat_completions import message_rules as of_messages
from dbx_gateway.testing.apis.chat_completions import tool_rules as of_tools
from dbx_gateway.testing.apis.chat_completions.bodies import (
    Body,
    Verdict,
    bad,
    is_reasoning_gpt,
    messages_of,
    unknown_field,
)
from dbx_gateway.testing.apis.wire import Rule
from dbx_gateway.testing.json_values import inside
from dbx_gateway.testing.model.behaviour import families_where
from dbx_gateway.testing.model.situation import Situation

__all__ = ["RULES"]

_BOTH: frozenset[Surface] = frozenset(get_args(Surface))
_ALL: frozenset[Family] = frozenset(get_args(Family)) - {"embeddings"}
_CLAUDE: frozenset[Family] = frozenset({"claude"})
_GPT: frozenset[Family] = frozenset({"gpt"})
_GEMINI: frozenset[Family] = frozenset({"gemini"})
_OWN_FIELDS = frozenset({"store", "metadata", "prompt_cache_key", "safety_identifier", "user"})
_UNSUPPORTED = frozenset({"presence_penalty", "frequency_penalty", "seed"})
_ACCEPTED = frozenset(
    {
        "cache_control",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "reasoning_effort",
        "response_format",
        "service_tier",
        "stop",
        "stream",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
    }
)
"""The fields that a workspace takes at the top level, but for those with a rule of their own.

Source: docs/wire/chat-completions.md#accepted-fields.
"""

_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "refusal", "name", "cache_control"})


def _present(fields: Iterable[str]) -> Callable[[Body, Situation], Verdict]:
    names = sorted(fields)

    def check(body: Body, situation: Situation) -> Verdict:
        return next((unknown_field(name, situation) for name in names if name in body), None)

    return check


def _unknown_fields(body: Body, situation: Situation) -> Verdict:
    own = _OWN_FIELDS | _UNSUPPORTED | {"parallel_tool_calls", "stream_options"}
    taken = own | _ACCEPTED | situation.behaviour.more_fields
    return next((unknown_field(name, situation) for name in sorted(set(body) - taken)), None)


def _message_fields(body: Body, situation: Situation) -> Verdict:
    for number, message in enumerate(messages_of(body)):
        for name in sorted(set(message) - _MESSAGE_FIELDS):
            return unknown_field(f"messages.{number}.{name}", situation)
    return None


def _name(body: Body, situation: Situation) -> Verdict:
    named = next((number for number, message in enumerate(messages_of(body)) if "name" in message), None)
    return None if named is None else unknown_field(f"messages.{named}.name", situation)


def _parallel(body: Body, situation: Situation) -> Verdict:
    return unknown_field("parallel_tool_calls", situation) if "parallel_tool_calls" in body else None


def _stream_options(body: Body, _situation: Situation) -> Verdict:
    return bad('json: unknown field "stream_options"') if "stream_options" in body else None


def _max_tokens_name(body: Body, situation: Situation) -> Verdict:
    if "max_tokens" not in body or not is_reasoning_gpt(situation):
        return None
    text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return bad(text)


def _output_cap(body: Body, situation: Situation) -> Verdict:
    max_tokens = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    cap = situation.profile.max_output
    if cap is None or max_tokens <= cap:
        return None
    return bad(
        f"max_tokens: {max_tokens} > {cap}, which is the maximum allowed number of output tokens for {situation.model}"
    )


def _temperature(body: Body, situation: Situation) -> Verdict:
    field = next((name for name in ("temperature", "top_p") if body.get(name) not in (None, 1)), None)
    if field is None or situation.profile.sampling:
        return None
    return bad(
        f"Unsupported value: '{field}' does not support {body[field]} with this model. "
        "Only the default (1) value is supported."
    )


def _several(body: Body, situation: Situation) -> Verdict:
    several = body.get("n") or 1
    if several == 1 or situation.profile.several_answers:
        return None
    return bad(f"'n' must be '1' for the Anthropic provider. Received value: '{several}'.")


def _stop(body: Body, situation: Situation) -> Verdict:
    if not body.get("stop") or situation.profile.stop_sequences:
        return None
    return bad("Unsupported parameter: 'stop' is not supported with this model.")


def _effort(body: Body, situation: Situation) -> Verdict:
    effort, known = body.get("reasoning_effort"), situation.profile.efforts
    behaviour = situation.behaviour
    if effort is None or not known or effort in known or (effort == "none" and behaviour.takes_effort_none):
        return None
    *most, last = (f"'{value}'" for value in known)
    one_of = f"{', '.join(most)} or {last}" if most else last
    return bad(behaviour.unknown_effort.format(effort=effort, listed=", ".join((*most, last)), one_of=one_of))


_THINKING_TAKES: dict[str, tuple[str, ...]] = {
    "none": (),
    "budget": ("enabled", "disabled"),
    "adaptive": ("adaptive", "disabled"),
    "both": ("enabled", "adaptive", "disabled"),
    "always": ("adaptive",),
}


def _thinking(body: Body, situation: Situation) -> Verdict:
    if "thinking" not in body:
        return None
    thinking = inside(body, "thinking")
    takes = _THINKING_TAKES[situation.profile.thinking]
    kind = thinking.get("type")
    if kind not in takes:
        listed = " or ".join(f"'{one}'" for one in takes)
        return bad(f"thinking.type: Input should be {listed}" if takes else "thinking: Extra inputs are not permitted")
    return _budget(body, thinking.get("budget_tokens")) if kind == "enabled" else None


def _budget(body: Body, budget: Any) -> Verdict:
    if not isinstance(budget, int) or budget < 1024:
        return bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    if limit is not None and limit <= budget:
        return bad("`max_tokens` must be greater than `thinking.budget_tokens`.")
    return None


def _rule(name: str, families: Iterable[Family], check: Callable[[Body, Situation], Verdict]) -> Rule:
    return Rule(name, _BOTH, frozenset(families), frozenset({"chat-completions"}), check=check)


def _oddity(name: str, families: Iterable[Family]) -> Rule:
    return Rule(name, _BOTH, frozenset(families), frozenset({"chat-completions"}), kind="oddity")


_CHAT: frozenset[Api] = frozenset({"chat-completions"})
_MODEL_SERVING: frozenset[Surface] = frozenset({"model-serving"})
_GATEWAY: frozenset[Surface] = frozenset({"ai-gateway"})

RULES: tuple[Rule, ...] = (
    _rule("unknown-fields", _ALL, _unknown_fields),
    _rule("message-fields", _ALL, _message_fields),
    _rule("drop-name", _ALL, _name),
    _rule("drop-openai-bookkeeping", _ALL, _present(_OWN_FIELDS)),
    _rule("no-penalties-seed", _ALL, _present(_UNSUPPORTED)),
    _rule("drop-parallel-tool-calls", _ALL, _parallel),
    _rule("drop-stream-options", families_where(lambda one: one.usage_by_default), _stream_options),
    _rule("max-tokens-name", _GPT, _max_tokens_name),
    Rule("oss-output-cap", _GATEWAY, OPEN_FAMILIES, _CHAT, check=_output_cap),
    _rule("gpt-no-temperature", _ALL, _temperature),
    _rule("gpt-no-stop", _ALL, _stop),
    _rule("claude-one-answer", _ALL, _several),
    _rule("effort-enum", _ALL, _effort),
    _rule("claude-thinking-modes", families_where(lambda one: "thinking" in one.more_fields), _thinking),
    _rule("empty-assistant-content", _ALL, of_messages.empty_assistant_content),
    _rule("empty-parts", _ALL, of_messages.empty_parts),
    _rule("empty-tool-result", _ALL, of_messages.empty_tool_result),
    _rule("bare-assistant", _ALL, of_messages.bare_assistant),
    _rule("split-parallel-tool-results", _ALL - {"claude", "gemini"}, of_messages.alternating_roles),
    _rule("merge-system", _ALL - {"claude"}, of_messages.one_system_message),
    _rule("merge-turns", ("llama",), of_messages.alternating_turns),
    _rule("late-system", OPEN_FAMILIES - {"other"}, of_messages.late_system),
    _rule("user-first", _ALL - {"gpt", "agent"}, of_messages.user_first),
    _rule("trailing-assistant", _CLAUDE, of_messages.trailing_assistant),
    _rule("reasoning-replay", _CLAUDE, of_messages.replayed_reasoning),
    _rule("resp-id-64", _ALL, of_messages.long_ids),
    _rule("gemini-signature", _GEMINI, of_messages.call_signature),
    _rule("strip-strict", _ALL - {"gpt"}, of_tools.strict_functions),
    _rule("tools-with-response-format", _ALL - {"claude"}, of_tools.tools_and_format),
    _rule("claude-structured-output", _CLAUDE, of_tools.claude_format),
    _rule("stream-response-format", OPEN_FAMILIES, of_tools.format_streaming),
    _rule("params-required", _ALL, of_tools.function_parameters),
    _rule("schema-object-root", _ALL, of_tools.object_root),
    _rule("tool-root-union", _CLAUDE | _GPT, of_tools.tool_root_union),
    _rule("tool-property-names", _CLAUDE, of_tools.tool_property_names),
    _rule("schema-gemini", _GEMINI, of_tools.gemini_schema),
    _rule("schema-open-models", OPEN_FAMILIES, of_tools.open_schema),
    _rule("schema-limits", _CLAUDE | _GPT, of_tools.schema_limits),
    Rule("tools-cap-32", _MODEL_SERVING, _GPT | OPEN_FAMILIES, _CHAT, check=of_tools.tools_cap),
    _rule("tool-choice-required", ("qwen",), of_tools.required_choice),
    _rule("claude-forced-tool", _CLAUDE, of_tools.claude_forcing),
    _rule("gpt-tools-effort", _GPT, of_tools.tools_effort),
    _oddity("claude-usage-exclusive", _CLAUDE),
    _oddity("claude-empty-args-delta", _CLAUDE),
    _oddity("claude-blank-content", _CLAUDE),
    _oddity("usage-last-wins", _CLAUDE),
    _oddity("reasoning-list-content", families_where(lambda one: one.reasoning_in == "content")),
    _oddity("gemini-list-content", _GEMINI),
    _oddity("no-args-empty-string", _ALL - {"claude", "gpt"}),
    _oddity("done-without-finish", families_where(lambda one: bool(one.tells_no_finish))),
)
