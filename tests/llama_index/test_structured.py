"""Structured prediction: whole, streamed, async; by a JSON schema and by a forced tool."""

from __future__ import annotations

from typing import Generic, TypeVar

import pytest
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from dbx_gateway.errors import ExtractionError, IncompleteStreamError
from dbx_gateway.testing import Fault
from llama_index_dbx_gateway.structured import Structure

T = TypeVar("T")

MODELS = (
    "databricks-claude-sonnet-4-5",
    "databricks-claude-opus-4-1",
    "databricks-gpt-5-2",
    "databricks-gemini-3-pro",
    "databricks-meta-llama-3-3-70b-instruct",
    "databricks-gemma-3-12b",
)
"""One per dialect; Opus 4.1 takes no schema, Gemma no tools."""


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Box(BaseModel, Generic[T]):
    content: T


PROMPT = PromptTemplate('The city "{city}" has {people} people.')
OSAKA = City(name="Osaka", people=19)


def ask(llm, **options):
    return llm.structured_predict(City, PROMPT, city="Osaka", people=19, **options)


@pytest.mark.parametrize("model", MODELS)
async def test_an_object_comes_whole_and_streamed_sync_and_async(make_llm, model):
    llm = make_llm(model)
    args = {"city": "Osaka", "people": 19}

    assert llm.structured_predict(City, PROMPT, **args) == OSAKA
    assert await llm.astructured_predict(City, PROMPT, **args) == OSAKA
    assert list(llm.stream_structured_predict(City, PROMPT, **args))[-1] == OSAKA
    stream = await llm.astream_structured_predict(City, PROMPT, **args)
    assert [found async for found in stream][-1] == OSAKA


@pytest.mark.parametrize(
    ("by_tool", "names"),
    [
        (False, {"temperature", "response_format"}),
        (True, {"temperature", "tools", "tool_choice", "tool_required", "allow_parallel_tool_calls"}),
    ],
)
def test_what_decides_the_form_of_the_answer_is_never_the_callers(by_tool, names):
    callers = dict.fromkeys(
        ("tools", "tool_choice", "tool_required", "allow_parallel_tool_calls", "response_format"), "the caller's"
    )
    options = Structure(City, by_tool=by_tool).options({**callers, "temperature": 0})

    assert set(options) == names
    assert "the caller's" not in options.values()


def test_a_model_that_takes_a_schema_is_given_one(make_llm, workspace):
    ask(make_llm())

    (entry,) = workspace.ledger.model_calls()
    assert "tools" not in entry.body
    assert set(entry.body["output_config"]["format"]["schema"]["properties"]) == {"name", "people"}


def test_a_model_that_takes_none_is_made_to_call_a_tool(make_llm, workspace):
    ask(make_llm("databricks-claude-opus-4-1"))
    list(make_llm("databricks-claude-opus-4-1").stream_structured_predict(City, PROMPT, city="Osaka", people=19))

    assert [entry.body["tool_choice"]["name"] for entry in workspace.ledger.model_calls()] == ["City", "City"]


def test_a_model_that_takes_none_and_thinks_is_told_the_schema(make_llm, workspace):
    found = ask(make_llm("databricks-claude-opus-4-1", thinking=1024, max_tokens=4000))

    (entry,) = workspace.ledger.model_calls()
    assert "tools" not in entry.body
    assert '"people"' in entry.body["system"]
    assert found == OSAKA


def test_the_function_mode_forces_the_tool(make_llm, workspace):
    found = ask(make_llm(pydantic_program_mode=PydanticProgramMode.FUNCTION))

    assert found == OSAKA
    assert workspace.ledger.model_calls()[0].body["tool_choice"] == {"type": "tool", "name": "City"}


@pytest.mark.parametrize("model", ["databricks-claude-sonnet-4-5", "databricks-claude-opus-4-1"])
async def test_a_streamed_object_grows(make_llm, model):
    llm = make_llm(model, coalesce_deltas=False)

    found = list(llm.stream_structured_predict(City, PROMPT, city="Osaka", people=19))
    stream = await llm.astream_structured_predict(City, PROMPT, city="Osaka", people=19)

    assert [repr(one) async for one in stream] == [repr(one) for one in found]
    names = [getattr(one, "name", None) for one in found]
    assert len(found) > 2
    assert any(not isinstance(one, City) for one in found)
    assert names[-1] == "Osaka"
    assert isinstance(found[-1], City)


@pytest.mark.parametrize("model", ["databricks-claude-sonnet-4-5", "databricks-claude-opus-4-1"])
async def test_the_system_prompt_is_kept_async_too(make_llm, workspace, model):
    llm = make_llm(model, system_prompt="You know cities.")

    await llm.astructured_predict(City, PROMPT, city="Osaka", people=19)

    assert workspace.ledger.model_calls()[0].body["system"].startswith("You know cities.")


@pytest.mark.parametrize("mode", [PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION])
def test_a_generic_class_works(make_llm, mode):
    found = make_llm(pydantic_program_mode=mode).structured_predict(Box[int], PromptTemplate("The number is 7."))

    assert found == Box[int](content=7)


def test_llama_indexs_own_text_program_can_be_chosen(make_llm, workspace):
    """It puts the schema into the prompt; the simulated model echoes that, which is no city."""
    with pytest.raises(ValueError, match="City"):
        ask(make_llm(pydantic_program_mode=PydanticProgramMode.LLM))

    (entry,) = workspace.ledger.model_calls()
    assert "output_config" not in entry.body
    assert '"people"' in str(entry.body["messages"])


@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # LlamaIndex's StructuredLLM calls it
async def test_a_structured_llm_answers_in_objects(make_llm):
    structured = make_llm().as_structured_llm(City)
    asked = [ChatMessage('The city "Osaka" has 19 people.')]

    assert structured.chat(asked).raw == OSAKA
    assert (await structured.achat(asked)).raw == OSAKA
    assert list(structured.stream_chat(asked))[-1].raw == OSAKA
    assert structured.complete(asked[0].content).raw == OSAKA


def test_a_chat_prompt_with_several_messages_works(make_llm):
    prompt = ChatPromptTemplate.from_messages([("system", "You know cities."), ("user", 'The city "{city}" has 19.')])

    assert make_llm().structured_predict(City, prompt, city="Osaka") == OSAKA


def test_options_of_the_call_reach_the_model_and_are_not_changed(make_llm, workspace):
    options = {"max_tokens": 77, "tool_choice": "auto"}

    ask(make_llm(), llm_kwargs=options)

    assert workspace.ledger.model_calls()[0].body["max_tokens"] == 77
    assert options == {"max_tokens": 77, "tool_choice": "auto"}


def test_an_object_that_was_cut_is_an_error_that_says_so(make_llm):
    with pytest.raises(ExtractionError, match=r"no City: the answer ended early \(length\)"):
        ask(make_llm(max_tokens=1))


class Strict(BaseModel):
    code: str = Field(pattern="^X-[0-9]+$")


def test_an_object_that_does_not_fit_is_an_error_that_names_the_field_and_quotes_nothing(make_llm):
    with pytest.raises(ExtractionError, match="no Strict: code: String should match pattern") as caught:
        make_llm().structured_predict(Strict, PromptTemplate('Say "Osaka".'))

    assert "Osaka" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"choices": [{"finish_reason": "tool_calls"}]}, "no City: .*no JSON"),
        ({"choices": [{"finish_reason": "length"}]}, r"ended early \(length\)"),
        ({"choices": [{"finish_reason": None}]}, r"ended early \(error\)"),
        (None, r"ended early \(error\)"),
    ],
)
def test_an_object_whose_call_may_not_be_run_is_an_error_that_says_why(raw, told):
    call = ToolCallBlock(tool_call_id="c1", tool_name="City", tool_kwargs="Osaka")
    message = ChatMessage(role="assistant", blocks=[call], additional_kwargs={"dbx_gateway": {"withheld": ["c1"]}})

    with pytest.raises(ExtractionError, match=told):
        Structure(City, by_tool=True).parsed(ChatResponse(message=message, raw=raw))


def test_a_streamed_object_that_was_cut_raises(make_llm, workspace):
    workspace.inject(Fault(end_after=5))

    with pytest.raises(IncompleteStreamError):
        list(make_llm(coalesce_deltas=False).stream_structured_predict(City, PROMPT, city="Osaka", people=19))


@pytest.mark.parametrize("settings", [{"thinking": 1024, "max_tokens": 4000}, {"reasoning_effort": "low"}])
def test_a_program_of_a_model_that_thinks_still_gets_its_object(make_llm, workspace, caplog, settings):
    """Claude refuses a forced call while it thinks, and LlamaIndex's programs and selectors always force one."""
    llm = make_llm("databricks-claude-opus-4-1", **settings)
    asked = 'The city "Osaka" has 19 people.'

    by_program = FunctionCallingProgram.from_defaults(City, prompt_template_str=asked, llm=llm)()
    by_name = FunctionCallingProgram.from_defaults(City, prompt_template_str=asked, llm=llm, tool_choice="City")()
    by_mode = ask(make_llm(pydantic_program_mode=PydanticProgramMode.FUNCTION, **settings))

    assert by_program == by_name == by_mode == OSAKA
    *forced, by_schema = [entry.body for entry in workspace.ledger.model_calls()]
    assert [body["tool_choice"]["type"] for body in forced] == ["any", "tool"]
    assert [body for body in forced if "thinking" in body] == []
    assert "databricks-claude-opus-4-1 cannot be forced to call a tool while it thinks" in caplog.text
    assert "thinking" in by_schema
    assert by_schema["output_config"]["format"]["schema"]["properties"].keys() == {"name", "people"}


def test_a_call_that_the_caller_forces_of_a_model_that_thinks_is_asked_for_by_its_schema(make_llm, workspace):
    tool = get_function_tool(City)
    llm = make_llm(thinking=1024, max_tokens=4000)
    response = llm.chat_with_tools([tool], 'The city "Osaka" has 19 people.', tool_choice="required")
    (call,) = llm.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == ("City", {"name": "Osaka", "people": 19})
    (entry,) = workspace.ledger.model_calls()
    assert "thinking" in entry.body
