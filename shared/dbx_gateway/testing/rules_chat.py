"""Where a workspace departs from chat-completions: what it refuses, and what it shows (databricks-wire.md section 6).

Every refusal's text is the server's own where databricks-wire.md quotes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, get_args

from dbx_gateway.families import OPEN_FAMILIES, Family
from dbx_gateway.profiles import version_of
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.shape import entries, is_array, is_object
from dbx_gateway.testing.wire import Refused, Rule, Situation, object_under

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
        "custom_inputs",
        "databricks_options",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "output_config",
        "reasoning_effort",
        "response_format",
        "service_tier",
        "stop",
        "stream",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
    }
)
"""What a workspace takes at the top level (databricks-wire.md section 5.1); fields with a rule of their own are apart."""

_NAMED = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_DATA = frozenset({"enum", "const", "default", "examples", "required"})
_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "refusal", "name", "cache_control"})
_NO_SIGNATURE = ("gemini-2-5", "gemini-2.5")
"""Gemini before 3 does not ask for its signatures back (row gemini-signature)."""

_OPEN_KEYWORDS: dict[Family, frozenset[str]] = {
    "gpt-oss": frozenset({"maxLength"}),
    "llama": frozenset({"anyOf", "pattern", "$ref"}),
}

Body = dict[str, Any]
Verdict = Refused | None


def _rule(name: str, families: Iterable[Family], check: Callable[[Body, Situation], Verdict]) -> Rule:
    return Rule(name, _BOTH, frozenset(families), frozenset({"chat-completions"}), check=check)


def _oddity(name: str, families: Iterable[Family]) -> Rule:
    return Rule(name, _BOTH, frozenset(families), frozenset({"chat-completions"}), kind="oddity")


def _bad(text: str) -> Refused:
    return Refused(400, text)


def _google(text: str) -> Refused:
    body = {"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}
    return Refused(400, text, code="INVALID_ARGUMENT", body=body)


# Looking at a body


def _messages(body: Body, *roles: str) -> Iterator[Body]:
    for message in body["messages"]:
        if not roles or message["role"] in roles:
            yield message


def _listed(message: Body) -> list[Body]:
    """The parts of a message; none where its content is a string."""
    return entries(message, "content")


def _blank_parts(message: Body) -> bool:
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else _listed(message)
    return any(part["type"] == "text" and not part["text"].strip() for part in parts)


def _functions(body: Body) -> list[Body]:
    return [tool["function"] for tool in entries(body, "tools")]


def _schemas(body: Body) -> Iterator[tuple[str, Body]]:
    """Every schema of a body with where it stands."""
    for number, function in enumerate(_functions(body)):
        yield f"tools[{number}].function.parameters", object_under(function, "parameters")
    form = object_under(body, "response_format")
    if form.get("type") == "json_schema":
        yield "response_format.json_schema.schema", form["json_schema"]["schema"]


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every keyword of a schema at any depth; names of properties and definitions are no keywords."""
    if not is_object(schema):
        return
    for key, value in schema.items():
        yield key, value
        if key in _DATA:
            continue
        for inner in _schemas_under(key, value):
            yield from _keywords(inner)


def _schemas_under(key: str, value: Any) -> Iterable[Any]:
    if key in _NAMED and is_object(value):
        return value.values()
    return value if is_array(value) else (value,)


def _unknown(field: str, situation: Situation) -> Refused:
    if situation.family == "claude":
        return _bad(f"{field}: Extra inputs are not permitted")
    return _bad(f'json: unknown field "{field}"')


def _present(fields: Iterable[str]) -> Callable[[Body, Situation], Verdict]:
    names = sorted(fields)

    def check(body: Body, situation: Situation) -> Verdict:
        return next((_unknown(name, situation) for name in names if name in body), None)

    return check


def _short(situation: Situation) -> str:
    return situation.model.rsplit(".", 1)[-1].removeprefix("databricks-")


def _reasons(situation: Situation) -> bool:
    """GPT 5.4 and later reason, and name their limits accordingly (databricks-wire.md section 5.2)."""
    return version_of(situation.model) >= (5, 4)


# Fields


def _unknown_fields(body: Body, situation: Situation) -> Verdict:
    own = _OWN_FIELDS | _UNSUPPORTED | {"parallel_tool_calls", "stream_options"}
    thinks = situation.family in ("claude", "gemini")
    for name in sorted(set(body) - own):
        if name not in _ACCEPTED or (name in ("thinking", "output_config") and not thinks):
            return _unknown(name, situation)
    return None


def _message_fields(body: Body, situation: Situation) -> Verdict:
    for number, message in enumerate(_messages(body)):
        for name in sorted(set(message) - _MESSAGE_FIELDS):
            return _unknown(f"messages.{number}.{name}", situation)
    return None


def _name(body: Body, situation: Situation) -> Verdict:
    named = next((number for number, message in enumerate(_messages(body)) if "name" in message), None)
    return None if named is None else _unknown(f"messages.{named}.name", situation)


def _parallel(body: Body, situation: Situation) -> Verdict:
    return _unknown("parallel_tool_calls", situation) if "parallel_tool_calls" in body else None


def _stream_options(body: Body, _situation: Situation) -> Verdict:
    return _bad('json: unknown field "stream_options"') if "stream_options" in body else None


def _max_tokens_name(body: Body, situation: Situation) -> Verdict:
    if "max_tokens" not in body or not _reasons(situation):
        return None
    text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return _bad(text)


def _output_cap(body: Body, situation: Situation) -> Verdict:
    asked = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    cap = situation.profile.max_output
    if cap is None or asked <= cap:
        return None
    return _bad(
        f"max_tokens: {asked} > {cap}, which is the maximum allowed number of output tokens for {situation.model}"
    )


def _temperature(body: Body, situation: Situation) -> Verdict:
    given = next((name for name in ("temperature", "top_p") if body.get(name) not in (None, 1)), None)
    if given is None or situation.profile.sampling:
        return None
    return _bad(
        f"Unsupported value: '{given}' does not support {body[given]} with this model. "
        "Only the default (1) value is supported."
    )


def _effort(body: Body, situation: Situation) -> Verdict:
    effort, known = body.get("reasoning_effort"), situation.profile.efforts
    if effort is None or not known or effort in known or (effort == "none" and situation.family == "gpt"):
        return None
    if situation.family == "gpt":
        values = ", ".join(f"'{value}'" for value in known)
        return _bad(f"Invalid value: '{effort}'. Supported values are: {values}.")
    *most, last = (f"'{value}'" for value in known)
    listed = f"{', '.join(most)} or {last}" if most else last
    return _bad(f"reasoning_effort: Input should be {listed}")


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
    thinking = object_under(body, "thinking")
    takes = _THINKING_TAKES[situation.profile.thinking]
    kind = thinking.get("type")
    if kind not in takes:
        listed = " or ".join(f"'{one}'" for one in takes)
        return _bad(f"thinking.type: Input should be {listed}" if takes else "thinking: Extra inputs are not permitted")
    return _budget(body, thinking.get("budget_tokens")) if kind == "enabled" else None


def _budget(body: Body, budget: Any) -> Verdict:
    if not isinstance(budget, int) or budget < 1024:
        return _bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    if limit is not None and limit <= budget:
        return _bad("`max_tokens` must be greater than `thinking.budget_tokens`.")
    return None


# Messages


def _empty() -> Refused:
    text = "messages: text content blocks must be non-empty"
    return Refused(400, text, body={"error_code": "BAD_REQUEST", "message": f'{{"message":"{text}"}}'})


def _empty_assistant(body: Body, _situation: Situation) -> Verdict:
    called = (message for message in _messages(body, "assistant") if message.get("tool_calls"))
    return _empty() if any(_is_hollow(message) for message in called) else None


def _is_hollow(message: Body) -> bool:
    content = message.get("content")
    if isinstance(content, str):
        return not content.strip()
    return is_array(content) and all(part["type"] == "text" and not part["text"].strip() for part in content)


def _empty_parts(body: Body, _situation: Situation) -> Verdict:
    for message in _messages(body, "system", "developer", "user", "assistant"):
        hollow_opener = bool(message.get("tool_calls")) and _is_hollow(message)
        if (_blank_parts(message) and not hollow_opener) or message.get("content") == []:
            return _empty()
    return None


def _empty_result(body: Body, _situation: Situation) -> Verdict:
    empty = (not message.get("content") or _blank_parts(message) for message in _messages(body, "tool"))
    return _empty() if any(empty) else None


def _bare_assistant(body: Body, _situation: Situation) -> Verdict:
    for number, message in enumerate(_messages(body)):
        if message["role"] == "assistant" and message.get("content") is None and not message.get("tool_calls"):
            return _bad(f"messages.{number}: an assistant message must have content or tool_calls")
    return None


def _alternate(body: Body, _situation: Situation) -> Verdict:
    roles = [message["role"] for message in _messages(body)]
    if not any(one == other == "tool" for one, other in pairwise(roles)):
        return None
    return _bad(
        "Chat message input roles must alternate (user -> assistant -> u -> a -> ...) with an optional system at the "
        "start. Tool messages are optional and must follow a preceding assistant message containing tool calls."
    )


def _merge_system(body: Body, _situation: Situation) -> Verdict:
    system = [message["role"] in ("system", "developer") for message in _messages(body)]
    if any(one and other for one, other in pairwise(system)):
        return _bad("Chat message input may have one system message only.")
    return None


def _trailing_assistant(body: Body, situation: Situation) -> Verdict:
    last = body["messages"][-1]
    if situation.profile.prefill or last["role"] != "assistant" or last.get("tool_calls"):
        return None
    return _bad("This model does not support assistant message prefill. The conversation must end with a user message.")


def _replayed_reasoning(body: Body, _situation: Situation) -> Verdict:
    for number, message in enumerate(_messages(body)):
        if any(part["type"] == "reasoning" for part in _listed(message)):
            return _bad(f"messages.{number}: Invalid data in redacted_thinking")
    return None


def _long_ids(body: Body, _situation: Situation) -> Verdict:
    for number, message in enumerate(_messages(body)):
        ids = [(f"tool_calls[{at}].id", call["id"]) for at, call in enumerate(entries(message, "tool_calls"))]
        ids += [("tool_call_id", message["tool_call_id"])] if "tool_call_id" in message else []
        for where, made in ids:
            if len(made) > 64:
                return _bad(
                    f"Invalid 'messages[{number}].{where}': string too long. Expected a string with maximum length 64, "
                    f"but got a string with length {len(made)} instead."
                )
    return None


def _call_signature(body: Body, situation: Situation) -> Verdict:
    """The first call of each batch since the last user turn must bring its signature back."""
    if any(marker in situation.model for marker in _NO_SIGNATURE):
        return None
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            return None
        calls = entries(message, "tool_calls")
        if calls and not calls[0].get("thoughtSignature"):
            return _google(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance."
            )
    return None


# Tools


def _strict(body: Body, _situation: Situation) -> Verdict:
    for number, function in enumerate(_functions(body)):
        if "strict" in function:
            return _bad(f"tools.{number}.function.strict: Extra inputs are not permitted")
    return None


def _tools_and_format(body: Body, _situation: Situation) -> Verdict:
    if body.get("tools") and body.get("response_format"):
        return _bad("Cannot specify both response_format and tools in the same request")
    return None


def _claude_format(body: Body, _situation: Situation) -> Verdict:
    return _bad("response_format: Extra inputs are not permitted") if body.get("response_format") else None


def _format_streaming(body: Body, _situation: Situation) -> Verdict:
    form = object_under(body, "response_format")
    if body.get("stream") and form.get("type") in ("json_schema", "json_object"):
        return _bad("response_format is not supported while streaming")
    return None


def _parameters(body: Body, _situation: Situation) -> Verdict:
    if all("parameters" in function for function in _functions(body)):
        return None
    return _bad('Bad request: "parameters" is a required property for "function" object in parameter "tools"')


def _object_root(body: Body, _situation: Situation) -> Verdict:
    for where, schema in _schemas(body):
        if schema and schema.get("type") != "object":
            kind = schema.get("type")
            return _bad(
                f"Invalid schema at {where}: schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
            )
    return None


def _gemini_schema(body: Body, _situation: Situation) -> Verdict:
    for number, (_, schema) in enumerate(_schemas(body)):
        where = f"tools[0].function_declarations[{number}].parameters"
        for keyword, value in _keywords(schema):
            if keyword == "$schema":
                return _google(
                    f"Invalid JSON payload received. Unknown name \"$schema\" at '{where}': Cannot find field."
                )
            if keyword == "$ref":
                name = str(value).rsplit("/", 1)[-1]
                return _google(f"Schema.ref '{name}' was set alongside unsupported fields.")
            if keyword == "prefixItems":
                return _google(f"Invalid value at '{where}': items must be a boolean or an object.")
    return None


def _open_schema(body: Body, situation: Situation) -> Verdict:
    refused = _OPEN_KEYWORDS.get(situation.family, frozenset())
    for where, schema in _schemas(body):
        for keyword, _ in _keywords(schema):
            if keyword in refused and where.startswith("tools"):
                return _bad(f"{where}: keyword '{keyword}' is not supported")
    return None


def _cap(body: Body, _situation: Situation) -> Verdict:
    count = len(entries(body, "tools"))
    return _bad(f"Invalid 'tools': {count} functions given, the maximum is 32.") if count > 32 else None


def _is_forcing(choice: Any) -> bool:
    return choice == "required" or isinstance(choice, dict)


def _required(body: Body, _situation: Situation) -> Verdict:
    return _bad("tool_choice: 'required' is not supported") if _is_forcing(body.get("tool_choice")) else None


def _claude_forcing(body: Body, situation: Situation) -> Verdict:
    if not _is_forcing(body.get("tool_choice")):
        return None
    if not situation.profile.forced_tool_choice:
        return _bad("tool_choice: this model does not support a tool choice that forces a call; use 'auto'")
    thinking = object_under(body, "thinking").get("type") in ("enabled", "adaptive")
    return _bad("Thinking may not be enabled when tool_choice forces tool use.") if thinking else None


def _tools_effort(body: Body, situation: Situation) -> Verdict:
    if not body.get("tools") or not _reasons(situation) or body.get("reasoning_effort") == "none":
        return None
    return _bad(
        f"Function tools with reasoning_effort are not supported for {_short(situation)} in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    )


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
    _rule("drop-stream-options", ("llama", "qwen", "gemma", "gpt-oss", "gemini"), _stream_options),
    _rule("max-tokens-name", _GPT, _max_tokens_name),
    Rule("oss-output-cap", _GATEWAY, OPEN_FAMILIES, _CHAT, check=_output_cap),
    _rule("gpt-no-temperature", ("gpt", "claude"), _temperature),
    _rule("effort-enum", _ALL, _effort),
    _rule("claude-thinking-modes", ("claude", "gemini"), _thinking),
    _rule("empty-assistant-content", _ALL, _empty_assistant),
    _rule("empty-parts", _ALL, _empty_parts),
    _rule("empty-tool-result", _ALL, _empty_result),
    _rule("bare-assistant", _ALL, _bare_assistant),
    _rule("split-parallel-tool-results", _ALL - {"claude", "gemini"}, _alternate),
    _rule("merge-system", _ALL - {"claude"}, _merge_system),
    _rule("trailing-assistant", _CLAUDE, _trailing_assistant),
    _rule("reasoning-replay", _CLAUDE, _replayed_reasoning),
    _rule("resp-id-64", _ALL, _long_ids),
    _rule("gemini-signature", _GEMINI, _call_signature),
    _rule("strip-strict", _ALL - {"gpt"}, _strict),
    _rule("tools-with-response-format", _ALL - {"claude"}, _tools_and_format),
    _rule("claude-structured-output", _CLAUDE, _claude_format),
    _rule("stream-response-format", OPEN_FAMILIES, _format_streaming),
    _rule("params-required", _ALL, _parameters),
    _rule("schema-object-root", _ALL, _object_root),
    _rule("schema-gemini", _GEMINI, _gemini_schema),
    _rule("schema-open-models", OPEN_FAMILIES, _open_schema),
    Rule("tools-cap-32", _MODEL_SERVING, _GPT | OPEN_FAMILIES, _CHAT, check=_cap),
    _rule("tool-choice-required", ("qwen",), _required),
    _rule("claude-forced-tool", _CLAUDE, _claude_forcing),
    _rule("gpt-tools-effort", _GPT, _tools_effort),
    _oddity("claude-usage-exclusive", _CLAUDE),
    _oddity("claude-empty-args-delta", _CLAUDE),
    _oddity("claude-blank-content", _CLAUDE),
    _oddity("usage-last-wins", _CLAUDE),
    _oddity("reasoning-list-content", ("claude", "gpt-oss", "gemini", "qwen")),
    _oddity("gemini-list-content", _GEMINI),
    _oddity("no-args-empty-string", _ALL - {"claude", "gpt"}),
)
