"""The warning of a quirk that changes or leaves out something the caller set."""

from __future__ import annotations

from dbx_gateway.notices import warn_once
from dbx_gateway.quirks.quirk import Context

__all__ = ["off_switch", "warn_changed"]


def off_switch(name: str) -> str:
    """Return how to turn the quirk ``name`` off, for the end of a sentence."""
    return f'disabled_quirks=["{name}"] (or DBX_GATEWAY_DISABLED_QUIRKS={name})'


def warn_changed(name: str, field: str, context: Context, change: str) -> None:
    """Warn, once for each model, quirk and field, that ``field`` was not sent as the caller set it.

    Args:
        name: the quirk's name.
        field: the wire's name of the field that was left out or changed.
        context: of the request.
        change: what was done to the field and what to do instead, as the rest of a sentence that begins with its name.
    """
    warn_once(
        f"{context.model}: {name}: {field}",
        f"{context.model} ({context.surface}, {context.api}): {field} {change}. To send it as it is: {off_switch(name)}",
    )
