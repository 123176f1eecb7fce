"""The models that LlamaIndex's parts are run with: one of each family on each surface, at the constructor's defaults."""

from __future__ import annotations

import pytest

from dbx_gateway.models.families import family_of
from dbx_gateway.models.profiles import known_models

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-2"
GEMINI = "databricks-gemini-3-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"

AGENT_WARNINGS = pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore::pydantic.warnings.PydanticDeprecatedSince211",
    "ignore:is_running called from within a step:DeprecationWarning",
    "ignore:Skipping serialization of known unserializable key",
)
"""LlamaIndex's agents look at every attribute of their own pydantic classes, and use their own deprecated parts."""

NATIVE = (CLAUDE, GPT, GEMINI, LLAMA)
"""One model per dialect."""

_EACH = {
    "claude": "claude-sonnet-4-5",
    "gpt": "gpt-5-2",
    "codex": "gpt-5-3-codex",
    "gemini": "gemini-3-pro",
    "gpt-oss": "gpt-oss-120b",
    "llama": "meta-llama-3-3-70b-instruct",
    "qwen": "qwen3-next-80b-a3b-instruct",
    "deepseek": "deepseek-v3-2",
    "glm": "glm-5-2",
    "kimi": "kimi-k3",
    "grok": "grok-4-6",
    "inkling": "inkling",
}
_WITHOUT_TOOLS = {"gemma": "gemma-3-12b"}

_MISSING = {row.family for row in known_models() if row.kind == "chat"} - {
    family_of(name) for name in (*_EACH.values(), *_WITHOUT_TOOLS.values())
}
assert not _MISSING, f"LlamaIndex's parts are run with no model of {', '.join(sorted(_MISSING))}: give one here"


def _placed(rows: dict[str, str]) -> list[object]:
    """Return models by names that only one surface knows: a Unity Catalog name, and a name where no gateway is."""
    gateway = [pytest.param(("ai-gateway", f"system.ai.{name}"), id=f"{row}-ai-gateway") for row, name in rows.items()]
    serving = [
        pytest.param(("model-serving", f"databricks-{name}"), id=f"{row}-model-serving") for row, name in rows.items()
    ]
    return [*gateway, *serving]


_OWN = [
    pytest.param(("ai-gateway", "main.ai.team_chat"), id="external-ai-gateway"),
    pytest.param(("model-serving", "team-chat"), id="external-model-serving"),
    pytest.param(("model-serving", "house-model"), id="unknown-model-serving"),
]

CALLING = [*_placed(_EACH), *_OWN]
"""Where to find a model, and its name: those that call tools."""

EVERY = [*CALLING, *_placed(_WITHOUT_TOOLS)]
