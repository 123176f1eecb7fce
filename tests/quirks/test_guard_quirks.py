import pytest

from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.quirks.catalogue import applicable, quirk_named


def tools(count):
    return [{"type": "function", "function": {"name": f"tool_{number}"}} for number in range(count)]


def test_more_than_32_tools_are_refused_with_the_off_switch_named(at):
    with pytest.raises(InvalidRequestError) as caught:
        quirk_named("tools-cap-32").request({"tools": tools(33)}, at("gpt", surface="model-serving"))
    for words in ("33 tools", 'disabled_quirks=["tools-cap-32"]', "DBX_GATEWAY_DISABLED_QUIRKS", "ai-gateway"):
        assert words in caught.value.message


def test_32_tools_pass(at, fixed):
    body = {"tools": tools(32)}
    assert fixed("tools-cap-32", body, at("llama", surface="model-serving")) is body


@pytest.mark.parametrize(
    ("family", "surface", "guarded"),
    [
        ("gpt", "model-serving", True),
        ("glm", "model-serving", True),
        ("claude", "model-serving", False),
        ("gemini", "model-serving", False),
        ("gpt", "ai-gateway", False),
    ],
)
def test_the_cap_is_model_servings_for_gpt_and_open_models(family, surface, guarded, at):
    names = {quirk.name for quirk in applicable(at(family, surface=surface))}
    assert ("tools-cap-32" in names) is guarded


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"tools": [{"type": "code_execution_20250825", "name": "code"}]}, "code_execution_20250825"),
        ({"container": "container_1"}, "container"),
    ],
)
def test_anthropics_server_tools_are_refused_with_the_off_switch_named(extra, named, at):
    with pytest.raises(InvalidRequestError) as caught:
        quirk_named("anth-server-tools").request(extra, at("claude", "messages"))
    assert named in caught.value.message
    assert 'disabled_quirks=["anth-server-tools"]' in caught.value.message


@pytest.mark.parametrize(
    "tool", [{"name": "add", "input_schema": {}}, {"type": "custom", "name": "add"}, {"type": "bash_20250124"}]
)
def test_tools_that_the_caller_runs_pass(tool, at, fixed):
    body = {"tools": [tool]}
    assert fixed("anth-server-tools", body, at("claude", "messages")) is body
