"""What LangChain's callbacks and tracers and LlamaIndex's events and callbacks are told: prompts, and no credential."""

from __future__ import annotations

import asyncio
import json
import pickle

import pytest
from support.promises import promise
from support.secret_finding import holds, holds_issued_token

PROMPT = "the fox asks where the geese sleep"


def check(told, secrets) -> None:
    assert any(holds(said, PROMPT) for _, said in told), "the trace saw nothing"
    found = [(name, secret) for name, said in told for secret in secrets if holds(said, secret)]
    found += [(name, "an OAuth token") for name, said in told if holds_issued_token(said)]
    assert found == []


def listener():
    """A LangChain callback that keeps everything that it is told."""
    from langchain_core.callbacks import BaseCallbackHandler

    class Listener(BaseCallbackHandler):
        def __init__(self) -> None:
            self.told: list[tuple[str, str]] = []

        def __getattribute__(self, name):
            if not name.startswith("on_"):
                return super().__getattribute__(name)
            return lambda *args, **kwargs: self.told.append((name, repr(args) + repr(kwargs)))

    return Listener()


@promise("secret-traces")
def test_langchains_callbacks_are_told_no_secret(signed_in):
    from langchain_dbx_gateway import ChatDbxGateway

    heard = listener()
    llm = ChatDbxGateway(**signed_in.fields, callbacks=[heard], metadata={"who": "me"}, tags=["x"])
    llm.invoke(PROMPT)
    list(llm.stream(PROMPT))
    llm.bind_tools([{"name": "add", "description": "adds", "parameters": {"type": "object"}}]).invoke(PROMPT)
    asyncio.run(llm.ainvoke(PROMPT))
    names = {name for name, _ in heard.told}
    assert {"on_chat_model_start", "on_llm_new_token", "on_llm_end"} <= names
    check(heard.told, signed_in.secrets)


@promise("secret-traces")
def test_langchains_runs_hold_no_secret(signed_in):
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

    from langchain_dbx_gateway import ChatDbxGateway

    collected = RunCollectorCallbackHandler()
    chain = ChatPromptTemplate.from_template("{text}") | ChatDbxGateway(**signed_in.fields)
    failing = ChatPromptTemplate.from_template("{text}") | ChatDbxGateway(**signed_in.fields | {"model": "nobody"})
    chain.invoke({"text": PROMPT}, config={"callbacks": [collected]})
    with pytest.raises(Exception, match="nobody"):
        failing.invoke({"text": PROMPT}, config={"callbacks": [collected]})
    assert len(collected.traced_runs) == 2
    runs = [run for traced in collected.traced_runs for run in (traced, *traced.child_runs)]
    told = [(run.name, run.model_dump_json() if hasattr(run, "model_dump_json") else run.json()) for run in runs]
    told += [(run.name, repr(run)) for run in runs]
    assert any("invocation_params" in said for _, said in told)
    check(told, signed_in.secrets)


def test_langchains_event_streams_hold_no_secret(signed_in):
    from langchain_dbx_gateway import ChatDbxGateway

    llm = ChatDbxGateway(**signed_in.fields)

    async def main() -> list[tuple[str, str]]:
        return [(event["event"], repr(event)) async for event in llm.astream_events(PROMPT, version="v2")]

    check(asyncio.run(main()), signed_in.secrets)


def test_langchains_messages_hold_no_secret(signed_in):
    from langchain_dbx_gateway import ChatDbxGateway

    llm = ChatDbxGateway(**signed_in.fields)
    messages = [llm.invoke(PROMPT), *llm.stream(PROMPT)]
    told = [("message", message.model_dump_json()) for message in messages]
    told += [("pickle", pickle.dumps(message)) for message in messages]
    check(told, signed_in.secrets)


@promise("secret-traces")
def test_llama_indexs_events_hold_no_secret(signed_in):
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

    from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

    told: list[tuple[str, str]] = []

    class Heard(BaseEventHandler):
        def handle(self, event, **kwargs):
            told.append((event.class_name(), event.model_dump_json(fallback=repr)))
            told.append((event.class_name(), repr(event)))

    dispatcher, spans = get_dispatcher(), SimpleSpanHandler()
    before = list(dispatcher.event_handlers), list(dispatcher.span_handlers)
    dispatcher.add_event_handler(Heard())
    dispatcher.add_span_handler(spans)
    try:
        llm = DbxGateway(**signed_in.fields)
        llm.complete(PROMPT)
        list(llm.stream_complete(PROMPT))
        asyncio.run(llm.acomplete(PROMPT))
        DbxGatewayEmbedding(**signed_in.fields | {"model": "databricks-gte-large-en"}).get_text_embedding(PROMPT)
        with pytest.raises(Exception, match="nobody"):
            llm.complete(PROMPT, model="nobody")
    finally:
        dispatcher.event_handlers, dispatcher.span_handlers = before
    names = {name for name, _ in told}
    assert {"LLMCompletionStartEvent", "LLMCompletionEndEvent", "EmbeddingStartEvent"} <= names
    told += [("span", repr(span)) for span in [*spans.completed_spans, *spans.dropped_spans]]
    check(told, signed_in.secrets)


@promise("secret-traces")
def test_llama_indexs_callbacks_are_told_no_secret(signed_in):
    from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
    from llama_index.core.llms import ChatMessage

    from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

    debug = LlamaDebugHandler(print_trace_on_end=False)
    manager = CallbackManager([debug])
    llm = DbxGateway(**signed_in.fields, callback_manager=manager)
    llm.chat([ChatMessage(role="user", content=PROMPT)])
    list(llm.stream_chat([ChatMessage(role="user", content=PROMPT)]))
    model = signed_in.fields | {"model": "databricks-gte-large-en", "callback_manager": manager}
    DbxGatewayEmbedding(**model).get_text_embedding(PROMPT)
    pairs = [one for found in debug.get_event_pairs() for one in found]
    told = [(str(one.event_type), f"{one.payload!r} {json.dumps(one.payload, default=str)}") for one in pairs]
    check(told, signed_in.secrets)


def test_llama_indexs_responses_hold_no_secret(signed_in):
    from llama_index_dbx_gateway import DbxGateway

    llm = DbxGateway(**signed_in.fields)
    responses = [llm.complete(PROMPT), *llm.stream_complete(PROMPT)]
    told = [("response", repr(response)) for response in responses]
    told += [("pickle", pickle.dumps(response)) for response in responses]
    check(told, signed_in.secrets)
