"""Text files are written and read as UTF-8 on every platform, whose own encoding may be another."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
from support.source_words import ROOT

PACKAGES = ("shared", "langchain_dbx_gateway", "llama_index_dbx_gateway")
TEXT_FILES = {"open", "fdopen", "read_text", "write_text", "TextIOWrapper", "NamedTemporaryFile", "TemporaryFile"}
CHECKED = """
import contextlib, io, sys, warnings

warnings.filterwarnings("error", category=EncodingWarning, module=r"(dbx|langchain_dbx|llama_index_dbx)_gateway(\\\\.|$)")
from dbx_gateway.cli import main
from dbx_gateway.testing import Workspace, serve

with serve(Workspace(tokens={"dapi-simulated": "you"})) as server, contextlib.redirect_stdout(io.StringIO()):
    where = ["--front-end", "core", "--surface", "ai-gateway", "--host", server.url, "--record", sys.argv[1]]
    status = main(["check", "databricks-claude-sonnet-4-5", *where])
raise SystemExit(status)
"""


def opened_without_an_encoding(source: str) -> list[int]:
    """Return the lines that open a file as text and leave the encoding, or the ends of written lines, to the platform."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and _name(node.func) in TEXT_FILES
        and _is_of_files(node)
        and not _is_binary(node)
        and _needed(node) - {keyword.arg for keyword in node.keywords}
    ]


def _needed(call: ast.Call) -> set[str]:
    return {"encoding", "newline"} if _name(call.func) == "write_text" else {"encoding"}


def _name(called: ast.expr) -> str:
    return getattr(called, "attr", "") or getattr(called, "id", "")


def _is_of_files(call: ast.Call) -> bool:
    """Whether a call of a method that other objects have too, as ``open``, is that of files: its first argument says so."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "open":
        return True
    mode = call.args[0] if call.args else None
    return isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rwxab+t")


def _is_binary(call: ast.Call) -> bool:
    modes = [*call.args[:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and isinstance(mode.value, str) and "b" in mode.value for mode in modes)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("open(p)", [1]),
        ("open(p, 'rb')", []),
        ("open(p, encoding='utf-8')", []),
        ("parts.open()", []),
        ("p.open('w')", [1]),
        ("p.open('wb')", []),
        ("p.read_text()", [1]),
        ("p.write_text(x)", [1]),
        ("p.write_text(x, encoding='utf-8')", [1]),
        ("p.write_text(x, encoding='utf-8', newline='')", []),
        ("socket.open(request)", []),
    ],
)
def test_the_search_finds_what_it_is_to_find(source, lines):
    assert opened_without_an_encoding(source) == lines


def test_every_text_file_is_opened_with_an_encoding():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found = {str(path): opened_without_an_encoding(path.read_text(encoding="utf-8")) for path in files}
    assert len(found) > 100
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_check_that_is_recorded_opens_nothing_in_the_encoding_of_the_platform(tmp_path):
    program = [sys.executable, "-X", "warn_default_encoding", "-c", CHECKED, str(tmp_path / "record")]
    done = subprocess.run(
        program, env={**os.environ, "DATABRICKS_TOKEN": "dapi-simulated"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert len(list((tmp_path / "record").iterdir())) > 3
