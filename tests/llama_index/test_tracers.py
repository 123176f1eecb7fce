"""What OpenInference and MLflow record of calls: the model, and the tokens that the workspace billed.

Neither is a dependency of the tests: where one is not installed, it is left out, and other tests have the keys it reads.
"""

from __future__ import annotations

import contextlib

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel
from support.llama_index_families import AGENT_WARNINGS, NATIVE

pytestmark = [
    AGENT_WARNINGS,
    pytest.mark.filterwarnings(  # the tracers' own
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::ResourceWarning"
    ),
]

HELLO = [ChatMessage("Hello")]


class City(BaseModel):
    name: str


def billed(workspace):
    return sorted((entry.billed.input, entry.billed.output) for entry in workspace.ledger.model_calls())


async def ask_in_every_way(llm, tool, *, streaming):
    """All eight methods, an agent, and an object, whole and streamed."""
    llm.chat(HELLO)
    list(llm.stream_chat(HELLO))
    llm.complete("Hello")
    list(llm.stream_complete("Hello"))
    await llm.achat(HELLO)
    await llm.acomplete("Hello")
    if streaming:
        assert [response async for response in await llm.astream_chat(HELLO)]
        assert [response async for response in await llm.astream_complete("Hello")]
    await FunctionAgent(llm=llm, tools=[tool], streaming=streaming).run("add 2 and 3")
    llm.structured_predict(City, PromptTemplate("x"))
    list(llm.stream_structured_predict(City, PromptTemplate("x")))


@pytest.fixture
def openinference():
    """What OpenInference exports, span by span."""
    instrumentation = pytest.importorskip("openinference.instrumentation.llama_index")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


@pytest.mark.parametrize("model", NATIVE)
async def test_openinference_records_every_call_once_with_its_tokens(
    make_llm, workspace, add_tool, openinference, model
):
    await ask_in_every_way(make_llm(model), add_tool, streaming=True)

    recorded = [dict(span.attributes) for span in openinference.get_finished_spans()]
    counted = [told for told in recorded if "llm.token_count.prompt" in told]
    counts = [(told["llm.token_count.prompt"], told["llm.token_count.completion"]) for told in counted]
    assert sorted(counts) == billed(workspace)
    assert {told["llm.model_name"] for told in counted} == {model}
    assert workspace.token not in str(recorded)


@pytest.fixture
def mlflow(tmp_path):
    """MLflow with a database of its own, recording."""
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_experiment("llama-index")
    mlflow.llama_index.autolog()
    yield mlflow
    with contextlib.suppress(Exception):
        mlflow.flush_trace_async_logging()
    mlflow.llama_index.autolog(disable=True)


@pytest.mark.parametrize("model", NATIVE)
async def test_mlflow_records_every_call_once_with_its_tokens(make_llm, workspace, add_tool, mlflow, model):
    """Not those of async streams: MLflow 3.17 ends their spans before they are read, whoever's they are."""
    await ask_in_every_way(make_llm(model), add_tool, streaming=False)

    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(return_type="list")
    spans = [span for trace in traces for span in trace.data.spans]
    counted = [span.attributes for span in spans if "mlflow.chat.tokenUsage" in span.attributes]
    used = [told["mlflow.chat.tokenUsage"] for told in counted]
    assert sorted((told["input_tokens"], told["output_tokens"]) for told in used) == billed(workspace)
    assert {told["mlflow.llm.model"] for told in counted} == {model}
    assert workspace.token not in str([span.to_dict() for span in spans])


def test_a_model_that_mlflow_logs_takes_no_secret_along_and_works_where_it_is_loaded(
    make_llm, make_embedding, workspace, url, mlflow, settings, tmp_path, monkeypatch
):
    settings.llm, settings.embed_model = make_llm(temperature=0.5), make_embedding()
    index = VectorStoreIndex.from_documents([Document(text="Tables hold rows.")])

    mlflow.llama_index.save_model(index, str(tmp_path / "model"), engine_type="query", pip_requirements=["dbx-gateway"])
    written = b"".join(path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file())
    settings.llm = MockLLM()
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))

    assert workspace.token.encode() not in written
    assert "Tables hold rows." in loaded.predict("What do tables hold?")
    assert (settings.llm.model, settings.llm.temperature) == ("databricks-claude-sonnet-4-5", 0.5)
