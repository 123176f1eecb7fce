"""Some families always report usage on a stream, and refuse ``stream_options``."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return without(body, ("stream_options",))


QUIRK = Quirk(
    name="drop-stream-options",
    kind="out",
    families=frozenset({"llama", "qwen", "gemma", "gpt-oss", "gemini"}),
    apis=frozenset({"chat-completions"}),
    reason='400 `json: unknown field "stream_options"`',
    source="docs/wire/quirks.md#drop-stream-options: continuedev/continue #12936, unity-gateway copilot.py",
    evidence="O",
    delete_when="each of these families accepts stream_options",
    request=_request,
)
