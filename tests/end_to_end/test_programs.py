"""The package in a Python of its own: what it loads, reads and opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from end_to_end.site import CLAUDE


def program(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing in its environment but what is given."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        env=kept | {"PATH": ""} | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_runs_as_a_program_with_a_closed_proxy():
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    call = "import sys; from dbx_gateway.cli import main; sys.exit(main())"
    done = program("-c", call, "demo", "--json", "--family", "llama", "--front-end", "core", **proxies)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


NO_SOCKET = """
import sys
def hook(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise AssertionError(f"{event} at import")
sys.addaudithook(hook)
import MODULE
print("databricks.sdk" in sys.modules, "llama_index_dbx_gateway" in sys.modules, "langchain_dbx_gateway" in sys.modules)
"""


@pytest.mark.parametrize("module", ["dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway"])
def test_importing_loads_no_databricks_sdk_and_opens_no_socket(module):
    done = program("-c", NO_SOCKET.replace("MODULE", module))
    assert done.returncode == 0, done.stderr
    names = ("llama_index_dbx_gateway", "langchain_dbx_gateway")
    assert done.stdout.split() == ["False", *(str(name == module) for name in names)]


FILES = """
import importlib, os, sys
BEFORE = "PACKAGES"
for name in BEFORE.split():
    importlib.import_module(name)
opened = []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.append(os.fsdecode(arguments[0]))
sys.addaudithook(hook)
import MODULE
print(*(name for name in opened if not name.endswith((".py", ".pyc", ".so"))))
"""


@pytest.mark.parametrize(
    ("module", "before"),
    [
        ("dbx_gateway", "httpx pydantic"),
        ("langchain_dbx_gateway", "langchain_core.language_models.chat_models langchain_core.utils.function_calling"),
        ("llama_index_dbx_gateway", "llama_index.core.llms llama_index.core.embeddings"),
    ],
)
def test_importing_reads_no_file_beyond_the_code(module, before):
    done = program("-B", "-c", FILES.replace("MODULE", module).replace("PACKAGES", before))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("module", ["dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway"])
def test_constructing_and_calling_with_a_static_token_loads_no_databricks_sdk(site, module):
    makers = {
        "dbx_gateway": "Client",
        "langchain_dbx_gateway": "ChatDbxGateway",
        "llama_index_dbx_gateway": "DbxGateway",
    }
    calls = {"dbx_gateway": "chat", "langchain_dbx_gateway": "invoke", "llama_index_dbx_gateway": "complete"}
    text = (
        f"import sys; from {module} import {makers[module]} as Model\n"
        f"model = Model(model={CLAUDE!r}, host={site.url!r}, token={site.workspace.token!r})\n"
        f"said = model.{calls[module]}('Hello')\n"
        "print('databricks.sdk' in sys.modules, 'You said: Hello' in str(said))\n"
    )
    done = program("-c", text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "True"]
