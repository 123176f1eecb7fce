import pytest

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.quirks.catalogue import (
    QUIRKS,
    answer_fixes,
    applicable,
    check_disabled,
    explain,
    fix_request,
    of_every_quirk,
    quirk_named,
)


def names(quirks):
    return [quirk.name for quirk in quirks]


def test_names_are_unique():
    assert len(set(names(QUIRKS))) == len(QUIRKS)


def test_a_quirk_is_found_by_its_name():
    assert [quirk_named(name) for name in names(QUIRKS)] == list(QUIRKS)


def test_a_mistaken_name_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigurationError, match="did you mean 'drop-stream-options'"):
        quirk_named("drop-stream-option")
    with pytest.raises(ConfigurationError, match="did you mean 'drop-name'"):
        check_disabled(["drop-names"])


def test_a_table_that_lacks_a_quirk_or_knows_one_too_many_is_refused_with_its_name():
    table = dict.fromkeys(names(QUIRKS), 1)
    assert of_every_quirk("TABLE", table) is table
    with pytest.raises(LookupError, match="TABLE has an entry for drop-it, and there is no such quirk"):
        of_every_quirk("TABLE", {**table, "drop-it": 1})
    del table["drop-name"]
    with pytest.raises(LookupError, match="TABLE has no entry for the quirk drop-name"):
        of_every_quirk("TABLE", table)


def test_all_stands_for_every_quirk():
    assert check_disabled(["all"]) == {"all", "unanswered-calls", *names(QUIRKS)}
    assert check_disabled(["drop-name", "unanswered-calls"]) == {"drop-name", "unanswered-calls"}
    assert check_disabled([]) == frozenset()


def test_a_disabled_quirk_does_not_apply(at):
    assert "drop-name" in names(applicable(at("llama")))
    assert "drop-name" not in names(applicable(at("llama"), frozenset({"drop-name"})))
    assert applicable(at("llama"), check_disabled(["all"])) == ()


def test_a_reactive_quirk_applies_once_it_was_learned(at):
    learned = frozenset({"tool-choice-required", "max-tokens-name"})
    assert "tool-choice-required" not in names(applicable(at("qwen")))
    assert "tool-choice-required" in names(applicable(at("qwen"), learned=learned))
    assert "max-tokens-name" not in names(applicable(at("qwen"), learned=learned))
    assert "tool-choice-required" not in names(applicable(at("qwen"), frozenset({"tool-choice-required"}), learned))


def test_apis_without_quirks_of_a_kind_get_none_of_it(at):
    assert names(applicable(at("gemini", "generate-content"))) == ["schema-gemini"]


def test_the_answer_tool_is_held_to_the_rules_of_tools(at):
    wanted = {"type": "json_schema", "json_schema": {"name": "Sum", "schema": {"properties": {}}, "strict": True}}
    body = {"messages": [{"role": "user", "content": "Hi"}], "response_format": wanted}
    context = at("claude")
    sent = fix_request(body, context, applicable(context))
    function = sent["tools"][0]["function"]
    assert "strict" not in function
    assert function["parameters"] == {"type": "object", "properties": {}}


def test_a_structured_answer_with_tools_still_streams(at):
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "add"}}],
        "response_format": {"type": "json_object"},
        "stream": True,
    }
    context = at("llama", stream=True)
    assert fix_request(body, context, applicable(context))["stream"] is True


def test_the_arguments_of_a_claude_call_are_put_right_before_the_answer_tool_reads_them(at):
    context = at("claude", stream=True)
    body = {"messages": [], "response_format": {"type": "json_object"}, "stream": True}
    fix = answer_fixes(body, context, applicable(context))

    def event(arguments, name=None):
        function = {"arguments": arguments, **({"name": name} if name else {})}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}}]}

    read = [fix(one) for one in (event("", "answer"), event("{}"), event('{"sum":4}'))]
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in read) == '{"sum":4}'


def test_without_fixes_an_answer_passes_as_it_is(at):
    context = at("gpt", "responses")
    answer = {"output": []}
    assert answer_fixes({}, context, applicable(context))(answer) is answer


def test_explanations_say_when_each_quirk_applies(at):
    rows = {row.name: row for row in explain(at("qwen"), frozenset({"drop-name"}))}
    assert rows["drop-name"].applied == "disabled"
    assert rows["tool-choice-required"].applied == "after a refusal"
    assert rows["params-required"].applied == "always"
    assert "claude-usage-exclusive" not in rows
    assert all(row.reason and row.source and row.delete_when for row in rows.values())
