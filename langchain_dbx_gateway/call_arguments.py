"""The arguments of a call: LangChain's, checked, as the core's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dbx_gateway.adapters.vendor_forms import choice_of
from dbx_gateway.foreign_settings import unknown_setting
from dbx_gateway.settings import ALIASES, SettingsFields
from langchain_dbx_gateway.tools import output_of, specs_of

__all__ = ["arguments_of", "check_options"]

_CALL_ARGUMENTS: Final = (
    *("tools", "tool_choice", "response_format", "stream", "metadata", "base_url"),
    "ls_structured_output_format",  # LangChain's own, for traces
)
"""What a call takes beside the settings."""


def arguments_of(stop: list[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the core's arguments for LangChain's.

    Args:
        stop: LangChain's own argument; it wins over the setting.
        kwargs: the other arguments of the call.

    Raises:
        ConfigurationError: an argument is unknown; the message names the right one.
        InvalidRequestError: a tool, the choice of one, or the form of the answer is none.
    """
    check_options(kwargs)
    options = {name: value for name, value in kwargs.items() if value is not None and name != "stream"}
    tools = specs_of(options.pop("tools", None))
    choice = choice_of(options.pop("tool_choice", None), [tool.name for tool in tools])
    output = output_of(options.pop("response_format", None))
    if stop is not None:
        options["stop"] = stop
    return {"tools": tools, "tool_choice": choice, "output": output, **options}


def check_options(options: Mapping[str, Any], *more: str) -> None:
    """Refuse unknown arguments of a call; ``more`` are those of the method it was made through.

    Raises:
        ConfigurationError: an argument is unknown; the message names the right one.
    """
    known = {*SettingsFields.model_fields, *ALIASES, *_CALL_ARGUMENTS, *more}
    for name in options:
        if name not in known:
            raise unknown_setting(name, sorted(known))
