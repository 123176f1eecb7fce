"""The marker of a setting, and the texts that help and IDEs show of one."""

from __future__ import annotations

import ast
import importlib
import inspect
import pydoc
from itertools import pairwise

import pytest
from pydantic import BaseModel

from dbx_gateway.markers import Setting, documented, names_of, setting, settings_of
from dbx_gateway.settings import Settings, SettingsFields
from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

PUBLIC = (Settings, ChatDbxGateway, DbxGatewayEmbeddings, DbxGateway, DbxGatewayEmbedding)
FLAGS = ("shown", "pickled", "per_call", "in_cache_key", "shared", "credential", "says_where")


def texts_under_fields(kind: type) -> dict[str, str]:
    """The text under each field of a class, as Python itself parses its module."""
    tree = ast.parse(inspect.getsource(importlib.import_module(kind.__module__)))
    (body,) = (node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    pairs = [(one, text) for one, text in pairwise(body) if isinstance(one, ast.AnnAssign)]
    return {one.target.id: " ".join(text.value.value.split()) for one, text in pairs if isinstance(text, ast.Expr)}


def test_a_marker_that_says_nothing_lets_its_value_go_nowhere():
    marker = Setting()
    assert [name for name in FLAGS if getattr(marker, name)] == []
    assert marker.is_secret_text


def test_every_setting_has_a_marker_in_every_class():
    names = list(SettingsFields.model_fields)
    for kind in PUBLIC:
        assert sorted(settings_of(kind)) == sorted(names)
        assert settings_of(kind) == settings_of(SettingsFields)


@pytest.mark.parametrize("kind", PUBLIC)
def test_every_field_of_ours_is_described_by_the_text_under_it(kind):
    ours = [one for one in kind.__mro__ if one.__module__.partition(".")[0].endswith("dbx_gateway")]
    texts = {name: text for one in reversed(ours) for name, text in texts_under_fields(one).items()}
    fields = {name for one in ours for name in one.__annotations__ if name in kind.model_fields}
    assert fields
    assert {name: kind.model_fields[name].description for name in fields} == {name: texts[name] for name in fields}


@pytest.mark.parametrize("kind", PUBLIC)
def test_help_shows_every_setting(kind):
    shown = pydoc.plain(pydoc.render_doc(kind))
    for name in SettingsFields.model_fields:
        assert f"    {name}: {kind.model_fields[name].description}\n" in shown


@pytest.mark.parametrize("kind", PUBLIC)
def test_signatures_show_types_and_no_marker(kind):
    signature = str(inspect.signature(kind))
    assert "temperature: float | None = None" in signature
    assert "token: pydantic.types.SecretStr | None = None" in signature
    assert "Setting(" not in signature


def test_a_setting_of_a_subclass_is_treated_as_its_marker_says():
    class Model(SettingsFields):
        vault_key: str | None = setting(Setting())
        pace: int = setting(Setting(shown=True, pickled=True), 3, ge=0)

    one = Model(model="m", vault_key="s3cret", pace=5)
    assert "s3cret" not in repr(one) + one.model_dump_json()
    assert one.model_dump()["pace"] == 5
    assert set(names_of(Model, lambda marker: not marker.shown)) > {"vault_key", "token"}
    assert Model.model_json_schema()["properties"]["vault_key"]["writeOnly"] is True
    assert "writeOnly" not in Model.model_json_schema()["properties"]["pace"]


def test_a_class_without_a_source_has_no_descriptions():
    names: dict[str, object] = {"__name__": "builtins", "BaseModel": BaseModel, "documented": documented}
    exec("@documented\nclass Model(BaseModel):\n    'A model.'\n    pace: int = 3\n    'How fast.'\n", names)
    assert names["Model"].model_fields["pace"].description is None
    assert names["Model"].__doc__ == "A model."
