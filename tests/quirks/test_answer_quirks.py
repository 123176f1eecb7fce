import copy

from dbx_gateway.quirks.catalogue import quirk_named


def chunk(*calls, content=None):
    delta = {"content": content} if content is not None else {"tool_calls": list(calls)}
    return {"id": "cc-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def piece(index, arguments):
    return {"index": index, "function": {"arguments": arguments}}


def arguments_of(fix, chunks):
    seen = {}
    for one in chunks:
        for call in fix(one)["choices"][0]["delta"].get("tool_calls", ()):
            seen[call["index"]] = seen.get(call["index"], "") + call["function"]["arguments"]
    return seen


def empty_args(at):
    return quirk_named("claude-empty-args-delta").answer({}, at("claude", stream=True))


def test_empty_arguments_before_the_real_ones_are_taken_out(at):
    chunks = [chunk(piece(0, "")), chunk(piece(0, "{}")), chunk(piece(0, '{"a"')), chunk(piece(0, ":1}"))]
    assert arguments_of(empty_args(at), chunks) == {0: '{"a":1}'}


def test_each_call_has_its_own_first_arguments(at):
    chunks = [chunk(piece(0, "{}"), piece(1, "{}")), chunk(piece(1, '{"b":2}')), chunk(piece(0, '{"a":1}'))]
    assert arguments_of(empty_args(at), chunks) == {0: '{"a":1}', 1: '{"b":2}'}


def test_a_call_without_arguments_keeps_text_that_means_none(at):
    assert arguments_of(empty_args(at), [chunk(piece(0, "{}"))]) == {0: ""}


def test_empty_arguments_inside_real_ones_stay(at):
    chunks = [chunk(piece(0, "{}")), chunk(piece(0, '{"a":')), chunk(piece(0, "{}")), chunk(piece(0, "}"))]
    assert arguments_of(empty_args(at), chunks) == {0: '{"a":{}}'}


def test_each_stream_is_read_afresh(at):
    quirk = quirk_named("claude-empty-args-delta")
    for _ in range(2):
        fix = quirk.answer({}, at("claude", stream=True))
        assert arguments_of(fix, [chunk(piece(0, "{}")), chunk(piece(0, "{}"))]) == {0: "{}"}


def test_text_events_pass_untouched_and_nothing_given_changes(at):
    fix = empty_args(at)
    text, call = chunk(content="Hi"), chunk(piece(0, "{}"))
    before = copy.deepcopy(call)
    assert fix(text) is text
    assert fix(call) != before
    assert call == before


def test_a_whole_answer_needs_no_fix_of_its_arguments(at):
    assert quirk_named("claude-empty-args-delta").answer({}, at("claude")) is None


def usage_of(usage, at):
    fix = quirk_named("claude-usage-exclusive").answer({}, at("claude"))
    event = {"choices": [], "usage": usage}
    return fix(event)["usage"]


def test_cached_tokens_are_added_to_the_prompt(at):
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
    }
    before = copy.deepcopy(usage)
    fixed = usage_of(usage, at)
    assert (fixed["prompt_tokens"], fixed["completion_tokens"], fixed["total_tokens"]) == (130, 5, 135)
    assert fixed["prompt_tokens_details"] == {"cached_tokens": 100, "cache_write_tokens": 20}
    assert usage == before


def test_usage_that_is_in_order_stays(at):
    plain = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    assert usage_of(plain, at) is plain
    detailed = {**plain, "cache_read_input_tokens": 4, "prompt_tokens_details": {"cached_tokens": 4}}
    assert usage_of(detailed, at) is detailed


def test_an_answer_without_usage_stays(at):
    fix = quirk_named("claude-usage-exclusive").answer({}, at("claude"))
    for event in ({"choices": []}, {"choices": [], "usage": None}):
        assert fix(event) is event
