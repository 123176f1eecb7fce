"""Answers of a form and forced calls, asked for in the way a model can carry: whole and streamed to the same result."""

import json

import httpx
import pytest
from support.promises import promise

from dbx_gateway import Client, OutputFormat, ToolChoice, ToolSpec, tool_result, user
from dbx_gateway.call.forms import asked_otherwise
from dbx_gateway.call.observations import Observations
from dbx_gateway.call.translation import translated_events
from dbx_gateway.chat import ChatRequest, Finish, Text, system
from dbx_gateway.errors import BadRequestError
from dbx_gateway.events import End, PartEnd, TextDelta, fold
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Workspace
from dbx_gateway.testing.in_process import workspace_transport

CLAUDE, UNFORCEABLE, OLD = "databricks-claude-sonnet-4-5", "databricks-claude-opus-5-5", "databricks-claude-sonnet-4"
QWEN, GEMINI, GPT = "databricks-qwen35-122b-a10b", "databricks-gemini-2-5-pro", "databricks-gpt-5-4"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
THINKING = {"thinking": 2000, "max_tokens": 5000}
NUMBERS = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x", "y"]}
ADD, SUB = (ToolSpec(name=name, description=f"{name}s", parameters=NUMBERS) for name in ("add", "sub"))
FREE = {"type": "object", "additionalProperties": {"type": "string"}}
BAG = {"type": "object", "properties": {"name": {"type": "string"}, "props": FREE}, "required": ["name", "props"]}
NODE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/Node"}},
    "required": ["name"],
}
TREE = {**NODE, "$defs": {"Node": NODE}}
ASKED = "Add 2 and 3"


def answer_of(schema, **fields):
    return {"output": OutputFormat(kind="json_schema", name="Thing", schema=schema, **fields)}


def forced(*tools, names=()):
    return {"tools": tools, "tool_choice": ToolChoice("required", names)}


class Asked:
    """A client of a workspace of its own, or of a function that answers, and the bodies that were sent."""

    def __init__(self, model, respond=None, **settings):
        self.workspace = Workspace()
        handler = httpx.MockTransport(self._answer)
        self._respond = respond
        self._inner = workspace_transport(self.workspace)
        self.bodies = []
        options = {"host": "https://ws.test", "token": self.workspace.token, "surface": "ai-gateway", "max_retries": 0}
        http = httpx.Client(transport=handler)
        self.client = Client(model=model, http_client=http, observations=Observations(), **options | settings)

    def _answer(self, request):
        body = json.loads(request.content) if request.content else None
        if body is not None:
            self.bodies.append(body)
        refusal = self._respond(body) if self._respond is not None and body is not None else None
        return refusal or self._inner.handle_request(request)

    def __call__(self, stream, *messages, **options):
        conversation = [*messages] or [user(ASKED)]
        if stream:
            return fold(self.client.stream(conversation, **options))
        return self.client.chat(conversation, **options)


def refused(words):
    return httpx.Response(400, json={"error_code": "BAD_REQUEST", "message": words})


def calls_of(answer):
    return [(call.name, call.parsed()) for call in answer.executable_tool_calls]


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
UNFORCED = [
    (UNFORCEABLE, {}, "output_config"),
    (CLAUDE, THINKING, "output_config"),
    (UNFORCEABLE, {"api": "chat-completions"}, None),
    (CLAUDE, {**THINKING, "api": "chat-completions"}, None),
    (OLD, THINKING, None),
    (QWEN, {}, "response_format"),
]


@promise("forced-calls")
@both
@pytest.mark.parametrize(("model", "settings", "field"), UNFORCED)
def test_one_forced_call_is_asked_for_by_its_schema_and_handed_back_as_that_call(model, settings, field, stream):
    asked = Asked(model, **settings)
    for options in (forced(ADD), forced(ADD, SUB, names=("add",))):
        answer = asked(stream, **options)
        assert calls_of(answer) == [("add", {"x": 2, "y": 3})]
        assert (answer.text, answer.finish.reason) == ("", "tool_calls")
        assert "tools" not in asked.bodies[-1]
        assert field is None or field in asked.bodies[-1]
    if settings.get("thinking"):
        assert asked.bodies[-1]["thinking"]["type"] == "enabled"


@promise("forced-calls")
@both
@pytest.mark.parametrize(("model", "settings", "field"), UNFORCED)
def test_of_several_the_model_decides_and_a_warning_says_so(model, settings, field, stream, caplog):
    answer = Asked(model, **settings)(stream, **forced(ADD, SUB))
    assert calls_of(answer) == [("add", {"x": 2, "y": 3})]
    assert caplog.text


@both
def test_a_call_that_was_made_by_a_schema_goes_back_with_its_result(stream):
    asked = Asked(UNFORCEABLE)
    first = asked(stream, **forced(ADD))
    (call,) = first.tool_calls
    history = (user(ASKED), first.message, tool_result(call, "5"))
    assert calls_of(asked(stream, *history, **forced(ADD)))[0][0] == "add"
    assert asked.bodies[-1]["tool_choice"] == {"type": "none"}
    assert "5" in asked(stream, *history, tools=(ADD,)).text


def test_arguments_of_a_call_by_schema_arrive_in_pieces():
    request = ChatRequest(model=UNFORCEABLE, messages=(user(ASKED),), **forced(ADD))
    _, form = asked_otherwise(request, profile_of(UNFORCEABLE), "messages")
    pieces = [TextDelta(0, piece) for piece in (" ", '{"x"', ": 2, ", '"y": 3}')]
    stream = [*pieces, PartEnd(0, Text(' {"x": 2, "y": 3}')), End(Finish(reason="stop"))]
    events = translated_events(stream, [form.reader()])
    assert [type(event).__name__ for event in events] == ["ToolCallStart", *["ToolCallDelta"] * 3, "ToolCallEnd", "End"]
    assert calls_of(fold(events)) == [("add", {"x": 2, "y": 3})]


@promise("form-that-is-carried")
@both
@pytest.mark.parametrize("schema", [BAG, TREE], ids=["free keys", "recursion"])
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, OLD])
def test_what_the_form_of_an_answer_cannot_carry_goes_by_a_tool(model, schema, stream):
    asked = Asked(model)
    answer = asked(stream, **answer_of(schema))
    assert json.loads(answer.text).keys() >= set(schema["required"])
    assert (answer.tool_calls, answer.finish.reason) == ((), "stop")
    (body,) = asked.bodies
    assert "tools" in body
    assert "format" not in body.get("output_config", {})
    assert "responseSchema" not in body.get("generationConfig", {})


@promise("form-that-is-carried")
@both
@pytest.mark.parametrize("schema", [BAG, TREE], ids=["free keys", "recursion"])
@pytest.mark.parametrize(("model", "settings"), [(UNFORCEABLE, {}), (CLAUDE, THINKING)])
def test_and_by_words_where_no_tool_can_be_forced(model, settings, schema, stream):
    asked = Asked(model, **settings)
    assert json.loads(asked(stream, **answer_of(schema)).text).keys() >= set(schema["required"])
    assert "additionalProperties" in json.dumps(asked.bodies[-1]["system"]) or schema is TREE
    assert "tools" not in asked.bodies[-1]


def test_free_keys_are_not_closed_by_strict():
    asked = Asked(GPT)
    asked(False, **answer_of(BAG, strict=True))
    assert asked.bodies[-1]["tools"][0]["parameters"]["properties"]["props"] == FREE


@pytest.mark.parametrize(
    ("model", "field"),
    [(CLAUDE, "output_config"), (GPT, "text"), (GEMINI, "generationConfig"), (LLAMA, "response_format")],
)
def test_a_schema_that_the_api_carries_is_sent_in_its_own_field(model, field):
    asked = Asked(model)
    asked(False, **answer_of(NUMBERS))
    assert field in asked.bodies[-1]
    assert "tools" not in asked.bodies[-1]


@both
def test_an_answer_by_a_tool_beside_the_callers_tools(stream):
    asked = Asked(CLAUDE)
    first = asked(stream, tools=(ADD,), **answer_of(BAG))
    (call,) = first.tool_calls
    assert call.name == "add"
    last = asked(stream, user(ASKED), first.message, tool_result(call, "5"), tools=(ADD,), **answer_of(BAG))
    assert json.loads(last.text).keys() == {"name", "props"}
    assert (last.tool_calls, last.finish.reason) == ((), "stop")


REFUSALS = [
    (LLAMA, {}, "response_format", 'json: unknown field "response_format"'),
    ("databricks-glm-5-2", {"family": "other"}, "response_format", "response_format is not supported by this endpoint"),
    (CLAUDE, {}, "output_config", "output_config: Extra inputs are not permitted"),
    (
        CLAUDE,
        {"reasoning_effort": "low", "max_tokens": 9000},
        "output_config",
        "output_config: Extra inputs are not permitted",
    ),
    (GPT, {}, "text", "Unsupported parameter: 'text.format' is not supported with this model."),
    (
        GEMINI,
        {},
        "generationConfig",
        "Invalid JSON payload received. Unknown name \"responseSchema\" at 'generation_config'",
    ),
]


@promise("form-that-is-carried")
@both
@pytest.mark.parametrize(("model", "settings", "field", "words"), REFUSALS)
def test_where_the_form_of_an_answer_is_refused_it_goes_by_a_tool_from_then_on(model, settings, field, words, stream):
    def respond(body):
        return refused(words) if "properties" in json.dumps(body.get(field, {})) else None

    asked = Asked(model, respond, **settings)
    for sent in (2, 3):
        answer = asked(stream, **answer_of(NUMBERS))
        assert json.loads(answer.text).keys() == {"x", "y"}
        assert answer.exchange.repairs == ("answer by tool",)
        assert len(asked.bodies) == sent
    assert "y" in json.dumps(asked.bodies[-1])


def test_where_a_tool_is_refused_too_it_goes_by_words():
    def respond(body):
        if "response_format" in body:
            return refused('json: unknown field "response_format"')
        return refused("This model does not support tools.") if "tools" in body else None

    asked = Asked("databricks-glm-5-2", respond, family="other")
    answer = asked(False, **answer_of(NUMBERS))
    assert json.loads(answer.text).keys() == {"x", "y"}
    assert answer.exchange.repairs == ("answer by tool", "answer in words")


def test_a_form_that_is_refused_on_streams_only_is_used_where_nothing_streams():
    def respond(body):
        return (
            refused("response_format is not supported while streaming")
            if body.get("stream") and "response_format" in body
            else None
        )

    asked = Asked("databricks-glm-5-2", respond, family="other", disabled_quirks=["stream-response-format"])
    assert asked(True, **answer_of(NUMBERS)).exchange.repairs == ("answer by tool in streams",)
    asked(False, **answer_of(NUMBERS))
    assert "response_format" in asked.bodies[-1]


@promise("forced-calls")
@both
def test_a_refusal_of_thinking_beside_a_forced_call_is_repaired(stream):
    def respond(body):
        is_forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
        return refused("Thinking may not be enabled when tool_choice forces tool use.") if is_forced else None

    asked = Asked("databricks-claude-sonnet-4-6", respond, reasoning_effort="low")
    answer = asked(stream, **forced(ADD))
    assert calls_of(answer) == [("add", {"x": 2, "y": 3})]
    assert answer.exchange.repairs == ("call not forced while thinking",)
    assert "thinking" in asked.bodies[-1]


@both
def test_a_refusal_of_thinking_beside_a_forced_call_leaves_the_calls_of_those_who_do_not_think_forced(stream):
    def respond(body):
        is_forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
        words = "Thinking may not be enabled when tool_choice forces tool use."
        return refused(words) if is_forced and "thinking" in body else None

    asked = Asked("databricks-claude-sonnet-4-6", respond)
    for number in range(2):  # the second is not refused: it is known by then
        asked(stream, **forced(ADD), reasoning_effort="low")
        assert len(asked.bodies) == 2 + number
    asked(stream, **forced(ADD))
    assert asked.bodies[-1]["tool_choice"]["type"] in ("any", "tool")


def test_nothing_is_asked_otherwise_where_repairs_are_off():
    asked = Asked(
        "databricks-glm-5-2",
        lambda body: refused('json: unknown field "response_format"'),
        family="other",
        disabled_quirks=["all"],
    )
    with pytest.raises(BadRequestError, match="response_format"):
        asked(False, **answer_of(NUMBERS))
    assert len(asked.bodies) == 1


def test_prose_in_place_of_a_call_stays_prose():
    asked = Asked(UNFORCEABLE, lambda _: httpx.Response(200, json={
        "id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "I would rather not."}], "usage": {"input_tokens": 1, "output_tokens": 1},
    }))  # fmt: skip
    answer = asked(False, **forced(ADD))
    assert (answer.text, answer.tool_calls, answer.finish.reason) == ("I would rather not.", (), "stop")


def test_braces_in_the_callers_instructions_do_not_hide_the_schema():
    tool = ToolSpec(name="pack", parameters=BAG)
    answer = Asked(UNFORCEABLE)(
        False, system("The document is {'name': 'elm'}."), user("The name is 'oak'."), **forced(tool)
    )
    assert calls_of(answer) == [("pack", {"name": "oak", "props": {}})]
