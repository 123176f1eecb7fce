"""What cannot be sent is refused before any request, by a typed error that names the thing and the remedy."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, ConfigDict
from support.llama_index_families import CLAUDE, GEMINI, GPT, LLAMA, NATIVE

from dbx_gateway.errors import ConfigurationError, InvalidRequestError
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

EACH_MODEL = pytest.mark.parametrize("model", NATIVE)
HELLO = [ChatMessage("Hello")]
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


@pytest.fixture
def refused(make_llm, workspace):
    """Asks a model in all four ways; the refusals have to be the same, and the caller's objects what they were."""

    def ask(model, messages=HELLO, *, match, **options):
        llm = make_llm(model)
        before, given = copy.deepcopy(messages), {name: copy.copy(value) for name, value in options.items()}

        async def awaited():
            await llm.achat(messages, **options)

        async def awaited_stream():
            async for _ in await llm.astream_chat(messages, **options):
                pass

        told = set()
        for attempt in (
            lambda: llm.chat(messages, **options),
            lambda: list(llm.stream_chat(messages, **options)),
            lambda: asyncio.run(awaited()),
            lambda: asyncio.run(awaited_stream()),
        ):
            with pytest.raises(InvalidRequestError, match=match) as caught:
                attempt()
            told.add(str(caught.value))
        assert len(told) == 1
        assert (messages, options) == (before, given)
        assert workspace.ledger.model_calls() == []

    return ask


class Callback(BaseModel):
    """Holds what JSON Schema has no word for."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    then: Callable[[int], int]


class NotANumber(BaseModel):
    """Has a default that JSON cannot hold."""

    rate: float = float("nan")


def takes(schema):
    return FunctionTool.from_defaults(lambda **_: "", name="rates", description="Tells rates.", fn_schema=schema)


@EACH_MODEL
def test_a_tool_whose_arguments_have_no_schema(refused, model):
    refused(
        model, tools=[takes(Callback)], match="the arguments of tool 'rates' have no JSON schema .*; change their types"
    )


@EACH_MODEL
def test_a_tool_whose_arguments_name_a_class_that_is_not_known(refused, model):
    """As happens in a module with postponed annotations, where a class is local to a function."""

    def rates(of: Nowhere) -> str:  # noqa: F821
        """Tells rates."""
        return str(of)

    tool = FunctionTool.from_defaults(rates)

    refused(
        model,
        tools=[tool],
        match=r"the arguments of tool 'rates' have no JSON schema \(.*not fully defined.*\); change",
    )


@EACH_MODEL
def test_a_tool_whose_schema_holds_what_json_cannot(refused, model):
    refused(model, tools=[takes(NotANumber)], match="the parameters of tool 'rates'")


@EACH_MODEL
def test_a_function_that_is_not_made_a_tool(refused, model):
    refused(model, tools=[len], match=r"is not a tool; make one with FunctionTool.from_defaults")


@EACH_MODEL
def test_an_object_that_describes_no_tool(refused, model):
    refused(model, tools=[{"hello": "world"}], match=r"fields \['hello'\].*FunctionTool.from_defaults")


@EACH_MODEL
def test_two_tools_of_one_name(refused, add_tool, model):
    refused(model, tools=[add_tool, add_tool], match="two tools are called 'add'; give each tool a name of its own")


@EACH_MODEL
@pytest.mark.parametrize("choice", ["sub", {"type": "function", "function": {"name": "sub"}}])
def test_a_choice_of_a_tool_that_is_not_offered(refused, add_tool, model, choice):
    refused(model, tools=[add_tool], tool_choice=choice, match="'sub', which is none of the tools on offer: add")


@EACH_MODEL
def test_a_choice_of_no_known_form(refused, add_tool, model):
    refused(model, tools=[add_tool], tool_choice=7, match="tool_choice is 7; give 'auto'")


@EACH_MODEL
def test_an_answer_format_of_no_known_form(refused, model):
    refused(model, response_format="yaml", match="response_format takes")


def with_block(block):
    return [ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="What is it?"), block])]


@pytest.mark.parametrize(
    ("model", "block", "told"),
    [
        (LLAMA, ImageBlock(url="https://example.com/a.png"), "image"),
        (LLAMA, DocumentBlock(data=b"%PDF-1.4", document_mimetype="application/pdf"), "PDF"),
        (CLAUDE, AudioBlock(audio=WAV, format="wav"), "audio"),
        (CLAUDE, VideoBlock(video=b"\0\0\0\x18ftypmp42", video_mimetype="video/mp4"), "video"),
        (GPT, VideoBlock(video=b"\0\0\0\x18ftypmp42", video_mimetype="video/mp4"), "video"),
    ],
)
def test_a_block_that_the_model_does_not_take(refused, model, block, told):
    refused(model, with_block(block), match=rf"{told}.*;")


class Hologram(BaseContentBlock):
    """A block that a later LlamaIndex, or somebody's own code, may bring."""

    block_type: str = "hologram"


@EACH_MODEL
def test_a_block_of_a_kind_that_is_not_known(refused, model):
    message = ChatMessage.model_construct(role=MessageRole.USER, blocks=[Hologram()], additional_kwargs={})

    refused(
        model,
        [message],
        match="a Hologram cannot be sent; leave it out of the message, or put its content into a TextBlock",
    )


@EACH_MODEL
def test_an_image_that_is_none(refused, model):
    block = ImageBlock(image=b"hello, this is no picture at all", image_mimetype="image/png")

    refused(model, with_block(block), match="no picture that models read .*; check what was loaded")


@EACH_MODEL
def test_a_block_without_content(refused, model):
    refused(model, with_block(ImageBlock()), match="image has 0 of data, url and file_id; give exactly one")


@EACH_MODEL
def test_a_document_without_content(refused, model):
    refused(model, with_block(DocumentBlock(title="nothing")), match="file has 0 of data, url and file_id; give")


@EACH_MODEL
def test_a_result_that_answers_no_call(refused, model):
    result = ChatMessage("5", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "c1"})

    refused(model, [*HELLO, result], match="answers call 'c1', which no earlier message makes; keep the assistant")
    refused(model, [*HELLO, ChatMessage("5", role=MessageRole.TOOL)], match=r"give additional_kwargs=\{'tool_call_id'")


@EACH_MODEL
def test_a_conversation_that_ends_with_calls(refused, model):
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={})

    refused(
        model,
        [*HELLO, ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])],
        match="ends with tool calls; add the tools' results",
    )


ENDS_WITH_ASSISTANT = [*HELLO, ChatMessage("Once upon a", role=MessageRole.ASSISTANT)]


@pytest.mark.parametrize("model", ["databricks-claude-opus-4-8", "system.ai.claude-sonnet-5"])
def test_a_conversation_that_ends_with_the_assistant_where_the_model_does_not_go_on(refused, model):
    refused(model, ENDS_WITH_ASSISTANT, match=r"ends with an assistant message.*; end with a user message")


@EACH_MODEL
def test_a_conversation_that_ends_with_the_assistant_where_the_model_goes_on(make_llm, model):
    assert make_llm(model).chat(ENDS_WITH_ASSISTANT).message.content


@EACH_MODEL
@pytest.mark.parametrize("messages", [[], [ChatMessage("")]], ids=["nothing", "an empty text"])
def test_a_conversation_without_content(refused, model, messages):
    refused(model, messages, match=r"give at least one")


@EACH_MODEL
def test_an_unknown_option_of_a_call(make_llm, workspace, model):
    with pytest.raises(ConfigurationError, match="unknown setting 'max_token'; did you mean 'max_tokens'"):
        make_llm(model).chat(HELLO, max_token=5)

    assert workspace.ledger.model_calls() == []


@EACH_MODEL
def test_an_option_that_belongs_to_the_object(make_llm, workspace, model):
    with pytest.raises(ConfigurationError, match="token cannot change per call; it belongs to the client"):
        make_llm(model).chat(HELLO, token="x")

    assert workspace.ledger.model_calls() == []


@pytest.mark.parametrize("kind", [DbxGateway, DbxGatewayEmbedding])
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"modle": "m"}, "unknown setting 'modle'; did you mean 'model'"),
        ({"model": "m", "sufrace": "ai-gateway"}, "did you mean 'surface'"),
        ({"model": "m", "surface": "gateway"}, "gateway"),
        ({"model": "m", "family": "clod"}, "did you mean 'claude'"),
        ({"model": "m", "api": "mesages"}, "did you mean 'messages'"),
        ({"model": "m", "timeout": -1}, "timeout is -1.*give a positive number"),
        ({"model": "m", "host": "https://example.com/some/path"}, "path"),
        ({"model": "m", "disabled_quirks": ["no-such"]}, "no-such"),
    ],
)
def test_an_argument_of_the_constructor_that_is_unknown_or_does_not_fit(kind, fields, told):
    with pytest.raises(ConfigurationError, match=told):
        kind(**fields)


def test_a_class_without_a_schema_is_refused_before_it_is_asked_for(make_llm, workspace):
    for model in (CLAUDE, "databricks-claude-opus-4-1", GEMINI, LLAMA):
        with pytest.raises(InvalidRequestError, match="Callback has no JSON schema"):
            make_llm(model).structured_predict(Callback, PromptTemplate("x"))

    assert workspace.ledger.model_calls() == []
