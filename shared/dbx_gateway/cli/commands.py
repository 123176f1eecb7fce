"""What each command does. Every one returns its exit status."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal

from dbx_gateway.cli.check import CAPABILITIES, Cell, Row, Target
from dbx_gateway.cli.check import check as run_check
from dbx_gateway.cli.explanation import explain_route
from dbx_gateway.cli.front_ends import FRONT_ENDS
from dbx_gateway.cli.tables import print_table
from dbx_gateway.cli.targets import SURFACES, targets
from dbx_gateway.client import Client
from dbx_gateway.errors import ConfigurationError, DbxGatewayError
from dbx_gateway.models.families import Family, of_every_family

if TYPE_CHECKING:
    from dbx_gateway.testing.server import RunningServer

__all__ = ["DEMO_CUSTOM", "DEMO_MODELS", "chat", "check", "demo", "models", "route", "sim"]

_LIKE_GLM: Final = ()
"""The demo leaves out families that are called in the same way as GLM: their rows would be the same."""

DEMO_MODELS: Final[Mapping[Family, tuple[str, ...]]] = of_every_family(
    "dbx_gateway.cli.commands.DEMO_MODELS",
    {
        "claude": ("databricks-claude-sonnet-4-5",),
        "gpt": ("databricks-gpt-5-2", "databricks-gpt-5-3-codex"),
        "gemini": ("databricks-gemini-3-pro",),
        "llama": ("databricks-meta-llama-3-3-70b-instruct",),
        "qwen": ("databricks-qwen35-122b-a10b",),
        "gemma": ("databricks-gemma-3-12b",),
        "gpt-oss": ("databricks-gpt-oss-120b",),
        "glm": ("databricks-glm-5-2",),
        "deepseek": _LIKE_GLM,
        "kimi": _LIKE_GLM,
        "grok": _LIKE_GLM,
        "inkling": _LIKE_GLM,
        "agent": (),
        "embeddings": (),
        "other": (),
    },
)
"""The models of each family that the demo shows, on both surfaces; agents are among :data:`DEMO_CUSTOM`."""

DEMO_CUSTOM: Final = (
    ("main.ai.team_chat", "ai-gateway"),
    ("team-chat", "model-serving"),
    ("support-agent", "model-serving"),
)
"""Custom endpoints: only their metadata shows what they serve."""


def demo(options: argparse.Namespace) -> int:
    """Start a simulated workspace and check every family against it."""
    shown = [model for models in DEMO_MODELS.values() for model in models]
    pairs = [(model, surface) for model in shown for surface in SURFACES] + list(DEMO_CUSTOM)
    selected = [(model, surface) for model, surface in pairs if _is_selected(options.family, model)]
    if not selected:
        names = ", ".join(dict.fromkeys(model for model, _ in pairs))
        raise ConfigurationError(f"the demo has no row for {' or '.join(options.family)}; it shows {names}")
    token = "dapi-simulated"  # noqa: S105  # the simulated workspace's own
    with _served(token) as server:
        if not options.json:
            print(f"A simulated workspace runs at {server.url}: no workspace, no key, no network.\n")
        fields = {"host": server.url, "token": token}
        rows = run_check((Target(model, surface, fields) for model, surface in selected), _front_ends(options))
        return _report(rows, as_json=options.json)


def check(options: argparse.Namespace) -> int:
    """Check models of a real workspace."""
    if options.quirks:
        from dbx_gateway.cli.quirk_check import check_quirks  # noqa: PLC0415  # only this option needs it

        return check_quirks(options, _fields(options))
    if not options.json:
        print("Each cell is one or two calls with short answers; they cost tokens.\n")
    with _recorded(options) as clients:
        rows = run_check(targets(options, _fields(options) | clients), _front_ends(options))
        return _report(rows, as_json=options.json)


def models(options: argparse.Namespace) -> int:
    """List the models of the workspace."""
    listing = Client(model="", **_fields(options)).models()
    if options.json:
        _print_json({"models": [asdict(model) for model in listing.models], "problems": list(listing.problems)})
    else:
        rows = [(m.name, m.family, ", ".join(m.surfaces), m.task or "", m.state or "") for m in listing.models]
        print_table(("model", "family", "surfaces", "task", "state"), rows)
        for problem in listing.problems:
            print(f"! {problem}", file=sys.stderr)
    return 1 if listing.problems and not listing.models else 0


def route(options: argparse.Namespace) -> int:
    """Explain where a model's requests go."""
    explanation = explain_route(options.model, _fields(options))
    if options.json:
        _print_json(explanation.as_json())
    else:
        explanation.print()
    return 0


def chat(options: argparse.Namespace) -> int:
    """Hold a conversation in the terminal."""
    from dbx_gateway.cli.conversation import converse  # noqa: PLC0415  # only this command needs it

    fields = _fields(options) | {"model": options.model}
    if options.max_tokens is not None:
        fields["max_tokens"] = options.max_tokens
    return converse(Client(**fields), options.system, as_json=options.json)


def sim(options: argparse.Namespace) -> int:
    """Serve a simulated workspace until interrupted."""
    mode: Literal["plain", "workspace"] = "plain" if options.plain else "workspace"
    with _served(options.token, mode, gateway=not options.no_gateway, port=options.port) as server:
        server.workspace.inject_at_rate(options.fault_rate, seed=options.seed)
        if options.json:
            _print_json({"host": server.url, "token": options.token, "mode": mode})
        else:
            print(f"export DATABRICKS_HOST={server.url}\nexport DATABRICKS_TOKEN={options.token}")
            print("A simulated workspace is serving; stop it with Ctrl-C.", file=sys.stderr)
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    names = ("host", "config_profile", "surface", "api", "family")
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def _is_selected(families: Sequence[str] | None, model: str) -> bool:
    return not families or any(word in model for word in families)


def _front_ends(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(dict.fromkeys(options.front_end or FRONT_ENDS))


@contextmanager
def _served(
    token: str, mode: Literal["plain", "workspace"] = "workspace", *, gateway: bool = True, port: int = 0
) -> Generator[RunningServer]:
    """Serve a simulated workspace that takes ``token``."""
    from dbx_gateway.testing import Workspace, serve  # noqa: PLC0415  # only `demo` and `sim` need it

    try:
        server = serve(Workspace(mode, gateway=gateway, tokens={token: "you"}), port)
    except ImportError as missing:
        raise DbxGatewayError(str(missing)) from missing
    except OSError as error:
        raise ConfigurationError(f"cannot listen on port {port}: {error.strerror}; give another --port") from error
    with server:
        yield server


@contextmanager
def _recorded(options: argparse.Namespace) -> Generator[dict[str, Any]]:
    """Yield the settings that record the exchanges; none without ``--record``."""
    if options.record is None:
        yield {}
        return
    from dbx_gateway.cli.recorder import recording  # noqa: PLC0415  # only this option needs it

    with recording(options.record) as clients:
        yield clients


def _report(rows: Iterable[Row], *, as_json: bool) -> int:
    done: list[Row] = []
    for row in rows:
        done.append(row)
        if not as_json and sys.stderr.isatty():
            print(f"\r{len(done)} rows", end="", file=sys.stderr, flush=True)
    failed = [row for row in done if not row.ok]
    if as_json:
        _print_json({"ok": not failed, "rows": [row.as_json() for row in done]})
    else:
        _print_rows(done)
        print(f"\n{len(done) - len(failed)} of {len(done)} rows ok")
    return 1 if failed or not done else 0


def _print_rows(rows: Sequence[Row]) -> None:
    heads = ("model", "family", "surface", "front end", "api", *(name.replace("_", " ") for name in CAPABILITIES), "ms")
    lines = [
        (
            *(row.model, row.family, row.surface, row.front_end, row.api),
            *(_mark(row.cells[name]) for name in CAPABILITIES),
            str(sum(cell.ms for cell in row.cells.values())),
        )
        for row in rows
    ]
    print_table(heads, lines)
    denied = dict.fromkeys(cell.reason for row in rows for cell in row.cells.values() if cell.state == "denied")
    for reason in denied:
        print(f"– {reason}")
    for row in rows:
        for cell in row.cells.values():
            if cell.state == "failed":
                print(f"FAILED {cell.reason}")


def _mark(cell: Cell) -> str:
    return {"ok": "ok", "failed": "FAILED", "denied": "–"}[cell.state]


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))
