"""What tracers record of a run: LangSmith at an endpoint of this machine, OpenTelemetry and OpenInference in memory."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_core.tracers.langchain import LangChainTracer
from langsmith import Client
from llama_index.core.llms import ChatMessage
from openinference.instrumentation.langchain import LangChainInstrumentor as OpenInferenceOfLangChain
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.instrumentation.langchain import LangchainInstrumentor as OpenTelemetryOfLangChain
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def ran(chat, **config):
    return create_agent(chat, [add]).invoke({"messages": [HumanMessage("add 2 and 3")]}, config)


RECORDED = InMemorySpanExporter()


@pytest.fixture
def spans():
    RECORDED.clear()
    return RECORDED


@pytest.fixture(scope="module")
def provider():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(RECORDED))
    return provider


@contextlib.contextmanager
def instrumented(instrumentor, provider):
    instrumentor.instrument(tracer_provider=provider)
    yield
    instrumentor.uninstrument()


@pytest.fixture(scope="module")
def opentelemetry(provider):
    """For all tests at once: a second start in the same process records nothing, see the table."""
    with instrumented(OpenTelemetryOfLangChain(), provider):
        yield


@pytest.fixture
def openinference(provider):
    with instrumented(OpenInferenceOfLangChain(), provider), instrumented(LlamaIndexInstrumentor(), provider):
        yield


@pytest.fixture
def langsmith_endpoint():
    """An endpoint that takes every run, and what it was sent."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(self.rfile.read(int(self.headers["content-length"])).decode(errors="replace"))
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b"{}")

        do_PATCH = do_POST  # noqa: N815  # the name is http.server's

        def log_message(self, *_):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_langsmith_gets_the_model_and_its_tokens_and_no_secret(chat, model, workspace, langsmith_endpoint):
    url, received = langsmith_endpoint
    client = Client(api_url=url, api_key="k", info={}, auto_batch_tracing=False)

    state = ran(chat, callbacks=[LangChainTracer(client=client)])
    client.flush()

    assert state["messages"][-1].text == "The tools answered: 5"
    text = "".join(received)
    assert f'"ls_model_name":"{model}"' in text
    assert '"ls_provider":"databricks"' in text
    assert '"total_tokens"' in text
    assert workspace.token not in text


def test_opentelemetry_records_the_model_and_its_tokens(chat, model, sent, workspace, opentelemetry, spans):
    ran(chat)

    asked = [span.attributes for span in spans.get_finished_spans() if "gen_ai.usage.input_tokens" in span.attributes]
    assert len(asked) == len(sent()) == 2
    assert {attributes["gen_ai.request.model"] for attributes in asked} == {model}
    billed = workspace.billed()
    assert sum(attributes["gen_ai.usage.output_tokens"] for attributes in asked) == billed.output
    assert workspace.token not in str([dict(span.attributes) for span in spans.get_finished_spans()])


def test_openinference_records_langchains_model_and_its_tokens(chat, model, sent, workspace, openinference, spans):
    ran(chat)

    asked = [
        span.attributes
        for span in spans.get_finished_spans()
        if span.attributes.get("openinference.span.kind") == "LLM"
    ]
    assert len(asked) == len(sent()) == 2
    assert {attributes["llm.model_name"] for attributes in asked} == {model}
    assert sum(attributes["llm.token_count.completion"] for attributes in asked) == workspace.billed().output
    assert workspace.token not in json.dumps([dict(attributes) for attributes in asked])


def test_openinference_records_llama_indexs_model_and_its_tokens(llm, model, sent, workspace, openinference, spans):
    llm.chat([ChatMessage(role="user", content="Hello")])

    (asked,) = [
        span.attributes
        for span in spans.get_finished_spans()
        if span.attributes.get("openinference.span.kind") == "LLM"
    ]
    assert len(sent()) == 1
    assert asked["llm.model_name"] == model
    assert asked["llm.token_count.completion"] == workspace.billed().output
    assert workspace.token not in json.dumps(dict(asked))
