"""What importing the package loads, and what it says when LangChain is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKED = """
import sys
sys.modules[{missing!r}] = None
import {wanted}
"""

LOADED = """
import sys
sys.addaudithook(lambda event, _: sys.exit(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
import langchain_dbx_gateway
langchain_dbx_gateway.ChatDbxGateway(model="m").bind_tools([]).get_name()
langchain_dbx_gateway.DbxGatewayEmbeddings(model="m")
unwanted = ("databricks.sdk", "mlflow", "openai", "anthropic", "google.genai", "starlette", "uvicorn", "langchain")
unwanted += ("dbx_gateway.client", "dbx_gateway.transport.sending")
print([name for name in unwanted if name in sys.modules], len(sys.modules) < 1500)
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("missing", "wanted", "command"),
    [
        ("langchain_core", "langchain_dbx_gateway", "pip install 'dbx-gateway[langchain]'"),
        ("langchain", "langchain_dbx_gateway.middleware", "pip install langchain"),
    ],
)
def test_where_a_package_is_missing_the_import_says_how_to_install_it(missing, wanted, command):
    done = run(BLOCKED.format(missing=missing, wanted=wanted))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")
    assert f"install it with: {command}" in done.stderr.splitlines()[-1]


def test_importing_loads_no_vendor_no_sdk_and_nothing_that_only_a_call_needs():
    done = run(LOADED)

    assert done.stdout.strip() == "[] True", done.stderr
