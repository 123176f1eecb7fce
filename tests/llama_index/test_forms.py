"""Programs and structured prediction on every family, thinking or not: classes with free keys, and of themselves."""

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.extractors import PydanticProgramExtractor
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import TextNode
from llama_index.core.selectors import PydanticSingleSelector
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel
from support.llama_index_families import AGENT_WARNINGS
from support.promises import promise


class Bag(BaseModel):
    """A bag."""

    name: str
    props: dict[str, str]


class Tree(BaseModel):
    """A tree."""

    name: str
    children: list["Tree"] = []


of_every_family = pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("databricks-claude-opus-5-5", {}),
        ("databricks-claude-sonnet-4-5", {"thinking": 1024, "max_tokens": 4000}),
        ("databricks-claude-sonnet-4", {}),
        ("databricks-qwen35-122b-a10b", {}),
        ("databricks-gemini-2-5-pro", {}),
        ("databricks-gpt-5-4", {}),
    ],
)


@promise("forced-calls")
@of_every_family
@pytest.mark.parametrize("form", [Bag, Tree])
def test_a_program_gets_its_object_of_every_family(make_llm, model, settings, form):
    llm = make_llm(model, **settings)
    asked = "The name is 'oak'. [no tools]"
    if form is Bag:  # LlamaIndex's own program looks for properties at the root of a class's schema
        assert isinstance(
            FunctionCallingProgram.from_defaults(output_cls=form, prompt_template_str=asked, llm=llm)(), form
        )
    assert isinstance(llm.structured_predict(form, PromptTemplate(asked)), form)
    assert isinstance([*llm.stream_structured_predict(form, PromptTemplate(asked))][-1], form)


@promise("forced-calls")
@of_every_family
def test_a_selector_chooses_on_every_family(make_llm, model, settings):
    selector = PydanticSingleSelector.from_defaults(llm=make_llm(model, **settings))
    assert selector.select(["about tea", "about cats"], query="What is tea? [no tools]").ind in (0, 1)


@promise("form-that-is-carried")
@of_every_family
def test_free_keys_are_in_the_object_of_every_family(make_llm, model, settings):
    llm, prompt = make_llm(model, **settings), PromptTemplate("The name is 'oak', its 'colour' is 'green'. [no tools]")
    program = FunctionCallingProgram.from_defaults(output_cls=Bag, prompt=prompt, llm=llm)
    for bag in (llm.structured_predict(Bag, prompt), [*llm.stream_structured_predict(Bag, prompt)][-1], program()):
        assert bag == Bag(name="oak", props={"colour": "green"})


@AGENT_WARNINGS
@promise("forced-calls")
@of_every_family
@pytest.mark.parametrize("streaming", [False, True])
async def test_an_agent_begins_with_the_tool_that_it_must_call_first(make_llm, model, settings, streaming):
    def add(x: int, y: int) -> int:
        """Adds."""
        return x + y

    def subtract(x: int, y: int) -> int:
        """Subtracts."""
        return x - y

    tools = [FunctionTool.from_defaults(subtract), FunctionTool.from_defaults(add)]
    llm = make_llm(model, **settings)
    agent = FunctionAgent(llm=llm, tools=tools, initial_tool_choice="add", streaming=streaming)
    answer = await agent.run("What about 1 and 2? [no tools]")
    assert [(call.tool_name, call.tool_kwargs) for call in answer.tool_calls] == [("add", {"x": 1, "y": 2})]
    assert str(answer) == "The tools answered: 3"


@promise("forced-calls")
@of_every_family
async def test_an_extractor_gets_its_object_of_every_family(make_llm, model, settings):
    llm = make_llm(model, **settings)
    program = FunctionCallingProgram.from_defaults(output_cls=Bag, llm=llm, prompt_template_str="{input} [no tools]")
    extractor = PydanticProgramExtractor(program=program, input_key="input", show_progress=False)
    (found,) = await extractor.aextract([TextNode(text="The name is 'oak'.")])
    assert found["name"] == "oak"
