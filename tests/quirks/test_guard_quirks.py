import pytest
from support.promises import promise

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


LINK = {"type": "url", "url": "https://e.com/a"}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([{"type": "text", "text": "See"}, {"type": "image", "source": LINK}], "an image"),
        ([{"type": "document", "source": LINK}], "a document"),
        ([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image", "source": LINK}]}], "an image"),
    ],
)
def test_media_by_url_are_refused_with_the_route_and_the_off_switch_named(content, named, at):
    with pytest.raises(InvalidRequestError) as caught:
        quirk_named("anth-media-url").request(
            {"messages": [{"role": "user", "content": content}]}, at("claude", "messages")
        )
    for words in (named, "ai-gateway messages", "give its bytes", 'disabled_quirks=["anth-media-url"]'):
        assert words in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        "hello",
        [{"type": "image", "source": {"type": "base64", "data": ""}}],
        [{"type": "tool_result", "content": "url"}],
    ],
)
def test_media_by_their_bytes_pass(content, at, fixed):
    body = {"messages": [{"role": "user", "content": content}]}
    assert fixed("anth-media-url", body, at("claude", "messages")) is body


@pytest.mark.parametrize(
    "tool", [{"name": "add", "input_schema": {}}, {"type": "custom", "name": "add"}, {"type": "bash_20250124"}]
)
def test_tools_that_the_caller_runs_pass(tool, at, fixed):
    body = {"tools": [tool]}
    assert fixed("anth-server-tools", body, at("claude", "messages")) is body


GONE = {"type": "object", "properties": {"x": {"$ref": "#/$defs/Gone"}}}


@promise("schemas-refused-by-name")
@pytest.mark.parametrize(
    ("family", "api", "tool"),
    [
        ("gpt", "responses", {"type": "function", "name": "look_up", "parameters": GONE}),
        ("gpt", "chat-completions", {"type": "function", "function": {"name": "look_up", "parameters": GONE}}),
        ("claude", "chat-completions", {"type": "function", "function": {"name": "look_up", "parameters": GONE}}),
        ("claude", "messages", {"name": "look_up", "input_schema": GONE}),
    ],
)
def test_a_schema_that_the_model_cannot_take_is_refused_by_its_tools_name(family, api, tool, at):
    sound = {"name": "add", "type": "function", "parameters": {"type": "object"}, "function": {"name": "add"}}
    with pytest.raises(InvalidRequestError) as caught:
        quirk_named("schema-limits").request({"tools": [sound, tool]}, at(family, api))
    for words in ("'look_up'", "'#/$defs/Gone'", 'disabled_quirks=["schema-limits"]'):
        assert words in caught.value.message


DEFINED = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"$ref": {"type": "string"}}}}}
LOOP = {"type": "object", "properties": {"next": {"$ref": "#"}, "other": {"$ref": "https://example.com/a.json"}}}
FREE = {"type": "object", "additionalProperties": True}


@pytest.mark.parametrize("schema", [DEFINED, LOOP, FREE, {"type": "object", "examples": [{"$ref": "#/$defs/Gone"}]}])
@pytest.mark.parametrize("family", ["gpt", "claude"])
def test_what_a_model_takes_passes_the_guard_of_schemas(family, schema, at):
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    body = {"tools": [tool]}
    assert quirk_named("schema-limits").request(body, at(family)) is body


def doubling(levels):
    """Definitions of which each holds the next one twice."""
    held = {
        f"D{n}": {"type": "object", "properties": {key: {"$ref": f"#/$defs/D{n + 1}"} for key in "ab"}}
        for n in range(levels)
    }
    return {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/D0"}},
        "$defs": {**held, f"D{levels}": {"type": "string"}},
    }


@pytest.mark.parametrize(
    ("quirk", "family", "api"),
    [
        ("schema-gemini", "gemini", "generate-content"),
        ("schema-gemini", "gemini", "chat-completions"),
        ("schema-open-models", "llama", "chat-completions"),
    ],
)
def test_a_schema_that_grows_beyond_every_measure_is_refused_by_its_tools_name(quirk, family, api, at):
    function = {"name": "grows", "parameters": doubling(20)}
    tool = (
        {"functionDeclarations": [function]}
        if api == "generate-content"
        else {"type": "function", "function": function}
    )
    with pytest.raises(InvalidRequestError, match="tool 'grows': with its"):
        quirk_named(quirk).request({"tools": [tool]}, at(family, api))
