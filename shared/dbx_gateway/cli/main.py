"""``dbx-gateway``: the commands and their arguments."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

from dbx_gateway.cli import commands
from dbx_gateway.cli.output import accept_all_characters
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.models.families import Family
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.version import __version__

__all__ = ["main", "parser"]

HIGHEST_FAULT_RATE: Final = 0.1
"""Nine kinds of faults share the requests: with a higher rate nearly every request would fail."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 something failed, 2 wrong arguments, 130 interrupted.

    With ``--json``, a command that could not be carried out prints an object with ``error``.
    """
    accept_all_characters()
    options = parser().parse_args(arguments)
    accept_all_characters(as_json=options.json)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except DbxGatewayError as error:
        if options.json:
            print(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}, ensure_ascii=False))
        print(f"dbx-gateway: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the output is gone; Python still flushes the rest at exit, so send it to the null device.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="dbx-gateway", description="LangChain and LlamaIndex for every LLM a Databricks workspace serves."
    )
    top.add_argument("--version", action="version", version=f"dbx-gateway {__version__}")
    subs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = _command(subs, "demo", commands.demo, "run every check against a simulated workspace; needs nothing else")
    demo.add_argument("--front-end", action="append", choices=("core", "langchain", "llama-index"))
    demo.add_argument("--family", action="append", help="only rows of this family or model; may be repeated")

    check = _command(subs, "check", commands.check, "check models of your workspace (each call costs tokens)")
    check.add_argument(
        "model", nargs="*", help="names of models; without one, one model of each family the workspace lists"
    )
    check.add_argument("--front-end", action="append", choices=("core", "langchain", "llama-index"))
    check.add_argument("--quirks", action="store_true", help="find out which quirks the workspace still needs")
    check.add_argument("--record", type=Path, metavar="DIR", help="write the exchanges to DIR, without secrets")
    _where(check)

    models = _command(subs, "models", commands.models, "list the models the workspace serves")
    _where(models)

    route = _command(subs, "route", commands.route, "explain where a model's requests go, and why")
    route.add_argument("model")
    _where(route)

    chat = _command(subs, "chat", commands.chat, "talk to a model in the terminal")
    chat.add_argument("model")
    chat.add_argument("--system", help="a system message")
    chat.add_argument("--max-tokens", type=int)
    _where(chat)

    sim = _command(subs, "sim", commands.sim, "serve a simulated workspace on this machine")
    sim.add_argument("--port", type=int, default=8765)
    sim.add_argument("--token", default="dapi-simulated", help="the personal access token it accepts")
    sim.add_argument(
        "--plain", action="store_true", help="serve the vendors' apis as documented, without a workspace's quirks"
    )
    sim.add_argument("--no-gateway", action="store_true", help="a workspace that has no AI Gateway")
    sim.add_argument(
        "--fault-rate",
        type=_rate,
        default=0.0,
        metavar="RATE",
        help="share of requests to a model that get each kind of transient fault, for example 0.05",
    )
    sim.add_argument("--seed", type=int, default=0, help="seed that decides which requests get a fault")
    return top


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 <= rate <= HIGHEST_FAULT_RATE:
        message = f"give a rate from 0 to {HIGHEST_FAULT_RATE}"
        raise argparse.ArgumentTypeError(message)
    return rate


def _command(subs: Any, name: str, run: Any, help_text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = subs.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)
    return command


def _where(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--host", help="https://… of the workspace; else DATABRICKS_HOST or the Databricks config file"
    )
    command.add_argument("--profile", dest="config_profile", help="section of the Databricks config file")
    command.add_argument("--surface", choices=("auto", *get_args(Surface)))
    command.add_argument("--api", choices=("auto", *get_args(Api)))
    command.add_argument(
        "--family",
        choices=get_args(Family),
        metavar="FAMILY",
        help="the model's family, where neither its name nor its metadata shows it",
    )
