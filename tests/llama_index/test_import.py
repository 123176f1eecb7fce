"""What importing the package loads, and what it says when LlamaIndex is missing."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

BLOCKED = """
import sys
sys.modules[{missing!r}] = None
import llama_index_dbx_gateway
"""

LOADED = """
import sys
sys.addaudithook(lambda event, _: sys.exit(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
import llama_index_dbx_gateway
llama_index_dbx_gateway.DbxGateway(model="m").metadata
llama_index_dbx_gateway.DbxGatewayEmbedding(model="m")
unwanted = ("databricks.sdk", "openai", "anthropic", "google.genai", "starlette", "uvicorn")
unwanted += ("dbx_gateway.client", "dbx_gateway.transport.sending")
print([name for name in unwanted if name in sys.modules])
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("missing", ["llama_index", "llama_index.core"])
def test_without_llama_index_the_import_says_how_to_install_it(missing):
    done = run(BLOCKED.format(missing=missing))

    assert done.returncode == 1
    assert "install it with: pip install 'dbx-gateway[llama-index]'" in done.stderr.splitlines()[-1]


def test_a_broken_llama_index_is_reported_as_what_it_is():
    done = run(BLOCKED.format(missing="filetype"))

    assert "filetype" in done.stderr.splitlines()[-1]


def test_importing_loads_no_vendor_and_no_sdk():
    """Nor what only a call needs: the clients."""
    done = run(LOADED)

    assert done.stdout.strip() == "[]", done.stderr


def test_llama_hub_is_told_where_the_classes_are():
    """As LlamaIndex's own integrations tell it, in pyproject.toml."""
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    told = project["tool"]["llamahub"]

    module = importlib.import_module(told["import_path"])

    assert set(told["class_authors"]) == set(module.__all__)
