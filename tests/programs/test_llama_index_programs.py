"""LlamaIndex's workflows of agents, graphs, engines and evaluators."""

from __future__ import annotations

import json

import pytest
from llama_index.core import Document, PropertyGraphIndex, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.evaluation import (
    CorrectnessEvaluator,
    FaithfulnessEvaluator,
    GuidelineEvaluator,
    PairwiseComparisonEvaluator,
    RelevancyEvaluator,
)
from llama_index.core.indices.property_graph import (
    DynamicLLMPathExtractor,
    ImplicitPathExtractor,
    SchemaLLMPathExtractor,
    SimpleLLMPathExtractor,
)
from llama_index.core.query_engine import RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector, PydanticSingleSelector
from llama_index.core.tools import FunctionTool, QueryEngineTool
from support.llama_index_scripts import WIRES, scripted


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@pytest.fixture(params=WIRES, ids=lambda wire: wire.api)
def wire(request):
    """Each api, whose answers a test writes itself."""
    return request.param


DOCUMENTS = [Document(text="Ann owns the lake house."), Document(text="The lake opens at nine.")]


async def test_a_workflow_hands_over_to_the_agent_that_has_the_tool(llm, sent):
    greeter = FunctionAgent(name="greeter", description="Greets.", system_prompt="You greet.", llm=llm, tools=[])
    adder = FunctionAgent(
        name="adder", description="Adds.", system_prompt="You add.", llm=llm, tools=[FunctionTool.from_defaults(add)]
    )
    workflow = AgentWorkflow(agents=[greeter, adder], root_agent="greeter")

    answer = await workflow.run('handoff to "adder" because of "sums", then add 2 and 3')

    assert answer.current_agent_name == "adder"
    assert str(answer) == "The tools answered: 5"
    assert len(sent()) == 3


def test_a_graph_is_filled_by_a_schema(llm, embedding, sent):
    index = PropertyGraphIndex.from_documents(
        [Document(text="'Ann' owns the 'House'.")],
        llm=llm,
        embed_model=embedding,
        kg_extractors=[SchemaLLMPathExtractor(llm=llm, num_workers=1, strict=False)],
        embed_kg_nodes=False,
    )

    triplets = index.property_graph_store.get_triplets(entity_names=["Ann", "House", "ANN", "HOUSE"])
    assert triplets
    (body,) = sent()
    assert "'Ann' owns the 'House'." in body


LINES = [
    (SimpleLLMPathExtractor, "(Ann, owns, House)"),
    (
        DynamicLLMPathExtractor,
        '[{"head": "Ann", "head_type": "PERSON", "relation": "OWNS", "tail": "House", "tail_type": "BUILDING"}]',
    ),
]


@pytest.mark.parametrize(("kind", "said"), LINES, ids=["lines", "json"])
def test_a_graph_is_filled_from_what_the_model_writes(wire, embedding, kind, said):
    llm, script = scripted(wire, wire.whole(said))

    index = PropertyGraphIndex.from_documents(
        DOCUMENTS[:1],
        llm=llm,
        embed_model=embedding,
        kg_extractors=[kind(llm=llm, num_workers=1), ImplicitPathExtractor()],
        embed_kg_nodes=False,
    )

    triplets = index.property_graph_store.get_triplets(entity_names=["Ann"])
    assert [(one.name, relation.label.lower(), other.name) for one, relation, other in triplets] == [
        ("Ann", "owns", "House")
    ]
    assert ["Ann owns the lake house." in str(body) for body in script.bodies] == [True]


def engines(llm, embedding):
    engine = VectorStoreIndex.from_documents(DOCUMENTS, embed_model=embedding).as_query_engine(llm=llm)
    return [
        QueryEngineTool.from_defaults(engine, name="house", description="Knows the house."),
        QueryEngineTool.from_defaults(engine, name="lake", description="Knows the lake."),
    ]


def test_a_question_is_split_into_questions_to_engines(wire, embedding):
    questions = [
        {"sub_question": "Who owns the house?", "tool_name": "house"},
        {"sub_question": "When does the lake open?", "tool_name": "lake"},
    ]
    replies = [wire.whole(said) for said in (json.dumps(questions), "Ann does.", "At nine.", "Ann, at nine.")]
    llm, script = scripted(wire, *replies)
    engine = SubQuestionQueryEngine.from_defaults(
        engines(llm, embedding),
        llm=llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
        use_async=False,
        verbose=False,
    )

    answer = engine.query("Who opens the house, and when?")

    assert str(answer) == "Ann, at nine."
    assert len(script.bodies) == 4
    assert "Who owns the house?" in str(script.bodies[1])
    assert "At nine." in str(script.bodies[3])


@pytest.mark.parametrize("selector", [LLMSingleSelector, LLMMultiSelector])
def test_a_router_selects_an_engine_by_what_the_model_writes(wire, embedding, selector):
    llm, script = scripted(wire, wire.whole('[{"choice": 1, "reason": "the house"}]'), wire.whole("Ann does."))
    engine = RouterQueryEngine.from_defaults(engines(llm, embedding), llm=llm, selector=selector.from_defaults(llm=llm))

    answer = engine.query("Who owns the house?")

    assert str(answer) == "Ann does."
    assert "Knows the lake." in str(script.bodies[0])


def test_a_router_selects_an_engine_by_a_schema(llm, embedding, sent):
    engine = RouterQueryEngine.from_defaults(
        engines(llm, embedding), llm=llm, selector=PydanticSingleSelector.from_defaults(llm=llm)
    )

    answer = engine.query("1: who owns the house?")

    assert "Ann owns the lake house." in str(answer)
    assert "Knows the lake." in sent()[0]


VERDICTS = [
    (CorrectnessEvaluator, "4.5\nNearly.", 4.5),
    (FaithfulnessEvaluator, "YES", 1.0),
    (RelevancyEvaluator, "YES", 1.0),
    (GuidelineEvaluator, '{"passing": true, "feedback": "good"}', 1.0),
    (PairwiseComparisonEvaluator, "[[A]]", 1.0),
]


@pytest.mark.parametrize(("kind", "said", "score"), VERDICTS, ids=[verdict[0].__name__ for verdict in VERDICTS])
async def test_an_evaluator_reads_the_models_verdict(wire, kind, said, score):
    llm, script = scripted(wire, wire.whole(said))
    second = {"second_response": "Bob."} if kind is PairwiseComparisonEvaluator else {}
    more = {"enforce_consensus": False} if kind is PairwiseComparisonEvaluator else {}

    result = await kind(llm=llm, **more).aevaluate(
        query="Who owns the house?", response="Ann.", contexts=["Ann owns it."], reference="Ann", **second
    )

    assert result.score == score
    assert "Ann" in str(script.bodies[0])
