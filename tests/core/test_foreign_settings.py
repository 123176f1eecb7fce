"""A setting under another package's name is an error that says what to write here, and what it says is taken."""

from __future__ import annotations

import re

import pytest
from lifecycles.front_ends import FRONT_ENDS, front_end

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.foreign_settings import FOREIGN_SETTINGS, unknown_setting
from dbx_gateway.settings import ALIASES, Settings, SettingsFields

KNOWN = {*SettingsFields.model_fields, *ALIASES, "base_url"}

RIGHT = {
    "request_timeout": "timeout=",
    "default_request_timeout": "timeout=",
    "api_base": "base_url=",
    "use_responses_api": "api='responses'",
    "use_ai_gateway": "surface='ai-gateway'",
    "verbosity": "extra_body={'text': {'verbosity': '…'}}",
    "store": "extra_body={'store': True}",
    "user": "extra_body={'user': '…'}",
    "betas": "default_headers={'anthropic-beta': '…'}",
    "include": "extra_body={'include': ['reasoning.encrypted_content', …]}",
    "previous_response_id": "not offered",
    "stream_usage": "leave it out",
    "client": "workspace_client=",
    "target_uri": "config_profile=",
    "extra_headers": "default_headers=",
    "additional_kwargs": "model_kwargs=",
    "max_completion_tokens": "max_tokens=",
}


@pytest.mark.parametrize(("name", "advice"), RIGHT.items(), ids=RIGHT)
def test_every_front_end_says_what_to_write_for_another_packages_name(name, advice):
    for front in FRONT_ENDS:
        with pytest.raises(ConfigurationError) as caught:
            front_end(front, model="m", host="https://w.example.com", token="t", **{name: "x"})
        assert f"unknown setting {name!r}; " in caught.value.message
        assert advice in caught.value.message


@pytest.mark.parametrize("name", FOREIGN_SETTINGS)
def test_what_is_advised_exists(name):
    named = set(re.findall(r"\b(\w+)=", FOREIGN_SETTINGS[name]))
    assert named <= KNOWN
    assert named or re.search("leave it out|not offered", FOREIGN_SETTINGS[name])


@pytest.mark.parametrize("name", FOREIGN_SETTINGS)
def test_no_setting_of_ours_is_called_foreign(name):
    assert name not in KNOWN
    with pytest.raises(ConfigurationError, match=re.escape(FOREIGN_SETTINGS[name])):
        Settings.of({name: "x"})
    with pytest.raises(ConfigurationError, match=re.escape(FOREIGN_SETTINGS[name])):
        Settings.of({"model": "m"}).with_options({name: "x"})


def test_any_other_name_gets_the_nearest_one():
    assert (
        str(unknown_setting("temprature", ["temperature"]))
        == "unknown setting 'temprature'; did you mean 'temperature'?"
    )
