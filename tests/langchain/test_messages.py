"""Messages of every origin go to every family, come back to it, and are never changed."""

from __future__ import annotations

import base64
import copy
import json

import pytest
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools.base import TOOL_MESSAGE_BLOCK_TYPES
from support.promises import promise

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    Citation,
    File,
    Image,
    Message,
    Native,
    Reasoning,
    Segment,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from dbx_gateway.errors import InvalidRequestError
from langchain_dbx_gateway.blocks import parts_of
from langchain_dbx_gateway.messages import to_core

CLAUDE, GPT, GEMINI, LLAMA = (
    "databricks-claude-sonnet-4-5",
    "databricks-gpt-5-4",
    "databricks-gemini-3-1-pro",
    "databricks-meta-llama-3-3-70b-instruct",
)
ALL = (CLAUDE, GPT, GEMINI, LLAMA)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF").decode()
URL = "https://example.com/a.png"
PICTURE = Image(blob=Blob(data=PNG, mime="image/png"))
LINKED = Image(blob=Blob(url=URL))
DOCUMENT = File(blob=Blob(data=PDF, mime="application/pdf"))


def part_of(block):
    ((part,),) = (message.parts for message in to_core([HumanMessage([block])]))
    return part


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ("hello", Text("hello")),
        ({"type": "text", "text": "hello"}, Text("hello")),
        ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, Text("a", cache=CacheHint())),
        ({"type": "text", "text": "a", "extras": {"cache_control": {"ttl": "1h"}}}, Text("a", cache=CacheHint("1h"))),
        ({"type": "image", "base64": PNG, "mime_type": "image/png"}, PICTURE),
        ({"type": "image", "base64": base64.b64decode(PNG), "mime_type": "image/png"}, PICTURE),
        ({"type": "image", "url": URL}, LINKED),
        ({"type": "image", "url": f"data:image/png;base64,{PNG}"}, PICTURE),
        ({"type": "image", "file_id": "f"}, Image(blob=Blob(file_id="f"))),
        ({"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"}, PICTURE),
        ({"type": "image", "source_type": "url", "url": URL}, LINKED),
        ({"type": "image", "source_type": "id", "id": "f"}, Image(blob=Blob(file_id="f"))),
        ({"type": "image_url", "image_url": {"url": URL, "detail": "low"}}, Image(blob=Blob(url=URL), detail="low")),
        ({"type": "image_url", "image_url": URL}, LINKED),
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, PICTURE),
        ({"type": "input_image", "image_url": URL}, LINKED),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}, PICTURE),
        ({"type": "image", "source": {"type": "url", "url": URL}}, LINKED),
        ({"type": "media", "mime_type": "image/png", "data": PNG}, PICTURE),
        ({"type": "file", "base64": PDF, "mime_type": "application/pdf"}, DOCUMENT),
        ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}"}}, DOCUMENT),
        ({"type": "input_file", "file_data": f"data:application/pdf;base64,{PDF}"}, DOCUMENT),
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}, DOCUMENT),
        ({"type": "file", "source_type": "base64", "data": PDF, "mime_type": "application/pdf"}, DOCUMENT),
        (
            {"type": "file", "file_id": "f", "extras": {"filename": "a.pdf"}},
            File(blob=Blob(file_id="f"), filename="a.pdf"),
        ),
        ({"type": "text-plain", "text": "words", "title": "T"}, File(text="words", title="T")),
        ({"type": "text-plain", "text": "words", "context": "C"}, File(text="words", context="C")),
        ({"type": "text-plain", "url": URL}, File(blob=Blob(url=URL, mime="text/plain"))),
        ({"type": "text-plain", "base64": PNG, "mime_type": "text/csv"}, File(blob=Blob(data=PNG, mime="text/csv"))),
        (
            {"type": "document", "source": {"type": "text", "data": "words"}, "title": "T"},
            File(text="words", title="T"),
        ),
        (
            {"type": "audio", "base64": "UklG", "mime_type": "audio/wav"},
            Audio(blob=Blob(data="UklG", mime="audio/wav")),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            Audio(blob=Blob(data="UklG", mime="audio/wav")),
        ),
        ({"type": "video", "url": "https://e.com/v.mp4"}, Video(blob=Blob(url="https://e.com/v.mp4"))),
        ({"type": "tool_result", "tool_use_id": "a", "content": "3"}, ToolResult(call_id="a", content=(Text("3"),))),
    ],
)
def test_a_block_of_any_form_is_understood(block, part):
    assert part_of(block) == part


def test_a_block_of_no_known_form_is_refused_by_its_type():
    with pytest.raises(ValueError, match="'hologram'"):
        to_core([HumanMessage([{"type": "hologram"}])])


@pytest.mark.parametrize("where", ["beside", "in extras"])
@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "words"},
        {"type": "text-plain", "text": "words"},
        {"type": "text-plain", "url": URL},
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
        {"type": "file", "base64": PDF, "mime_type": "application/pdf"},
    ],
    ids=["text", "plain text", "linked text", "image", "file"],
)
def test_a_cache_mark_is_read_beside_a_block_and_in_its_extras(block, where):
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    (part,) = parts_of([block | (mark if where == "beside" else {"extras": mark})])
    (plain,) = parts_of([block])

    assert (part.cache, plain.cache) == (CacheHint(ttl="1h"), None)


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ({"type": "citation"}, "annotations of a text are a dict; give a list of them"),
        ("citation", "annotations of a text are a str; give a list of them"),
        (["citation"], "annotations of a text hold a str; each is an object with a type"),
        ([{"type": "citation"}, None], "annotations of a text hold a NoneType; each is an object with a type"),
    ],
)
def test_annotations_that_are_none_are_refused_by_what_they_are(annotations, why):
    with pytest.raises(InvalidRequestError, match=why):
        to_core([AIMessage([{"type": "text", "text": "a", "annotations": annotations}])])


@pytest.mark.parametrize(
    ("note", "citation"),
    [
        ({}, Citation(kind="citation")),
        ({"type": "page", "extras": "none"}, Citation(kind="page")),
        (
            {"type": "citation", "extras": {"kind": "page", "source": {"page": 3}}},
            Citation(kind="page", source={"page": 3}),
        ),
        (
            {"type": "citation", "cited_text": "c", "url": "u", "title": "t", "start_index": 0, "end_index": 1},
            Citation(kind="citation", cited_text="c", url="u", title="t", start=0, end=1),
        ),
    ],
)
def test_an_annotation_is_a_citation_of_its_kind_with_what_it_holds(note, citation):
    assert parts_of([{"type": "text", "text": "a", "annotations": [note]}]) == [Text("a", (citation,))]


@pytest.mark.parametrize("text", [{}, {"text": None}, {"text": 3}, {"text": ["words"]}], ids=str)
def test_a_plain_text_that_holds_none_is_refused_by_what_it_needs(text):
    with pytest.raises(InvalidRequestError, match="'text-plain' holds no text; give 'text', 'url' or 'base64'"):
        part_of({"type": "text-plain", "title": "T", **text})


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (FunctionMessage("3", name="f"), "answers call 'f', which no earlier message makes"),
        (RemoveMessage(id="a"), "RemoveMessage"),
        (ChatMessage("hi", role="critic"), "'critic'"),
    ],
)
def test_a_message_of_no_known_kind_is_refused_before_any_request(make_llm, workspace, message, what):
    with pytest.raises(ModelInvalidRequestError, match=what):
        make_llm().invoke([HumanMessage("Hello"), message])
    assert workspace.ledger.model_calls() == []


@pytest.mark.parametrize(
    ("message", "role"),
    [
        (SystemMessage("a"), "system"),
        (SystemMessage("a", additional_kwargs={"__openai_role__": "developer"}), "developer"),
        (HumanMessage("a"), "user"),
        (AIMessage("a"), "assistant"),
        (ChatMessage("a", role="human"), "user"),
        (ChatMessage("a", role="assistant"), "assistant"),
    ],
)
def test_roles(message, role):
    assert to_core([message]) == (Message(role=role, parts=(Text("a"),)),)


def test_the_status_of_a_tools_result_is_told():
    (message,) = to_core([ToolMessage("no such city", tool_call_id="a", name="f", status="error")])

    assert message.parts == (ToolResult(call_id="a", name="f", content=(Text("no such city"),), is_error=True),)


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
def test_pictures_in_the_result_of_a_tool(make_llm, model):
    history = [
        HumanMessage("Draw"),
        AIMessage("", tool_calls=[{"id": "a", "name": "draw", "args": {}}]),
        ToolMessage([{"type": "image", "base64": PNG, "mime_type": "image/png"}], tool_call_id="a"),
    ]

    assert make_llm(model).invoke(history).text


@pytest.mark.parametrize(
    ("model", "block"),
    [
        (LLAMA, {"type": "image", "base64": PNG, "mime_type": "image/png"}),
        (CLAUDE, {"type": "audio", "base64": "UklGRiQ", "mime_type": "audio/wav"}),
        (CLAUDE, {"type": "video", "url": "https://e.com/v.mp4"}),
        (GPT, {"type": "audio", "base64": "UklGRiQ", "mime_type": "audio/wav"}),
    ],
)
def test_a_modality_that_the_model_does_not_take_is_an_error_of_langchains_kind(make_llm, model, block):
    with pytest.raises(ModelInvalidRequestError, match=r"(?i)image|audio|video"):
        make_llm(model).invoke([HumanMessage(["What is this?", block])])


OF_TOOLS = {
    "text": {"type": "text", "text": "sunny"},
    "json": {"type": "json", "json": {"weather": "sunny"}},
    "search_result": {
        "type": "search_result",
        "title": "Weather",
        "source": "https://e.com",
        "content": [{"type": "text", "text": "sunny"}],
    },
    "custom_tool_call_output": {"type": "custom_tool_call_output", "output": "sunny"},
    "document": {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "sunny"}},
    "image_url": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    "image": {"type": "image", "base64": PNG, "mime_type": "image/png"},
    "file": {"type": "file", "base64": "JVBERi0xLjQK", "mime_type": "application/pdf"},
}
"""A block of each type that langchain-core lets a tool give as it is."""


def test_there_is_a_block_of_each_type_that_a_tool_may_give():
    assert set(TOOL_MESSAGE_BLOCK_TYPES) <= set(OF_TOOLS)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (model, kind)
        for model in ALL
        for kind in OF_TOOLS
        if model != LLAMA or kind not in ("image", "image_url", "file")
    ],
)
def test_whatever_a_tool_may_give_goes_to_the_model(make_llm, workspace, model, kind):
    call = {"name": "weather", "args": {}, "id": "1"}
    history = [HumanMessage("Hello"), AIMessage("", tool_calls=[call]), ToolMessage([OF_TOOLS[kind]], tool_call_id="1")]

    assert make_llm(model).invoke(history).text.startswith("The tools answered:")

    sent = json.dumps(workspace.ledger.model_calls()[0].body)
    assert any(text in sent for text in ("sunny", PNG, "JVBERi0xLjQK"))


RECORDS = {
    "files": [{"type": "file", "name": "a.txt", "size": 3}, {"type": "file", "name": "b.txt", "size": 4}],
    "hits": [{"type": "search_result", "title": "T", "url": "https://e.com", "content": "words", "score": 0.5}],
    "documents": [{"type": "document", "title": "T", "snippet": "words"}],
    "pictures": [{"type": "image", "url": "https://e.com/a.png", "alt": "words"}],
    "texts": [{"type": "text", "value": "words"}],
    "jsons": [{"type": "json", "data": {"a": 1}}],
    "calls": [{"type": "tool_call", "name": "f", "args": {}, "id": "x"}],
    "never seen": [{"type": "dir", "name": "b"}],
    "beside a block": [{"type": "text", "text": "Found:"}, {"type": "file", "name": "a.txt"}],
}
"""Records with a type, as tools return them: langchain-core hands most of them on as blocks."""


@promise("records-as-json")
@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("kind", RECORDS)
def test_records_in_a_tools_result_go_to_the_model_as_their_json(make_llm, workspace, model, kind):
    call = {"name": "search", "args": {}, "id": "1"}
    result = ToolMessage(copy.deepcopy(RECORDS[kind]), tool_call_id="1")

    assert make_llm(model).invoke([HumanMessage("Hello"), AIMessage("", tool_calls=[call]), result]).text

    sent = json.dumps(workspace.ledger.model_calls()[0].body)
    record = json.dumps(RECORDS[kind][-1], separators=(",", ":"))
    assert json.dumps(record)[1:-1] in sent
    assert result.content == RECORDS[kind]


@promise("mcp-blocks")
@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
@pytest.mark.parametrize("place", ["user", "tool"])
def test_a_picture_of_mcp_is_a_picture(make_llm, workspace, model, place):
    picture = {"type": "image", "data": PNG, "mimeType": "image/png", "annotations": None}
    call = AIMessage("", tool_calls=[{"name": "draw", "args": {}, "id": "1"}])
    history = {
        "user": [HumanMessage(["See", picture])],
        "tool": [HumanMessage("See"), call, ToolMessage([picture], tool_call_id="1")],
    }[place]

    assert make_llm(model).invoke(history).text

    (sent,) = workspace.ledger.model_calls()
    assert sent.status == 200
    assert PNG in json.dumps(sent.body)
    assert "mimeType\\" not in json.dumps(sent.body)


def test_film_goes_to_the_models_that_take_it(make_llm, workspace):
    film = {"type": "video", "base64": "AAAAGGZ0eXA=", "mime_type": "video/mp4"}

    assert make_llm(GEMINI).invoke([HumanMessage(["What is this?", film])]).text == "You said: What is this?"

    (call,) = workspace.ledger.model_calls()
    assert {"inlineData": {"mimeType": "video/mp4", "data": "AAAAGGZ0eXA="}} in call.body["contents"][0]["parts"]


# Histories of other models

CALL = {"id": "toolu_1", "name": "add", "args": {"a": 1}}
OF_ANTHROPIC = AIMessage(
    [
        {"type": "thinking", "thinking": "Let me add.", "signature": "anthropic-signature"},
        {"type": "text", "text": "Adding."},
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}},
    ],
    tool_calls=[CALL],
    response_metadata={"model_provider": "anthropic", "model_name": "claude-sonnet-4-5"},
)
OF_OPENAI = AIMessage(
    "Adding.",
    tool_calls=[CALL],
    response_metadata={"model_provider": "openai", "model_name": "gpt-5"},
)
OF_RESPONSES = AIMessage(
    [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Let me add."}]},
        {"type": "text", "text": "Adding.", "id": "msg_1"},
        {"type": "function_call", "id": "fc_1", "call_id": "toolu_1", "name": "add", "arguments": '{"a": 1}'},
    ],
    tool_calls=[CALL],
    response_metadata={"model_provider": "openai", "model_name": "gpt-5"},
)
OF_GOOGLE = AIMessage(
    [{"type": "thinking", "thinking": "Let me add."}, {"type": "text", "text": "Adding."}],
    tool_calls=[CALL],
    additional_kwargs={"__gemini_function_call_thought_signatures__": {"toolu_1": "c2ln"}},
    response_metadata={"model_provider": "google_genai", "model_name": "gemini-3-pro"},
)
HAND_MADE = AIMessage(
    [{"type": "text", "text": "Adding."}, {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}]
)
FOREIGN = (OF_ANTHROPIC, OF_OPENAI, OF_RESPONSES, OF_GOOGLE, HAND_MADE)
NAMED = ("anthropic", "openai", "responses", "google", "by hand")


def about(answer):
    return [HumanMessage("Add"), answer, ToolMessage("2", tool_call_id="toolu_1"), HumanMessage("And?")]


@pytest.mark.parametrize("foreign", FOREIGN, ids=NAMED)
def test_an_answer_of_another_integration_is_its_text_and_its_call_once(foreign):
    parts = [part for part in to_core(about(foreign))[1].parts if not isinstance(part, Reasoning)]

    assert [type(part) for part in parts] == [Text, ToolCall]
    assert parts[0].text == "Adding."
    assert (parts[1].call_id, parts[1].name, parts[1].parsed()) == ("toolu_1", "add", {"a": 1})


SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
THOUGHT = {"type": "reasoning_content", "reasoning_content": {"text": "Hm.", "signature": "c2ln"}}


@pytest.mark.parametrize(
    ("provider", "block", "parts"),
    [
        ("openai", SEARCHED, []),
        (
            "openai",
            {"type": "image_generation_call", "id": "ig_1", "result": PNG},
            [Image(id="ig_1", blob=Blob(data=PNG))],
        ),
        ("anthropic", SEARCH, []),
        ("google_genai", {"type": "executable_code", "executable_code": "1", "language": "python", "id": "a"}, []),
        ("bedrock_converse", THOUGHT, [Reasoning(segments=(Segment("raw", "Hm."),), signature="c2ln")]),
    ],
    ids=["search", "picture", "server tool", "code", "thought"],
)
def test_what_only_another_provider_writes_is_read_by_its_own_translator(provider, block, parts):
    content = [block, {"type": "text", "text": "Done."}]

    with pytest.raises(InvalidRequestError, match=f"'{block['type']}' cannot be sent"):
        to_core([AIMessage(content)])
    read = to_core([AIMessage(content, response_metadata={"model_provider": provider})])[0].parts
    assert list(read) == [*parts, Text("Done.")]


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("foreign", FOREIGN, ids=NAMED)
def test_a_conversation_begun_elsewhere_goes_on_here(make_llm, workspace, model, foreign):
    answer = make_llm(model).invoke(about(foreign))

    assert answer.text == "You said: And?"
    assert "anthropic-signature" not in str(workspace.ledger.model_calls()[-1].body)


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("blocks", [None, "v1"])
def test_a_conversation_begun_here_goes_on_with_every_other_family(make_llm, model, blocks):
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    first = make_llm(model, reasoning_effort="low", output_version=blocks).bind_tools([add])
    asked = first.invoke([HumanMessage("add 1 and 2")])
    history = [
        HumanMessage("add 1 and 2"),
        asked,
        *(ToolMessage("3", tool_call_id=call["id"]) for call in asked.tool_calls),
        HumanMessage("And?"),
    ]

    for other in ALL:
        assert make_llm(other).invoke(history).text == "You said: And?"


def test_a_conversation_begun_here_goes_on_with_the_vendors_integrations(make_llm):
    """What their own code makes of our messages has our text and our call."""
    anthropic, openai = pytest.importorskip("langchain_anthropic"), pytest.importorskip("langchain_openai")
    tool = {"title": "add", "type": "object", "properties": {"a": {"type": "integer"}}}
    asked = make_llm(GPT, reasoning_effort="low").bind_tools([tool]).invoke("add 7")
    history = [HumanMessage("add 7"), asked, ToolMessage("7", tool_call_id=asked.tool_calls[0]["id"])]

    to_openai = openai.ChatOpenAI(model="gpt-4o", api_key="k")._get_request_payload(history)
    to_anthropic = anthropic.ChatAnthropic(model="claude-sonnet-4-5", api_key="k")._get_request_payload(history)

    assert to_openai["messages"][1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 7}'}
    used = [block for block in to_anthropic["messages"][1]["content"] if block["type"] == "tool_use"]
    assert [(block["name"], block["input"]) for block in used] == [("add", {"a": 7})]


@pytest.mark.parametrize("model", ALL)
def test_the_callers_messages_are_never_changed(make_llm, model):
    history = [
        SystemMessage([{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]),
        *about(copy.deepcopy(OF_ANTHROPIC)),
    ]
    before = copy.deepcopy(history)
    llm = make_llm(model)
    llm.invoke(history)
    list(llm.stream(history))

    assert history == before


def test_natives_go_back_to_the_api_they_came_from():
    native = Native(api="messages", payload={"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}})
    message = AIMessage(
        [{"type": "server_tool_call", "id": "a", "extras": {"native": {"api": "messages", "payload": native.payload}}}]
    )

    assert to_core([message])[0].parts == (native,)


def test_another_providers_own_data_is_left_out_with_a_warning(caplog):
    message = AIMessage([{"type": "text", "text": "a"}, {"type": "non_standard", "value": {"type": "grounding"}}])

    assert to_core([message])[0].parts == (Text("a"),)
    assert "grounding" in caplog.text


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
@pytest.mark.parametrize("api", ["auto", "chat-completions"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("blocks", [None, "v1"])
def test_reasoning_goes_back_with_its_proof_on_every_api(make_llm, workspace, model, api, streamed, blocks):
    """The simulated workspace refuses a proof that was altered, and a Gemini call without one."""

    def look(city: str) -> str:
        """Look at a city."""
        return city

    llm = make_llm(model, api=api, reasoning_effort="low", output_version=blocks, max_tokens=9000).bind_tools([look])
    messages = [HumanMessage("Look at 'Paris'")]
    for _ in range(3):
        answer = None
        for chunk in llm.stream(messages) if streamed else [llm.invoke(messages)]:
            answer = chunk if answer is None else answer + chunk
        messages.append(answer)
        messages += [ToolMessage("nice", tool_call_id=call["id"]) for call in answer.tool_calls]
        if not answer.tool_calls:
            messages.append(HumanMessage("Look at 'Rome'"))

    assert [entry.status for entry in workspace.ledger.model_calls()][-3:] == [200, 200, 200]


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("ids", [(None, None), ("", ""), ("same", "same"), ("x", None)], ids=str)
def test_calls_without_an_id_and_with_one_twice_are_told_apart(make_llm, workspace, model, ids):
    asked = [{"name": "add", "args": {"a": number, "b": 1}, "id": given} for number, given in enumerate(ids)]
    results = [ToolMessage(f"result {number}", tool_call_id=given or "") for number, given in enumerate(ids)]
    history = [HumanMessage("Hello"), AIMessage("", tool_calls=asked), *results, HumanMessage("Thank you.")]
    before = copy.deepcopy(history)

    assert make_llm(model).invoke(history).text.endswith("Thank you.")

    assert history == before
    assert [call.status for call in workspace.ledger.model_calls()] == [200]
    sent = str(workspace.ledger.entries("")[-1].body)
    assert (sent.count("result 0"), sent.count("result 1")) == (1, 1)
