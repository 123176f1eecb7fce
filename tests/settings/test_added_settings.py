"""A setting that is added as one field with its marker is treated as the marker says, everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from settings.added_settings import FIELDS, HIDDEN, SHOWN
from support.promises import promise

PROGRAM = Path(__file__).with_name("added_settings.py")
FRONT_ENDS = ("Settings", "ChatDbxGateway", "DbxGatewayEmbeddings", "DbxGateway", "DbxGatewayEmbedding")

WITHOUT_A_MARKER = """
import sys
sys.path.insert(0, sys.argv[1])
from added_settings import add
add('    vault_key: SecretStr | None = None\\n')
import dbx_gateway.settings
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def facts():
    done = run("-W", "ignore", str(PROGRAM))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@promise("setting-markers")
@pytest.mark.parametrize("front", FRONT_ENDS)
def test_a_secret_is_in_no_form_of_any_object(facts, front):
    assert [form for form, text in facts["forms"][front].items() if "s3cret" in text] == []
    assert "s3cret" not in facts["misfit"] + facts["misspelt"] + facts["veiled"]


@pytest.mark.parametrize("front", FRONT_ENDS)
@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_is_in_every_form(facts, front, name):
    forms = {form: text for form, text in facts["forms"][front].items() if form != "pickle"}
    assert [form for form, text in forms.items() if str(SHOWN[name]) not in text] == []


@pytest.mark.parametrize("front", FRONT_ENDS)
def test_a_pickle_keeps_what_it_may_and_what_is_loaded_asks_for_the_rest(facts, front):
    loaded = facts["loaded"][front]
    assert loaded["shown"] == SHOWN
    assert sorted(loaded["gone"]) == sorted(loaded["lost"]) == sorted(HIDDEN)
    assert "vault_words= is never part of a pickle; give vault_words= again" in loaded["says"]


@pytest.mark.parametrize("front", FRONT_ENDS)
def test_copies_share_an_object_of_the_process(facts, front):
    assert facts["shared"][front]


def test_one_call_may_change_what_the_marker_lets_it_change(facts):
    refused = {name for name, words in facts["per call"].items() if words is not None}
    assert refused == {"vault_key", "vault_words", "vault_headers", "courier", "region"}
    assert all("cannot change per call" in facts["per call"][name] for name in refused)


def test_caches_tell_apart_what_the_marker_lets_them_and_hold_no_secret(facts):
    keys = facts["keys"]
    assert len({keys[name] for name in ("", "tone", "region", "seal", "other seal", "call tone")}) == 6
    assert keys["haste"] == keys["call haste"] == keys["call password"] == keys[""]
    assert keys["call seal"] not in (keys[""], keys["call tone"])
    assert keys["vault_key"] != keys[""]  # that there is one; LangChain writes the name of its variable
    assert SHOWN["tone"] in keys["call tone"]
    assert SHOWN["tone"] in keys["call mood"]
    assert [name for name, text in keys.items() if "s3cret" in text] == []


def test_what_a_framework_has_serialised_is_read_again(facts):
    again = facts["read again"]
    assert again["named"]["id"] == ["VAULT_KEY"]
    assert again["vault_key"] == "from elsewhere"
    assert sorted(again["lost"]) == sorted(set(HIDDEN) - {"vault_key"})
    assert again["langchain"] == again["llama-index"] == SHOWN
    assert again["llama-index hidden"] == []


def test_its_other_names_and_its_variable_are_known(facts):
    assert facts["aliases"] == {"strongbox_key": "vault_key", "mood": "tone"}
    assert facts["by alias"] == "flat"
    assert facts["of the environment"] == "from the environment"
    assert "did you mean 'vault_key'" in facts["misspelt"]
    assert facts["credentials"] == ["token", "workspace_client", "sdk_config", "vault_words"]


@pytest.mark.parametrize("front", FRONT_ENDS)
def test_help_shows_it(facts, front):
    assert facts["descriptions"][front] == "How the answer sounds."
    assert "    tone: How the answer sounds.\n" in facts["help"][front]
    assert "    vault_key: Opens the vault.\n" in facts["help"][front]


@promise("setting-markers")
def test_a_setting_without_a_marker_is_refused_before_anyone_can_use_it():
    done = run("-c", WITHOUT_A_MARKER, str(PROGRAM.parent))
    assert done.returncode == 1
    assert "TypeError: the setting 'vault_key' has no marker" in done.stderr


def test_every_setting_of_the_program_has_a_value():
    assert {*HIDDEN, *SHOWN} < set(FIELDS)
