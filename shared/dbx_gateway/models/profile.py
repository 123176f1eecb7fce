"""What one model accepts and can do: one row of the table in :mod:`dbx_gateway.models.profiles`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from dbx_gateway.models.families import Family

__all__ = ["Profile", "Thinking"]

Thinking = Literal["none", "budget", "adaptive", "both", "always"]
"""How a model takes its thinking control: a token budget, adaptive only, either, or adaptive that cannot be switched off
(Claude: docs/wire/models.md#claudes-thinking). Gemini 2.5 takes a budget too (docs/wire/models.md#geminis-thinking);
``none`` for every other model.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one model accepts and can do.

    Limits are in tokens, prices in DBU per million tokens; None where unknown. They serve as defaults and as
    information: no model name is refused, and no value is limited, because of them.
    """

    model: str
    family: Family
    kind: Literal["chat", "embedding", "image", "evaluation"] = "chat"
    context_window: int | None = None
    max_output: int | None = None
    input_dbu: float | None = None
    output_dbu: float | None = None
    cache_read_dbu: float | None = None
    tools: bool = True
    tool_choice: bool = True
    forced_tool_choice: bool = True
    """Takes a tool choice that forces a call (some Claude models refuse it: docs/wire/models.md#forced-tool-choice)."""
    structured_output: bool = True
    """Takes a JSON schema for its answer on its native api."""
    images: bool = False
    pdf: bool = False
    audio: bool = False
    video: bool = False
    image_tool_results: bool = False
    reasoning: bool = False
    efforts: tuple[str, ...] = ()
    """Values of the reasoning effort it takes; empty where none are known."""
    thinking: Thinking = "none"
    prompt_caching: bool = False
    """Takes cache marks inside the prompt."""
    prefill: bool = True
    """Takes a conversation that ends with an assistant turn; False only where a refusal is known."""
    mid_system: bool = False
    """Takes a system message in the middle of a conversation; elsewhere it is a marked turn of the user.

    Source: docs/wire/comparison.md#order-of-turns.
    """
    sampling: bool = True
    """Takes temperature, top_p and top_k."""
    responses_only: bool = False
    """Is served on the Responses api and no other."""
    embedding_batch: int | None = None
    """Texts per embeddings request."""
    known: bool = True
    """False for a name that is not in the table: the row is then the most similar one of its family."""
    denied: tuple[tuple[str, str], ...] = ()
    """Fields that are false because a source says so, each with the reason."""

    # New fields go to the end: a pickle holds values by their place.
    max_thinking_budget: int | None = None
    """The largest thinking budget, in tokens; a budget of 0 then switches thinking off. None: there is no limit.

    Source: docs/wire/models.md#geminis-thinking.
    """
    forced_tool_choice_while_thinking: bool = True
    """Takes a tool choice that forces a call while thinking is on (docs/wire/models.md#forced-tool-choice)."""
    signed_tool_calls: bool = False
    """Refuses a turn of tool calls whose first call has no signature (docs/wire/generate-content.md#round-trip)."""
    content_lists: bool = True
    """Takes text as a list of parts; else only as one string (docs/wire/chat-completions.md#chat-agents)."""
    intermediate_messages: bool = False
    """Takes back its own intermediate messages, such as tool calls that it ran itself.

    Source: docs/wire/chat-completions.md#chat-agents.
    """
    custom_inputs: bool = False
    """Takes ``custom_inputs`` (docs/wire/chat-completions.md#accepted-fields, docs/wire/responses.md#agents-on-responses)."""
    client_defaults: bool = True
    """Takes fields that this client adds by default, such as ``store`` and ``stream_options``.

    Source: docs/wire/chat-completions.md#accepted-fields; docs/wire/responses.md#agents-on-responses.
    """
    on_gateway: bool = True
    """May be served on the AI Gateway (docs/wire/surfaces.md#ai-gateway)."""

    property_names: Literal["any", "plain"] = "any"
    """The names of properties that it takes in schemas: ``plain`` ones are of letters, digits and ``_.-``, at most 64.

    Source: docs/wire/schemas.md#strict-schemas.
    """

    answers_without: tuple[str, ...] = ()
    """What the schema of an answer cannot hold: ``free keys``, ``recursion``. Tools can.

    Source: docs/wire/schemas.md#strict-schemas, docs/wire/schemas.md#gemini.
    """

    stop_sequences: bool = True
    """Takes stop sequences on chat-completions (docs/wire/chat-completions.md#request)."""

    several_answers: bool = True
    """Gives several answers to one request, where its api has a field for that (docs/wire/comparison.md#several-answers)."""

    media_urls: bool = True
    """Takes media by their URL on its native api (docs/wire/comparison.md#media-by-url)."""

    def __setstate__(self, state: Sequence[object]) -> None:
        """Restore the values of a pickle; a field that is newer than the pickle gets its default."""
        for number, field in enumerate(fields(self)):
            object.__setattr__(self, field.name, state[number] if number < len(state) else field.default)

    def why_not(self, capability: str) -> str | None:
        """Return why the model lacks a capability, or None if it has it.

        Args:
            capability: the name of a field that is true or false, such as ``"tools"`` or ``"structured_output"``.
        """
        if getattr(self, capability):
            return None
        return dict(self.denied).get(capability, f"not known to take {capability.replace('_', ' ')}")
