"""What importing the package loads, and what it says when LlamaIndex is missing."""

from __future__ import annotations

import subprocess
import sys

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
print([name for name in ("databricks.sdk", "openai", "anthropic", "starlette", "uvicorn") if name in sys.modules])
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
    done = run(LOADED)

    assert done.stdout.strip() == "[]", done.stderr
