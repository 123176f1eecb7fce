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
"""The demo shows nothing of a family that is spoken to like GLM: its rows would be the same."""

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
"""Endpoints of a team's own: only their metadata tells what they serve."""


def demo(given: argparse.Namespace) -> int:
    """Start a simulated workspace and check every family against it."""
    shown = [model for models in DEMO_MODELS.values() for model in models]
    pairs = [(model, surface) for model in shown for surface in SURFACES] + list(DEMO_CUSTOM)
    wanted = [(model, surface) for model, surface in pairs if _wanted(given.family, model)]
    if not wanted:
        names = ", ".join(dict.fromkeys(model for model, _ in pairs))
        raise ConfigurationError(f"the demo has no row for {' or '.join(given.family)}; it shows {names}")
    token = "dapi-simulated"  # noqa: S105  # the simulated workspace's own
    with _served(token) as server:
        if not given.json:
            print(f"A simulated workspace answers at {server.url}: no workspace, no key, no network.\n")
        fields = {"host": server.url, "token": token}
        rows = run_check((Target(model, surface, fields) for model, surface in wanted), _front_ends(given))
        return _report(rows, as_json=given.json)


def check(given: argparse.Namespace) -> int:
    """Check models of a real workspace."""
    if given.quirks:
        from dbx_gateway.cli.quirk_check import check_quirks  # noqa: PLC0415  # only this option needs it

        return check_quirks(given, _fields(given))
    if not given.json:
        print("Each cell is one or two calls with short answers; they cost tokens.\n")
    with _recorded(given) as clients:
        rows = run_check(targets(given, _fields(given) | clients), _front_ends(given))
        return _report(rows, as_json=given.json)


def models(given: argparse.Namespace) -> int:
    """List the models of the workspace."""
    listing = Client(model="", **_fields(given)).models()
    if given.json:
        _print_json({"models": [asdict(model) for model in listing.models], "problems": list(listing.problems)})
    else:
        rows = [(m.name, m.family, ", ".join(m.surfaces), m.task or "", m.state or "") for m in listing.models]
        print_table(("model", "family", "surfaces", "task", "state"), rows)
        for problem in listing.problems:
            print(f"! {problem}", file=sys.stderr)
    return 1 if listing.problems and not listing.models else 0


def route(given: argparse.Namespace) -> int:
    """Explain where a model's requests go."""
    explanation = explain_route(given.model, _fields(given))
    if given.json:
        _print_json(explanation.as_json())
    else:
        explanation.print()
    return 0


def chat(given: argparse.Namespace) -> int:
    """Hold a conversation in the terminal."""
    from dbx_gateway.cli.conversation import converse  # noqa: PLC0415  # only this command needs it

    fields = _fields(given) | {"model": given.model}
    if given.max_tokens is not None:
        fields["max_tokens"] = given.max_tokens
    return converse(Client(**fields), given.system, as_json=given.json)


def sim(given: argparse.Namespace) -> int:
    """Serve a simulated workspace until interrupted."""
    mode: Literal["plain", "workspace"] = "plain" if given.plain else "workspace"
    with _served(given.token, mode, gateway=not given.no_gateway, port=given.port) as server:
        server.workspace.inject_at_rate(given.fault_rate, seed=given.seed)
        if given.json:
            _print_json({"host": server.url, "token": given.token, "mode": mode})
        else:
            print(f"export DATABRICKS_HOST={server.url}\nexport DATABRICKS_TOKEN={given.token}")
            print("A simulated workspace is serving; stop it with Ctrl-C.", file=sys.stderr)
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def _fields(given: argparse.Namespace) -> dict[str, Any]:
    names = ("host", "config_profile", "surface", "api", "family")
    return {name: value for name in names if (value := getattr(given, name, None)) is not None}


def _wanted(families: Sequence[str] | None, model: str) -> bool:
    return not families or any(word in model for word in families)


def _front_ends(given: argparse.Namespace) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given.front_end or FRONT_ENDS))


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
def _recorded(given: argparse.Namespace) -> Generator[dict[str, Any]]:
    """Give the settings that record the exchanges where ``--record`` was given."""
    if given.record is None:
        yield {}
        return
    from dbx_gateway.cli.recorder import recording  # noqa: PLC0415  # only this option needs it

    with recording(given.record) as clients:
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
