"""Query engines, chat engines, workflows and programs at the constructor's defaults, with every family."""

from __future__ import annotations

import pytest
from llama_index.core import Document, SummaryIndex, VectorStoreIndex
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from pydantic import BaseModel
from support.llama_index_families import CALLING, CLAUDE, EVERY, NATIVE

from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

EMBEDDING = {"ai-gateway": "system.ai.gte-large-en", "model-serving": "databricks-gte-large-en"}
TEXTS = ("Osaka lies on a bay.", "A lakehouse holds tables.", "Tigers sleep at noon.")


def models_of(workspace):
    return [entry.model for entry in workspace.ledger.model_calls()]


@pytest.fixture
def configured(signed_in, settings):
    """Sets LlamaIndex's ``Settings`` to models of a fresh workspace."""

    def configure(place):
        surface, model = place
        workspace = signed_in(surface)
        settings.llm = DbxGateway(model=model)
        settings.embed_model = DbxGatewayEmbedding(model=EMBEDDING[surface])
        return workspace

    return configure


def documents():
    return [Document(text=text) for text in TEXTS]


@pytest.mark.parametrize("place", EVERY)
async def test_a_query_engine_answers_from_what_it_found(configured, place):
    workspace = configured(place)
    engine = VectorStoreIndex.from_documents(documents()).as_query_engine(similarity_top_k=1)

    answer, awaited = engine.query("What does a lakehouse holds?"), await engine.aquery("What does a lakehouse holds?")

    assert "A lakehouse holds tables." in answer.response
    assert "Tigers" not in answer.response
    assert awaited.response == answer.response
    assert models_of(workspace).count(place[1]) == 2


@pytest.mark.parametrize("place", EVERY)
async def test_a_chat_engine_remembers_and_streams(configured, place):
    configured(place)
    engine = VectorStoreIndex.from_documents(documents()).as_chat_engine(similarity_top_k=1)

    first = engine.chat("Where lies Osaka?")
    streamed = "".join(engine.stream_chat("Where lies Osaka?").response_gen)
    awaited = await engine.astream_chat("Where lies Osaka?")
    told = "".join([token async for token in awaited.async_response_gen()])

    assert first.response.startswith("You said:")
    assert streamed.startswith("You said:")
    assert told.startswith("You said:")
    assert [message.role.value for message in engine.chat_history] == ["user", "assistant"] * 3


@pytest.mark.parametrize("mode", [ChatMode.SIMPLE, ChatMode.CONTEXT, ChatMode.CONDENSE_QUESTION, ChatMode.BEST])
def test_every_mode_of_a_chat_engine(configured, mode):
    configured(("ai-gateway", CLAUDE))
    engine = VectorStoreIndex.from_documents(documents()).as_chat_engine(chat_mode=mode)

    engine.chat("Where lies Osaka?")

    assert engine.chat("And tigers?").response.startswith("You said:")


@pytest.mark.parametrize("model", NATIVE)
def test_a_streaming_query_engine_streams(configured, model):
    configured(("ai-gateway", model))
    engine = VectorStoreIndex.from_documents(documents()).as_query_engine(streaming=True)

    pieces = list(engine.query("Where lies Osaka?").response_gen)

    assert "Osaka lies on a bay." in "".join(pieces)


@pytest.mark.parametrize("model", NATIVE)
def test_what_fits_into_the_context_window_is_asked_in_one_call(configured, model):
    workspace = configured(("ai-gateway", model))
    engine = SummaryIndex.from_documents(
        [Document(text=f"Number {number}. " + "word " * 700) for number in range(8)]
    ).as_query_engine()

    engine.query("What is it about?")

    assert models_of(workspace) == [model]


def test_a_small_context_window_is_refined_over(configured, settings):
    workspace = configured(("ai-gateway", CLAUDE))
    settings.llm = DbxGateway(model=CLAUDE, context_window=2000, max_tokens=100)
    engine = SummaryIndex.from_documents(
        [Document(text=f"Number {number}. " + "word " * 700) for number in range(8)]
    ).as_query_engine()

    engine.query("What is it about?")

    assert len(models_of(workspace)) > 1


class City(BaseModel):
    """A city."""

    name: str
    people: int


OSAKA = City(name="Osaka", people=19)
SENTENCE = 'The city "{city}" has 19 people.'


@pytest.mark.parametrize("place", CALLING)
def test_a_function_calling_program_gives_an_object(configured, settings, place):
    configured(place)
    program = FunctionCallingProgram.from_defaults(City, prompt_template_str=SENTENCE, llm=settings.llm)

    assert program(city="Osaka") == OSAKA


@pytest.mark.parametrize("place", EVERY)
async def test_structured_prediction_gives_an_object_in_all_four_ways(configured, settings, place):
    from llama_index.core.prompts import PromptTemplate

    configured(place)
    prompt = PromptTemplate(SENTENCE)

    assert settings.llm.structured_predict(City, prompt, city="Osaka") == OSAKA
    assert await settings.llm.astructured_predict(City, prompt, city="Osaka") == OSAKA
    assert list(settings.llm.stream_structured_predict(City, prompt, city="Osaka"))[-1] == OSAKA
    stream = await settings.llm.astream_structured_predict(City, prompt, city="Osaka")
    assert [found async for found in stream][-1] == OSAKA


@pytest.mark.parametrize("model", NATIVE)
def test_a_query_engine_with_an_output_class_gives_an_object(configured, model):
    configured(("ai-gateway", model))
    engine = VectorStoreIndex.from_documents(documents()).as_query_engine(output_cls=City)

    answer = engine.query('What about "Osaka" with 19 people?')

    assert answer.response == OSAKA


class Outline(Workflow):
    """Two steps, each of which asks the model."""

    llm: DbxGateway

    def __init__(self, llm):
        super().__init__(timeout=30)
        self.llm = llm

    @step
    async def ask(self, event: StartEvent) -> StopEvent:
        first = await self.llm.acomplete(event.topic)
        city = await self.llm.as_structured_llm(City).acomplete('The city "Osaka" has 19 people.')
        return StopEvent(result=(first.text, city.raw))


@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # LlamaIndex's StructuredLLM calls it
@pytest.mark.parametrize("place", EVERY)
async def test_a_workflow_asks_in_its_steps(configured, settings, place):
    configured(place)

    result = await Outline(settings.llm).run(topic="tables")

    assert result == ("You said: tables", OSAKA)
