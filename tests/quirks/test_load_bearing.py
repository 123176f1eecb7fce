"""Each quirk is needed: without it a simulated workspace refuses the request, or its answer reads wrong.

Four of the workspace's replies prove it for a quirk of the request. With the quirk, it accepts. Without, it refuses.
Without the quirk and without the workspace's rule of the same name, it accepts again: so it was that rule that refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from pydantic_core import from_json, to_json
from support.promises import promise

from dbx_gateway.call.repairs import repair_for
from dbx_gateway.chat import (
    Blob,
    CacheHint,
    ChatRequest,
    ChatResponse,
    File,
    Image,
    Message,
    Native,
    Origin,
    OutputFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    assistant,
    system,
    user,
)
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.error_bodies import RequestTarget, api_error
from dbx_gateway.errors import APIError, InvalidRequestError
from dbx_gateway.events import fold
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.quirks.catalogue import QUIRKS, answer_fixes, applicable, fix_request, quirk_named
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.schemas.strict import strictly
from dbx_gateway.testing import Workspace

PATHS = {
    ("ai-gateway", "chat-completions"): "/ai-gateway/mlflow/v1/chat/completions",
    ("model-serving", "chat-completions"): "/serving-endpoints/chat/completions",
    ("ai-gateway", "responses"): "/ai-gateway/openai/v1/responses",
    ("model-serving", "responses"): "/serving-endpoints/responses",
    ("ai-gateway", "messages"): "/ai-gateway/anthropic/v1/messages",
    ("model-serving", "messages"): "/serving-endpoints/anthropic/v1/messages",
}


@dataclass(frozen=True)
class Asking:
    """A request to a model on a surface by an api, with some quirks turned off."""

    request: ChatRequest
    api: str = "chat-completions"
    surface: str = "ai-gateway"
    disabled: frozenset[str] = frozenset()

    @property
    def context(self):
        profile = profile_of(self.request.model)
        return Context(
            model=self.request.model,
            surface=self.surface,
            family=profile.family,
            api=self.api,
            stream=self.request.stream,
            profile=profile,
        )

    @property
    def path(self):
        if self.api != "generate-content":
            return PATHS[self.surface, self.api]
        prefix = "ai-gateway" if self.surface == "ai-gateway" else "serving-endpoints"
        return f"/{prefix}/gemini/v1beta/models/{self.request.model}:generateContent"

    def without(self, name):
        return replace(self, disabled=frozenset({name}))

    def encoded(self):
        return DIALECTS[self.api].encode(self.request, self.context.profile)

    def fixed(self):
        return fix_request(self.encoded(), self.context, applicable(self.context, self.disabled))

    def send(self, workspace, body):
        """The answer to ``body``; the client's error where the workspace refuses it."""
        reply = workspace.handle("POST", self.path, {"authorization": f"Bearer {workspace.token}"}, to_json(body))
        raw = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
        if reply.status != 200:
            raise api_error(reply.status, reply.headers, raw, RequestTarget(self.request.model, self.path))
        return self.decoded(raw, reply.headers["content-type"])

    def decoded(self, raw, content_type) -> ChatResponse:
        dialect, fix = (
            DIALECTS[self.api],
            answer_fixes(self.encoded(), self.context, applicable(self.context, self.disabled)),
        )
        if content_type != "text/event-stream":
            return dialect.decode(fix(from_json(raw)), self.request.model)
        decoder = dialect.decoder(self.request.model)
        events = []
        for line in raw.splitlines():
            if line.startswith(b"data: "):
                data = line.removeprefix(b"data: ")
                events += decoder.sentinel() if data == b"[DONE]" else decoder.feed(fix(from_json(data)))
        return fold([*events, *decoder.close()])

    def ask(self, workspace):
        return self.send(workspace, self.fixed())


CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-1"
GPT_REASONING = "databricks-gpt-5-4"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
QWEN = "databricks-qwen3-next-80b-a3b-instruct"
GEMINI = "databricks-gemini-2-5-flash"
GLM = "databricks-glm-5-2"
GPT_OSS = "databricks-gpt-oss-120b"

ADD = ToolSpec(
    name="add",
    description="Adds two numbers.",
    parameters={
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x", "y"],
    },
)
SUM = OutputFormat(
    kind="json_schema",
    name="Sum",
    schema={"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]},
)


def asked(model, *messages, **options):
    return ChatRequest(model=model, messages=messages or (user("Add 2 and 3."),), **options)


def called(*ids, text=None):
    said = () if text is None else (Text(text),)
    calls = (ToolCall(call_id=one, name="add", arguments='{"x":2,"y":3}') for one in ids)
    return Message(role="assistant", parts=(*said, *calls))


LINKED = Image(blob=Blob(url="https://e.com/a.png"))
LINKED_FILE = File(blob=Blob(url="https://e.com/a.pdf"))


def linked_result():
    result = ToolResult(call_id="toolu_1", name="add", content=(Text("See"), LINKED))
    return user("Add."), called("toolu_1"), Message(role="tool", parts=(result,))


def told(*ids, text="5"):
    results = (ToolResult(call_id=one, name="add", content=(Text(text),) if text else ()) for one in ids)
    return Message(role="tool", parts=tuple(results))


def history(model, *messages, **options):
    return asked(model, user("Add 2 and 3."), *messages, tools=(ADD,), **options)


def parameters(**keywords):
    return replace(ADD, parameters={"type": "object", "properties": {"x": {"type": "string", **keywords}}})


Cases = list[tuple[str, Asking]]
LONG = "call_" + "7" * 187
BLANK = Native(api="messages", payload={"type": "text", "text": " "})
COMPLETED = Text("5", opaque={"message": {"status": "completed"}})

OUT: Cases = [
    ("empty-assistant-content", Asking(history(CLAUDE, called("a", text=""), told("a")))),
    ("empty-assistant-content", Asking(history(LLAMA, called("a", text=" "), told("a")))),
    ("empty-parts", Asking(asked(CLAUDE, Message(role="user", parts=(Text(""), Text("Hi."), Text("Bye.")))))),
    ("empty-parts", Asking(asked(GPT, system(" "), user("Hi.")))),
    ("empty-tool-result", Asking(history(CLAUDE, called("a"), told("a", text="")))),
    ("bare-assistant", Asking(asked(CLAUDE, user("Hi."), Message(role="assistant"), user("Hi?")))),
    ("split-parallel-tool-results", Asking(history(LLAMA, called("a", "b"), told("a", "b")))),
    ("split-parallel-tool-results", Asking(history(GPT, called("a", "b"), told("b", "a")))),
    ("merge-system", Asking(asked(QWEN, system("Be kind."), system("Be brief."), user("Hi.")))),
    ("merge-turns", Asking(asked(LLAMA, user("Be kind."), user("Hi.")))),
    ("merge-turns", Asking(history(LLAMA, assistant("So."), called("a"), told("a")))),
    ("drop-name", Asking(asked(LLAMA, Message(role="user", name="Ada", parts=(Text("Hi."),))))),
    *(
        ("drop-stream-options", Asking(asked(model, stream=True)))
        for model in (LLAMA, QWEN, GEMINI, GPT_OSS, "databricks-gemma-3-12b")
    ),
    ("drop-parallel-tool-calls", Asking(asked(CLAUDE, tools=(ADD,), parallel_tool_calls=True))),
    ("drop-openai-bookkeeping", Asking(asked(GPT, user("Hi."), user="ada"))),
    ("drop-openai-bookkeeping", Asking(asked(CLAUDE, user("Hi."), metadata={"team": "a"}))),
    ("strip-strict", Asking(asked(LLAMA, tools=(replace(ADD, strict=True),)))),
    ("no-penalties-seed", Asking(asked(CLAUDE, seed=7))),
    ("no-penalties-seed", Asking(asked(LLAMA, presence_penalty=0.5))),
    ("tools-with-response-format", Asking(asked(LLAMA, tools=(ADD,), output=SUM))),
    ("tools-with-response-format", Asking(asked(GPT, tools=(ADD,), output=SUM, stream=True))),
    ("claude-structured-output", Asking(asked(CLAUDE, output=SUM))),
    ("claude-structured-output", Asking(asked(CLAUDE, tools=(ADD,), output=SUM, stream=True))),
    ("stream-response-format", Asking(asked(GLM, output=SUM, stream=True))),
    ("params-required", Asking(asked(LLAMA, tools=(ToolSpec(name="now"),)))),
    ("schema-object-root", Asking(asked(GPT, tools=(replace(ADD, parameters={"properties": {}}),)))),
    ("schema-object-root", Asking(asked(GPT, tools=(replace(ADD, parameters={"properties": {}}),)), "responses")),
    ("schema-gemini", Asking(asked(GEMINI, tools=(parameters(anyOf=[{"$schema": "x", "type": "string"}]),)))),
    ("resp-id-64", Asking(history(CLAUDE, called(LONG), told(LONG)))),
    (
        "resp-output-only-fields",
        Asking(
            asked(
                GPT,
                user("Add 2 and 3."),
                Message(role="assistant", parts=(COMPLETED,), origin=Origin("responses", GPT)),
                user("Thanks."),
            ),
            "responses",
        ),
    ),
    (
        "anth-eager-streaming",
        Asking(asked(CLAUDE, tools=(replace(ADD, extras={"eager_input_streaming": True}),)), "messages"),
    ),
]

REACTIVE: Cases = [
    ("max-tokens-name", Asking(asked(GPT_REASONING, max_tokens=100))),
    ("oss-output-cap", Asking(asked(GLM, max_tokens=200_000))),
    ("tool-choice-required", Asking(asked(QWEN, tools=(ADD,), tool_choice=ToolChoice("required")))),
    ("tool-choice-required", Asking(asked(QWEN, tools=(ADD,), tool_choice=ToolChoice("required", ("add",))))),
    ("user-first", Asking(asked(CLAUDE, assistant("Hi."), user("Hi.")), "messages")),
    ("user-first", Asking(asked(CLAUDE, system("Be kind."), assistant("Hi."), user("Hi.")))),
    ("user-first", Asking(asked(GEMINI, assistant("Hi."), user("Hi.")), "generate-content")),
    ("user-first", Asking(asked(LLAMA, assistant("Hi."), user("Hi.")))),
    ("schema-open-models", Asking(asked(GPT_OSS, tools=(parameters(maxLength=9),)))),
    ("schema-open-models", Asking(asked(LLAMA, tools=(parameters(anyOf=[{"type": "string"}, {"type": "null"}]),)))),
    ("gpt-tools-effort", Asking(asked(GPT_REASONING, tools=(ADD,)))),
]

FREE = {"type": "object", "additionalProperties": {"type": "string"}}
MANY = tuple(ToolSpec(name=f"tool_{number}", parameters={"type": "object"}) for number in range(33))
SEARCH = ToolSpec(name="web_search", native={"type": "web_search_20250305", "name": "web_search"})

FAR = tuple(ToolSpec(name=f"tool_{number}", parameters={"type": "object"}) for number in range(129))
LOST = parameters(**{"$ref": "#/$defs/Gone"})
TREE = {
    "type": "object",
    "properties": {"child": {"$ref": "#/$defs/Node"}},
    "$defs": {"Node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/Node"}}}},
}


def strict(schema):
    """A strict tool with a schema of which all objects are closed."""
    return ToolSpec(name="held", parameters=strictly(schema), strict=True)


def nested(levels):
    return {"type": "object", "properties": {"x": nested(levels - 1)}} if levels else {"type": "string"}


def wide(count, **keywords):
    return {"type": "object", "properties": {f"p{number}": {"type": "string", **keywords} for number in range(count)}}


GUARDS: Cases = [
    ("schema-limits", Asking(asked(GPT, tools=(LOST,)), "responses")),
    ("schema-limits", Asking(asked(GPT, tools=(LOST,)))),
    ("schema-limits", Asking(asked(CLAUDE, tools=(LOST,)))),
    ("schema-limits", Asking(asked(CLAUDE, tools=(LOST,)), "messages")),
    ("schema-limits", Asking(asked(CLAUDE, tools=(replace(ADD, parameters=TREE, strict=True),)), "messages")),
    *[
        ("schema-limits", Asking(asked(GPT, tools=(strict(schema),)), "responses"))
        for schema in (
            nested(11),
            wide(5001),
            wide(1, enum=[f"v{n}" for n in range(1001)]),
            wide(2, const="c" * 70_000),
        )
    ],
    ("schema-limits", Asking(asked(GPT, tools=(strict(nested(11)),)))),
    (
        "schema-limits",
        Asking(
            asked(GPT, tools=(replace(ADD, parameters={"type": "object", "properties": {"x": FREE}}, strict=True),)),
            "responses",
        ),
    ),
    (
        "schema-limits",
        Asking(asked(GPT, output=replace(SUM, schema=strictly(nested(11)), strict=True)), "responses"),
    ),
    ("tools-cap-32", Asking(asked(LLAMA, tools=MANY))),
    ("tools-cap-32", Asking(asked(GPT, tools=MANY), "responses")),
    ("anth-server-tools", Asking(asked(CLAUDE, tools=(SEARCH,)), "messages")),
    ("anth-media-url", Asking(asked(CLAUDE, user("See", LINKED)), "messages")),
    ("anth-media-url", Asking(asked(CLAUDE, user("See", LINKED_FILE)), "messages")),
    ("anth-media-url", Asking(asked(CLAUDE, *linked_result()), "messages")),
]

CACHED = asked(CLAUDE, Message(role="user", parts=(Text("Remember this. " * 50, cache=CacheHint()),)))

IN: Cases = [
    ("claude-empty-args-delta", Asking(asked(CLAUDE, tools=(ADD,), stream=True))),
    ("claude-usage-exclusive", Asking(CACHED)),
    ("claude-usage-exclusive", Asking(replace(CACHED, stream=True))),
]


def everywhere(cases):
    """Each case on each surface that the quirk's gate names."""
    return [
        pytest.param(name, replace(asking, surface=surface), id=f"{name}-{number}-{surface}")
        for number, (name, asking) in enumerate(cases)
        for surface in sorted(quirk_named(name).surfaces)
    ]


def refusal_of(send: Callable[[], object]) -> APIError:
    with pytest.raises(APIError) as caught:
        send()
    assert caught.value.status == 400
    return caught.value


def test_every_quirk_has_a_case_of_its_kind():
    def names(*tables):
        return {name for table in tables for name, _ in table}

    assert names(OUT) == {quirk.name for quirk in QUIRKS if quirk.kind == "out" and quirk.on_refusal is None}
    assert names(REACTIVE) == {quirk.name for quirk in QUIRKS if quirk.on_refusal is not None}
    assert names(GUARDS) == {quirk.name for quirk in QUIRKS if quirk.kind == "guard"}
    assert names(IN) == {quirk.name for quirk in QUIRKS if quirk.kind == "in"}


@pytest.mark.parametrize(("name", "asking"), everywhere(OUT))
def test_a_request_is_accepted_with_the_quirk_and_refused_by_its_rule_without(name, asking):
    asking.ask(Workspace())
    refusal_of(lambda: asking.without(name).ask(Workspace()))
    asking.without(name).ask(Workspace(without=[name]))


@pytest.mark.parametrize(("name", "asking"), everywhere(REACTIVE))
def test_a_refusal_is_recognised_and_the_repaired_request_accepted(name, asking):
    body, workspace = asking.fixed(), Workspace()
    error = refusal_of(lambda: asking.send(workspace, body))
    repair = repair_for(error, body, asking.context)
    assert repair.name == name
    asking.send(workspace, repair.apply(body, asking.context))
    other = repair_for(error, body, asking.context, disabled=frozenset({name}))
    assert other is None or other.name != name
    asking.ask(Workspace(without=[name]))


@promise("schemas-refused-by-name")
@pytest.mark.parametrize(("name", "asking"), everywhere(GUARDS))
def test_a_guard_refuses_before_sending_what_the_workspace_would_refuse(name, asking):
    with pytest.raises(InvalidRequestError, match=name):
        asking.fixed()
    refusal_of(lambda: asking.without(name).ask(Workspace()))


@pytest.mark.parametrize("api", ["responses", "chat-completions"])
def test_the_gateway_takes_128_tools_of_gpt_and_no_more(api):
    asking = Asking(asked(GPT, tools=FAR), api)
    with pytest.raises(InvalidRequestError, match=r"129 tools .*at most 128.*schema-limits"):
        asking.fixed()
    refusal_of(lambda: asking.without("schema-limits").ask(Workspace()))
    replace(asking, request=replace(asking.request, tools=FAR[1:])).ask(Workspace())


@pytest.mark.parametrize(("name", "asking"), everywhere(IN))
def test_an_answer_reads_as_it_truly_is_with_the_quirk_only(name, asking):
    true = asking.without(name).ask(Workspace(without=[name]))
    assert reading(asking.ask(Workspace())) == reading(true)
    assert reading(asking.without(name).ask(Workspace())) != reading(true)


@pytest.mark.parametrize("tools", [(), (ADD,)])
@pytest.mark.parametrize(
    ("model", "surface"),
    [
        ("databricks-kimi-k3", "model-serving"),
        ("databricks-inkling", "model-serving"),
        ("databricks-inkling", "ai-gateway"),
        (GLM, "model-serving"),
        (QWEN, "model-serving"),
    ],
)
def test_a_stream_that_done_alone_ends_reads_like_one_with_a_reason(model, surface, tools):
    asking = Asking(asked(model, tools=tools, stream=True), surface=surface)
    answer, true = asking.ask(Workspace()), asking.ask(Workspace(without=["done-without-finish"]))
    assert (answer.text, len(answer.executable_tool_calls)) == (true.text, len(tools))
    assert [call.parsed() for call in answer.tool_calls] == [call.parsed() for call in true.tool_calls]
    assert (answer.finish.reason, true.finish.reason) == ("unknown", "tool_calls" if tools else "stop")


def reading(answer):
    """What an answer says and what it cost; an absent count of cached tokens is none."""
    usage = answer.usage
    counts = (usage.input, usage.output, usage.total)
    return answer.text, [(call.name, call.arguments) for call in answer.tool_calls], answer.finish.reason, counts


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "model", "tools"),
    [("claude-structured-output", CLAUDE, ()), ("tools-with-response-format", LLAMA, (replace(ADD, name="never"),))],
)
def test_a_structured_answer_reads_as_text_though_it_came_as_a_call(name, model, tools, stream):
    asking = Asking(asked(model, user("Give the Sum of 2 and 3. [no tools]"), tools=tools, output=SUM, stream=stream))
    answer = asking.ask(Workspace())
    assert from_json(answer.text).keys() == {"sum"}
    assert (answer.tool_calls, answer.finish.reason) == ((), "stop")
    assert [call.name for call in unread(asking, name).tool_calls] == ["Sum"]


def unread(asking, name):
    """The answer to the fixed request, read without the quirk."""
    return asking.without(name).send(Workspace(), asking.fixed())


def test_ids_that_the_server_made_too_long_go_back_on_the_next_turn_with_the_quirk_only():
    workspace = Workspace()
    first = Asking(asked(GPT, tools=(ADD,)), "responses").ask(workspace)
    (call,) = first.tool_calls
    assert len(call.call_id) > 64
    next_turn = Asking(history(GPT, first.message, told(call.call_id)), "responses")
    assert next_turn.ask(workspace).text == "The tools answered: 5"
    error = refusal_of(lambda: next_turn.without("resp-id-64").ask(workspace))
    assert "string too long" in error.message


def test_schemas_are_cut_down_for_gemini_on_its_own_api_too():
    asking = Asking(asked(GEMINI, tools=(parameters(**{"$schema": "x"}),)), "generate-content")
    sent = quirk_named("schema-gemini").request(asking.encoded(), asking.context)
    assert "$schema" not in str(sent)
    asking.ask(Workspace())


def test_blank_native_text_is_refused_on_messages_by_the_vendor_too():
    asking = Asking(asked(CLAUDE, Message(role="user", parts=(Text("Hi."), BLANK))), "messages")
    asking.ask(Workspace())
    refusal_of(lambda: asking.without("empty-parts").ask(Workspace()))


def test_native_items_of_an_answer_are_sent_back_without_their_status():
    item = {"type": "message", "role": "assistant", "status": "completed", "content": "5"}
    said = Message(role="assistant", parts=(Native(api="responses", payload=item),))
    asking = Asking(asked(GPT, user("Hi."), said, user("Thanks.")), "responses")
    asking.ask(Workspace())
    refusal_of(lambda: asking.without("resp-output-only-fields").ask(Workspace()))
