"""How the models of each family behave in the simulated workspace: their apis, their answers, their refusals.

What one model takes (limits, efforts, kinds of thinking) is in its profile, and what a workspace refuses is in the rules
of each api. The behaviour of a family is here, independent of the client's own tables, so that tests can show an error
in those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from dbx_gateway.models.families import Family, of_every_family
from dbx_gateway.surfaces import Api, Surface

__all__ = ["BEHAVIOURS", "Behaviour", "families_where"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the models of a family behave. The defaults are those of a plain open model.

    Args:
        apis: their wire formats (docs/wire/models.md#native-apis).
        provider: who serves them as external models (docs/wire/discovery.md#providers).
        reasons_by_default: those that reason do so without a setting (docs/wire/chat-completions.md#open-models).
        signs: they sign their text, and the first call of a turn (docs/wire/generate-content.md#round-trip).
        caches_marks: they cache what is marked and bill cache writes; else a long prompt is cached automatically.
        reasoning_in: where a chat-completions message shows reasoning: parts of its content, or a field beside it.
        shows_citations: on chat-completions, beside the text they belong to.
        shows_signatures: on chat-completions, those of reasoning.
        text_in_lists: on chat-completions, the content is always a list of parts.
        calls_in_one_piece: on a chat-completions stream, a call is not split.
        no_arguments: what chat-completions writes for the arguments of a call that has none, where not ``{}``.
        usage_by_default: a chat-completions stream always has usage, and ``stream_options`` is refused.
        tells_no_finish: surfaces where a chat-completions stream that ends normally has no finish reason.
        more_fields: of a chat-completions body, taken beside what every model takes.
        refused_keywords: of a tool's schema on chat-completions (docs/wire/schemas.md#open-models).
        unknown_field: the refusal of a ``field`` (docs/wire/chat-completions.md#refused-fields).
        overflow: the refusal of a ``prompt`` that leaves no room for ``reserved`` tokens in the ``window``
            (docs/wire/errors.md#overflow).
        unknown_effort: the refusal of an ``effort``, with those that are taken ``listed``, or as ``one_of`` them
            (docs/wire/models.md#efforts).
        takes_effort_none: ``none`` is taken where it is not among the efforts.
        not_first: the refusal of an assistant's message that begins a conversation, where it has words of its own.
        refuses_unregistered_media: a media type that is not registered (docs/wire/comparison.md#media-types).
        looks_at_pictures: a picture that is labelled as of another type is refused (the same place).
        limits_strict_schemas: a strict schema with free keys, or too large, is refused (docs/wire/schemas.md#limits).
        most_functions: of one chat-completions request (docs/wire/schemas.md#limits); None for no limit that is known.
    """

    apis: frozenset[Api] = frozenset({"chat-completions"})
    provider: str = "custom"
    reasons_by_default: bool = False
    signs: bool = False
    caches_marks: bool = False
    reasoning_in: Literal["content", "reasoning_content", "reasoning"] | None = None
    shows_citations: bool = False
    shows_signatures: bool = False
    text_in_lists: bool = False
    calls_in_one_piece: bool = False
    no_arguments: str = ""
    usage_by_default: bool = False
    tells_no_finish: frozenset[Surface] = frozenset()
    more_fields: frozenset[str] = frozenset()
    refused_keywords: frozenset[str] = frozenset()
    unknown_field: str = 'json: unknown field "{field}"'
    overflow: str = "input length and `max_tokens` exceed context limit: {prompt} + {reserved} > {window}"
    unknown_effort: str = "reasoning_effort: Input should be {one_of}"
    takes_effort_none: bool = False
    not_first: str | None = None
    refuses_unregistered_media: bool = False
    looks_at_pictures: bool = False
    limits_strict_schemas: bool = False
    most_functions: int | None = None


_THINKING: Final = frozenset({"thinking", "output_config"})
_SERVING: Final[frozenset[Surface]] = frozenset({"model-serving"})
_EVERYWHERE: Final[frozenset[Surface]] = frozenset({"model-serving", "ai-gateway"})

BEHAVIOURS: Final[Mapping[Family, Behaviour]] = of_every_family(
    "dbx_gateway.testing.model.behaviour.BEHAVIOURS",
    {
        "claude": Behaviour(
            apis=frozenset({"messages", "chat-completions"}),
            provider="anthropic",
            caches_marks=True,
            reasoning_in="content",
            shows_citations=True,
            shows_signatures=True,
            more_fields=_THINKING,
            unknown_field="{field}: Extra inputs are not permitted",
            overflow="prompt is too long: {prompt} tokens > {window} maximum",
            not_first="A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message.",
            looks_at_pictures=True,
        ),
        "gpt": Behaviour(
            apis=frozenset({"responses", "chat-completions"}),
            provider="openai",
            unknown_effort="Invalid value: '{effort}'. Supported values are: {listed}.",
            takes_effort_none=True,
            limits_strict_schemas=True,
            most_functions=128,
        ),
        "gpt-oss": Behaviour(
            reasons_by_default=True,
            reasoning_in="content",
            text_in_lists=True,
            usage_by_default=True,
            refused_keywords=frozenset({"maxLength"}),
        ),
        "gemini": Behaviour(
            apis=frozenset({"generate-content", "chat-completions"}),
            provider="google-cloud-vertex-ai",
            signs=True,
            reasoning_in="content",
            text_in_lists=True,
            calls_in_one_piece=True,
            usage_by_default=True,
            more_fields=_THINKING,
            refuses_unregistered_media=True,
        ),
        "gemma": Behaviour(usage_by_default=True),
        "llama": Behaviour(
            calls_in_one_piece=True,
            usage_by_default=True,
            refused_keywords=frozenset({"anyOf", "pattern", "$ref"}),
        ),
        "qwen": Behaviour(
            reasons_by_default=True,
            reasoning_in="content",
            usage_by_default=True,
            no_arguments="null",
            tells_no_finish=_SERVING,
        ),
        "deepseek": Behaviour(reasons_by_default=True, reasoning_in="reasoning_content"),
        "glm": Behaviour(reasons_by_default=True, reasoning_in="reasoning_content", tells_no_finish=_SERVING),
        "kimi": Behaviour(reasons_by_default=True, reasoning_in="reasoning_content", tells_no_finish=_SERVING),
        "grok": Behaviour(reasons_by_default=True, reasoning_in="reasoning"),
        "inkling": Behaviour(reasons_by_default=True, reasoning_in="reasoning", tells_no_finish=_EVERYWHERE),
        "embeddings": Behaviour(),
        "agent": Behaviour(more_fields=frozenset({"context", "custom_inputs", "databricks_options"})),
        "other": Behaviour(),
    },
)


def families_where(habit: Callable[[Behaviour], bool]) -> frozenset[Family]:
    """Return the families whose behaviour satisfies ``habit``."""
    return frozenset(family for family, behaviour in BEHAVIOURS.items() if habit(behaviour))
