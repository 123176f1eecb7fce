"""An error inside a module that is imported on first use is shown as it is, not as the want of the name asked for."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from support.source_words import ROOT

import dbx_gateway

PACKAGES = ("shared/dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway")
ERRORS = {
    "AttributeError": "module 'os' has no attribute 'register_at_fork'",
    "ImportError": "cannot import name 'x' from 'somewhere'",
    "ModuleNotFoundError": "No module named 'fcntl'",
    "OSError": "no such device",
}
BROKEN = """
import builtins, importlib.abc, importlib.machinery, json, sys, traceback
import dbx_gateway

kind, message = sys.argv[1:]
homes = {f"dbx_gateway.{home}" for home in dbx_gateway._ON_FIRST_USE.values()}

class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name in homes else None

    def exec_module(self, module):
        raise getattr(builtins, kind)(message)

for name in [name for name in sys.modules if name in homes]:
    del sys.modules[name]
sys.meta_path.insert(0, Broken())
found = {}
for name in dbx_gateway._ON_FIRST_USE:
    try:
        exec(f"from dbx_gateway import {name}")
    except Exception as error:
        found[name] = [type(error).__name__, str(error), traceback.format_exc()]
print(json.dumps(found))
"""


@pytest.mark.parametrize("kind", ERRORS)
def test_the_error_of_a_module_that_is_imported_on_first_use_is_shown(kind):
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, kind, ERRORS[kind]], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert set(found) == set(dbx_gateway._ON_FIRST_USE)
    for name, (raised, message, trace) in found.items():
        home = f"dbx_gateway.{dbx_gateway._ON_FIRST_USE[name]}"
        shown = f"{home} cannot be imported: {ERRORS[kind]}" if kind == "AttributeError" else ERRORS[kind]
        assert (raised, message) == ("ImportError" if kind == "AttributeError" else kind, shown)
        assert f"{kind}: {ERRORS[kind]}" in trace
        assert "cannot import name" not in trace.replace(ERRORS[kind], "")


def test_a_name_that_its_module_lacks_is_told_with_the_module(monkeypatch):
    monkeypatch.setitem(dbx_gateway._ON_FIRST_USE, "Absent", "chat")
    with pytest.raises(ImportError, match=r"dbx_gateway.chat cannot be imported: .* no attribute 'Absent'"):
        from dbx_gateway import Absent  # noqa: F401  # it is not there


def test_a_name_that_there_never_was_is_an_ordinary_attribute_error():
    assert not hasattr(dbx_gateway, "Clent")
    with pytest.raises(ImportError, match="cannot import name 'Clent' from 'dbx_gateway'"):
        from dbx_gateway import Clent  # noqa: F401  # it is not there


def test_no_other_module_imports_its_names_on_first_use():
    found = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"
    ]
    assert found == ["shared/dbx_gateway/__init__.py"]
