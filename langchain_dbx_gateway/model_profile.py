"""LangChain's profile of a model, from the core's."""

from __future__ import annotations

from functools import cache
from typing import cast, get_type_hints

from langchain_core.language_models import ModelProfile

from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.names import check_family

__all__ = ["OwnProfile", "profile_data"]


class OwnProfile(dict[str, object]):
    """A profile from the core's rows, replaced when the model changes; a user's own profile is not."""


def profile_data(model: str, family: str | None = None) -> ModelProfile:
    """Return what is known about a model, for LangChain's ``model.profile``.

    It is what makes ``create_agent`` choose the model's own structured output, and what ``SummarizationMiddleware``
    takes a fraction of. It has only keys that the installed langchain-core knows, and none whose value is not known.

    Args:
        model: a name as the user gives it; one without a row of its own gets the nearest row of its family.
        family: the model's family, where its name does not show it.

    Raises:
        ConfigurationError: there is no such family.
    """
    row = profile_of(model, check_family(family) if family is not None else None)
    facts = {**_input(row), **_output(row), **_tools(row), "temperature": row.sampling}
    known = {key: value for key, value in facts.items() if value is not None and key in _keys()}
    return cast("ModelProfile", OwnProfile(known))


@cache
def _keys() -> frozenset[str]:
    return frozenset(get_type_hints(ModelProfile))


def _input(row: Profile) -> dict[str, object]:
    return {
        "max_input_tokens": row.context_window,
        "text_inputs": True,
        "image_inputs": row.images,
        "image_url_inputs": row.images and row.media_urls,
        "pdf_inputs": row.pdf,
        "audio_inputs": row.audio,
        "video_inputs": row.video,
        "attachment": row.images or row.pdf,
        "image_tool_message": row.image_tool_results,
        "pdf_tool_message": row.image_tool_results and row.pdf,
        "mid_conversation_system_messages": row.mid_system,
    }


def _output(row: Profile) -> dict[str, object]:
    return {
        "max_output_tokens": row.max_output,
        "text_outputs": row.kind in ("chat", "evaluation"),
        "image_outputs": row.kind == "image",
        "audio_outputs": False,
        "video_outputs": False,
        "reasoning_output": row.reasoning,
        "reasoning_effort_levels": list(row.efforts) if row.reasoning and row.efforts else None,
        "structured_output": row.structured_output,
    }


def _tools(row: Profile) -> dict[str, object]:
    return {
        "tool_calling": row.tools,
        "tool_choice": row.tools and row.forced_tool_choice,
        "tool_call_streaming": row.tools,
    }
