"""Answers in objects: every method, every kind of schema, whole and growing, and what happens when there is none."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import pairwise
from typing import Annotated

import pytest
from langchain_core import exceptions
from langchain_core.exceptions import ModelInvalidRequestError, OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, Generation
from pydantic import BaseModel, Field, RootModel
from pydantic.v1 import BaseModel as OldBaseModel
from typing_extensions import TypedDict

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.notices import forget_notices
from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway.structured import AnswerParser
from langchain_dbx_gateway.tools import class_of, described_format

CLAUDE, GPT, GEMINI, LLAMA = (
    "databricks-claude-sonnet-4-5",
    "databricks-gpt-5-4",
    "databricks-gemini-3-1-pro",
    "databricks-meta-llama-3-3-70b-instruct",
)
ALL = (CLAUDE, GPT, GEMINI, LLAMA)
METHODS = ("json_schema", "function_calling")
PROMPT = "Ann is 42, write 'Ann'"


class Person(BaseModel):
    """A person."""

    name: str = Field(description="what they are called")
    age: int


class PersonDict(TypedDict):
    """A person."""

    name: Annotated[str, ..., "what they are called"]
    age: Annotated[int, ..., "in years"]


class PersonTool(BaseModel):
    """Looks a person up."""

    name: str


class OldPerson(OldBaseModel):
    name: str
    age: int


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("method", METHODS)
def test_a_class_by_every_method_on_every_family(make_llm, model, method):
    llm = make_llm(model).with_structured_output(Person, method=method)

    assert llm.invoke(PROMPT) == Person(name="Ann", age=42)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [PersonDict, Person.model_json_schema()], ids=["TypedDict", "JSON schema"])
def test_a_schema_that_is_no_class_gives_a_dictionary(make_llm, schema, method):
    assert make_llm().with_structured_output(schema, method=method).invoke(PROMPT) == {"name": "Ann", "age": 42}


def test_a_schema_without_a_title_will_do(make_llm):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

    assert make_llm().with_structured_output(schema).invoke(PROMPT) == {"name": "Ann"}


FIELDS = {"name": {"type": "string"}, "age": {"type": "integer"}}
OF_FIELDS = {"type": "object", "properties": FIELDS, "required": ["name", "age"]}
OF_ANY_NUMBERS = {"type": "object", "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        ({"name": "Person", **OF_FIELDS}, OF_FIELDS),
        ({"name": "Person", **OF_ANY_NUMBERS}, OF_ANY_NUMBERS),
        ({"title": "Person", **OF_ANY_NUMBERS}, OF_ANY_NUMBERS),
        ({"title": "People", "name": "Person", **OF_ANY_NUMBERS}, OF_ANY_NUMBERS),
        ({"name": "Person", "schema": OF_FIELDS}, OF_FIELDS),
        ({"name": "Person", "schema": OF_ANY_NUMBERS, "strict": False}, OF_ANY_NUMBERS),
        ({"name": "Person", "parameters": OF_FIELDS}, OF_FIELDS),
        ({"name": "Person", "parameters": OF_ANY_NUMBERS}, OF_ANY_NUMBERS),
        ({"type": "function", "function": {"name": "Person", "parameters": OF_FIELDS}}, OF_FIELDS),
        ({"name": "Person", "input_schema": OF_FIELDS}, OF_FIELDS),
        ({"toolSpec": {"name": "Person", "inputSchema": {"json": OF_FIELDS}}}, OF_FIELDS),
    ],
)
def test_a_schema_is_sent_whole_under_its_name_in_whichever_form_it_comes(make_llm, workspace, form, schema):
    make_llm(GPT).with_structured_output(form, method="json_schema").invoke(PROMPT)
    sent = workspace.ledger.model_calls()[-1].body["text"]["format"]

    assert sent["name"] == "Person"
    assert {key: value for key, value in sent["schema"].items() if key != "title"} == schema


def test_a_class_of_pydantic_1_gives_its_objects(make_llm):
    assert make_llm().with_structured_output(OldPerson).invoke(PROMPT) == OldPerson(name="Ann", age=42)


@pytest.mark.parametrize("model", ALL)
def test_json_mode_reads_the_object_the_prompt_describes(make_llm, model):
    llm = make_llm(model).with_structured_output(Person.model_json_schema(), method="json_mode")

    assert llm.invoke("Return JSON with 'name' and 'age' keys") == {"name": "some name", "age": "some age"}


@pytest.mark.parametrize("model", ALL)
async def test_json_mode_without_a_schema_gives_what_the_prompt_describes(make_llm, model):
    llm = make_llm(model).with_structured_output(None, method="json_mode", include_raw=True)

    for answer in (
        llm.invoke("Return JSON with 'name' and 'age' keys"),
        await llm.ainvoke("Return JSON with 'name' and 'age' keys"),
    ):
        assert answer["parsed"] == {"name": "some name", "age": "some age"}
        assert answer["parsing_error"] is None
    *_, grown = (
        make_llm(model)
        .with_structured_output(None, method="json_mode")
        .stream("Return JSON with 'name' and 'age' keys")
    )
    assert grown == {"name": "some name", "age": "some age"}


@pytest.mark.parametrize("method", [None, "json_schema", "function_calling"])
def test_another_method_without_a_schema_is_refused_with_what_to_give(make_llm, method):
    with pytest.raises(ConfigurationError, match="or method='json_mode' for whatever JSON"):
        make_llm().with_structured_output(None, method=method)


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("form", [Person, OldPerson])
@pytest.mark.parametrize("bound", ["call", "bind", "bind_tools"])
async def test_a_class_as_response_format_fills_parsed_whole_and_streamed(make_llm, model, form, bound):
    llm = make_llm(model)
    of_call = {"response_format": form} if bound == "call" else {}
    if bound == "bind":
        llm = llm.bind(response_format=form)
    if bound == "bind_tools":
        llm = llm.bind_tools([], response_format=form, strict=False)
    chunks = [chunk async for chunk in llm.astream(PROMPT, **of_call)]
    whole = [llm.invoke(PROMPT, **of_call), await llm.ainvoke(PROMPT, **of_call)]
    streamed = [sum(rest, first) for first, *rest in (list(llm.stream(PROMPT, **of_call)), chunks)]

    for answer in (*whole, *streamed):
        assert answer.additional_kwargs["parsed"] == form(name="Ann", age=42)
        assert json.loads(answer.text) == {"name": "Ann", "age": 42}
    assert make_llm(model).invoke(["Hello", whole[0], "Bye"]).text.endswith("Bye")


def test_a_bound_class_is_still_filled_after_a_pickle(make_llm):
    bound = make_llm(token=None).bind_tools([], response_format=Person)
    again = pickle.loads(pickle.dumps(bound.kwargs["response_format"]))

    assert class_of(again) is class_of(copy.deepcopy(again)) is Person
    assert again == described_format(Person)


def test_parsed_is_none_where_a_tool_is_called_and_where_the_answer_is_no_such_object(make_llm, caplog):
    llm = make_llm(GPT).bind_tools([PersonTool], response_format=Person)
    called = llm.invoke("Call PersonTool with name Ann.")
    assert [call["name"] for call in called.tool_calls] == ["PersonTool"]
    assert called.additional_kwargs["parsed"] is None
    assert caplog.messages == []

    forget_notices()
    cut = make_llm(GPT, max_tokens=1).invoke(PROMPT, response_format=Person)
    assert cut.additional_kwargs["parsed"] is None
    assert [message for message in caplog.messages if "(finish reason length) holds no object of Person" in message]


def test_a_format_that_is_no_class_fills_nothing(make_llm):
    for form in (PersonDict, Person.model_json_schema(), {"type": "json_object"}, None):
        assert "parsed" not in make_llm().invoke(PROMPT + " as JSON", response_format=form).additional_kwargs


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
@pytest.mark.parametrize("method", [None, "json_schema"])
def test_an_answer_with_reasoning_is_read_all_the_same(make_llm, model, method):
    llm = make_llm(model, reasoning_effort="low", max_tokens=9000).with_structured_output(
        Person, method=method, include_raw=True
    )
    told = llm.invoke(PROMPT)

    assert told["parsed"] == Person(name="Ann", age=42)
    assert told["raw"].usage_metadata["output_token_details"]["reasoning"] > 0


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("method", METHODS)
async def test_a_growing_dictionary_ends_as_the_whole_one(make_llm, model, method):
    llm = make_llm(model).with_structured_output(PersonDict, method=method)
    grown = list(llm.stream(PROMPT))
    agrown = [part async for part in llm.astream(PROMPT)]

    assert grown[-1] == agrown[-1] == {"name": "Ann", "age": 42}
    assert all(part.items() <= {"name": "Ann", "age": 42}.items() or set(part) <= {"name", "age"} for part in grown)


@pytest.mark.parametrize("model", [CLAUDE, GPT])
@pytest.mark.parametrize("method", METHODS)
async def test_every_step_of_a_growing_dictionary_is_a_part_of_the_whole(make_llm, model, method):
    llm = make_llm(model, coalesce_deltas=False).with_structured_output(PersonDict, method=method)
    prompt = "Anna Maria is 42, write 'Anna Maria van der Berg'"
    grown = list(llm.stream(prompt))
    agrown = [part async for part in llm.astream(prompt)]
    names = [part["name"] for part in grown if "name" in part]

    assert agrown == grown
    assert len(set(names)) > 2
    assert all(later.startswith(name) for name, later in pairwise(names))
    assert grown[-1] == {"name": "Anna Maria van der Berg", "age": 42}


def call_pieces(*pieces, index=0, name="Person"):
    """The chunks of a tool call; only the first names the tool."""
    names = [name, *([None] * (len(pieces) - 1))]
    made = [
        {"type": "tool_call_chunk", "index": index, "name": told, "args": args, "id": None}
        for told, args in zip(names, pieces, strict=True)
    ]
    return [AIMessageChunk(content="", tool_call_chunks=[piece]) for piece in made]


def test_partial_objects_come_while_the_arguments_of_the_first_call_of_the_tool_grow():
    chunks = [
        AIMessageChunk(content='I look {"name": "Bob"} up. '),
        *call_pieces('{"name": "Cy"}', name="look_up", index=0),
        *call_pieces("", '{"name"', ': "Ann", "a', 'ge": 4', "2}", index=1),
    ]
    chunks[-2:-2] = call_pieces('{"name": "Dora", "age": 7}', index=2)

    parts = list(AnswerParser(tool="Person").transform(iter(chunks)))

    assert parts == [{}, {"name": "Ann"}, {"name": "Ann", "age": 4}, {"name": "Ann", "age": 42}]


def test_a_part_of_an_answer_can_be_read_by_itself():
    parser = AnswerParser(tool="Person")
    call, *rest = call_pieces('{"name": "An', 'n", "age": 4')

    def read(message, **given):
        return parser.parse_result([ChatGeneration(message=message)], **given)

    assert read(call, partial=True) == {"name": "An"}
    assert read(call + rest[0], partial=True) == {"name": "Ann", "age": 4}
    assert read(AIMessageChunk(content="I think"), partial=True) is None
    assert AnswerParser().parse_result([Generation(text='{"name": "An')], partial=True) == {"name": "An"}
    with pytest.raises(OutputParserException, match="did not call 'Person'"):
        read(AIMessage("I think"))


def test_partial_objects_come_while_the_answer_grows():
    chunks = [AIMessageChunk(content=piece) for piece in ('{"name"', ': "Ann", "a', 'ge": 4', "2}")]

    parts = list(AnswerParser().transform(iter(chunks)))

    assert parts == [{}, {"name": "Ann"}, {"name": "Ann", "age": 4}, {"name": "Ann", "age": 42}]


ANN = ('{"name"', ': "Ann", "a', 'ge": 4', "2}")


@pytest.mark.parametrize(
    ("form", "pieces", "steps"),
    [
        (None, ANN, [{}, {"name": "Ann"}, {"name": "Ann", "age": 4}, {"name": "Ann", "age": 42}]),
        (Person, ANN, [Person(name="Ann", age=4), Person(name="Ann", age=42)]),
        (None, ('{"a": 1}', "", " ", "\n"), [{"a": 1}]),
        (None, ("As {you", " know}: ", '{"a"', ": 1}"), [{"a": 1}]),
        (Person, ("As {you know}: ", *ANN), [Person(name="Ann", age=42)]),
    ],
    ids=["object", "class", "nothing new", "only at the end", "class only at the end"],
)
@pytest.mark.parametrize("whole", [str, AIMessageChunk])
async def test_each_step_of_a_stream_is_what_there_is_by_then(form, pieces, steps, whole):
    async def arriving():
        for piece in pieces:
            yield whole(piece)

    parser = AnswerParser(form=form)

    assert list(parser.transform(whole(piece) for piece in pieces)) == steps
    assert [part async for part in parser.atransform(arriving())] == steps


def test_a_stream_that_ends_without_an_object_raises():
    with pytest.raises(OutputParserException, match="no JSON"):
        list(AnswerParser().transform(iter([AIMessageChunk(content="I would rather talk")])))


def test_include_raw_gives_the_message_the_object_and_no_error(make_llm):
    told = make_llm().with_structured_output(Person, include_raw=True).invoke(PROMPT)

    assert isinstance(told["raw"], AIMessage)
    assert (told["parsed"], told["parsing_error"]) == (Person(name="Ann", age=42), None)


def test_include_raw_gives_the_error_where_there_is_no_object(make_llm):
    told = make_llm().with_structured_output(Person, include_raw=True).invoke(f"{PROMPT} [refuse]")

    assert told["parsed"] is None
    assert "cannot help" in str(told["parsing_error"])


@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_a_refusal_raises_langchains_error_for_it_where_there_is_one(make_llm, model):
    expected = getattr(exceptions, "ModelRefusalError", OutputParserException)

    with pytest.raises(expected, match="I cannot help with that"):
        make_llm(model).with_structured_output(Person).invoke(f"{PROMPT} [refuse]")


def test_an_answer_that_is_cut_says_what_to_raise(make_llm):
    llm = make_llm(LLAMA, max_tokens=2).with_structured_output(Person)

    with pytest.raises(OutputParserException, match="raise max_tokens"):
        llm.invoke("Write 'Ann of the green gables'")


def test_an_object_of_the_wrong_form_names_the_class():
    with pytest.raises(OutputParserException, match="no Person"):
        AnswerParser(form=Person).invoke(AIMessage('{"name": "Ann"}'))


def test_prose_and_fences_around_the_object_do_no_harm():
    answer = AIMessage('Sure! Here it is:\n```json\n{"name": "Ann", "age": 42}\n```\nAnything else?')

    assert AnswerParser(form=Person).invoke(answer) == Person(name="Ann", age=42)


@pytest.mark.parametrize("method", METHODS)
def test_further_tools_may_be_called_first(make_llm, method):
    def look_up(name: str) -> str:
        """Look somebody up."""
        return name

    llm = make_llm().with_structured_output(Person, method=method, tools=[look_up], include_raw=True)
    told = llm.invoke("look_up 'Ann'")

    assert [call["name"] for call in told["raw"].tool_calls] == ["look_up"]
    assert (told["parsed"], told["parsing_error"]) == (None, None)


@pytest.mark.parametrize("method", METHODS)
def test_strict_reaches_the_server(make_llm, workspace, method):
    make_llm(GPT).with_structured_output(Person, method=method, strict=True).invoke(PROMPT)
    body = workspace.ledger.model_calls()[-1].body
    told = body["tools"][0] if method == "function_calling" else body["text"]["format"]

    assert told["strict"] is True


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (7, "no form for an answer"),
        (RootModel[list[int]], "always an object"),
        ({"title": "Numbers", "type": "array", "items": {"type": "integer"}}, "'Numbers' is of type 'array'"),
    ],
)
def test_a_schema_that_no_answer_can_have_is_refused_before_any_request(schema, message):
    with pytest.raises(ModelInvalidRequestError, match=message):
        ChatDbxGateway(model=CLAUDE).with_structured_output(schema)


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigurationError, match="'yaml'"):
        ChatDbxGateway(model=CLAUDE).with_structured_output(Person, method="yaml")
