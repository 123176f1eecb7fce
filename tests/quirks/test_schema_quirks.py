import pytest

ASK = {"messages": [{"role": "user", "content": "2 + 2?"}]}


def chat_tool(schema):
    return {"type": "function", "function": {"name": "add", "parameters": schema}}


def simplified(schema, at, fixed):
    sent = fixed("schema-open-models", {**ASK, "tools": [chat_tool(schema)]}, at("llama"))
    return sent["tools"][0]["function"]["parameters"]


def test_a_schema_without_a_root_type_is_said_to_be_an_object(at, fixed):
    schema = {"properties": {"x": {"type": "number"}}}
    body = {**ASK, "tools": [chat_tool(schema)]}
    assert fixed("schema-object-root", body, at("gpt"))["tools"] == [chat_tool({"type": "object", **schema})]


def test_flat_tools_of_responses_get_their_root_type(at, fixed):
    body = {"input": "Hi", "tools": [{"type": "function", "name": "add", "parameters": {}}, {"type": "web_search"}]}
    assert fixed("schema-object-root", body, at("gpt", "responses"))["tools"] == [
        {"type": "function", "name": "add", "parameters": {"type": "object"}},
        {"type": "web_search"},
    ]


def test_the_schema_of_an_answer_gets_its_root_type(at, fixed):
    chat = {**ASK, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}
    sent = fixed("schema-object-root", chat, at("gpt"))
    assert sent["response_format"]["json_schema"] == {"name": "a", "schema": {"type": "object"}}
    responses = {"input": "Hi", "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}}
    sent = fixed("schema-object-root", responses, at("gpt", "responses"))
    assert sent["text"]["format"]["schema"] == {"type": "object"}


def test_a_root_type_that_is_there_stays(at, fixed):
    body = {**ASK, "tools": [chat_tool({"type": "array", "items": {}})]}
    assert fixed("schema-object-root", body, at("gpt")) is body


def test_a_union_becomes_its_first_real_branch_and_says_the_others(at, fixed):
    schema = {
        "type": "object",
        "properties": {"x": {"anyOf": [{"type": "null"}, {"type": "integer"}, {"type": "string"}], "title": "X"}},
    }
    assert simplified(schema, at, fixed)["properties"]["x"] == {
        "type": "integer",
        "title": "X",
        "description": 'or: {"type":"null"}, {"type":"string"}',
    }


@pytest.mark.parametrize("union", [[{"type": "null"}], []])
def test_a_union_without_a_real_branch_leaves_what_stands_beside_it(union, at, fixed):
    schema = {"type": "object", "properties": {"x": {"anyOf": union, "title": "X"}, "y": {"type": "string"}}}
    assert simplified(schema, at, fixed)["properties"] == {"x": {"title": "X"}, "y": {"type": "string"}}


def test_references_are_inlined_and_constraints_told_in_words(at, fixed):
    schema = {
        "type": "object",
        "properties": {"people": {"type": "array", "items": {"$ref": "#/$defs/Person"}}},
        "$defs": {"Person": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}}},
    }
    assert simplified(schema, at, fixed) == {
        "type": "object",
        "properties": {
            "people": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string", "description": "maxLength: 9"}},
                },
            }
        },
    }


def test_all_branches_of_all_of_are_joined(at, fixed):
    first = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    second = {"properties": {"b": {"type": "string", "pattern": "^b$"}}, "required": ["a", "b"]}
    assert simplified({"allOf": [first, second]}, at, fixed) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string", "description": 'pattern: "^b$"'}},
        "required": ["a", "b"],
    }


def test_properties_that_are_called_like_keywords_stay(at, fixed):
    schema = {"type": "object", "properties": {"pattern": {"type": "string"}, "anyOf": {"type": "string"}}}
    body = {**ASK, "tools": [chat_tool(schema)]}
    assert fixed("schema-open-models", body, at("llama")) is body


def test_simplifying_is_warned_about(at, fixed, caplog):
    simplified({"type": "object", "properties": {"x": {"type": "string", "pattern": "a"}}}, at, fixed)
    assert "parameters of a tool were simplified" in caplog.text
