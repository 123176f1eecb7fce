"""One proof for each row of the feature table in ``docs/llama_index.md`` that no other test is about."""

from __future__ import annotations

import base64

import pytest
from faults.wires import CHAT, GEMINI, MESSAGES, RESPONSES
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    TextBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage, MessageRole
from support.llama_index_families import CLAUDE, GPT, LLAMA, NATIVE
from support.llama_index_families import GEMINI as GEMINI_MODEL
from support.llama_index_scripts import scripted

from dbx_gateway.errors import APITimeoutError
from dbx_gateway.testing import Fault
from llama_index_dbx_gateway import DbxGateway

EACH_MODEL = pytest.mark.parametrize("model", NATIVE)
HELLO = [ChatMessage("Hello")]
PDF = b"%PDF-1.4 a very small one"
PDF_TEXT = base64.b64encode(PDF).decode()


def told(*blocks):
    return [ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="What is it?"), *blocks])]


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI_MODEL])
def test_a_pdf_reaches_the_model(make_llm, workspace, model):
    document = DocumentBlock(data=PDF, title="report.pdf", document_mimetype="application/pdf")

    assert make_llm(model).chat(told(document)).message.content == "You said: What is it?"
    assert PDF_TEXT in str(workspace.ledger.model_calls()[0].body)


@pytest.mark.parametrize(
    "block",
    [
        AudioBlock(audio=b"RIFF\x24\x00\x00\x00WAVEfmt ", format="wav"),
        VideoBlock(video=b"\0\0\0\x18ftypmp42", video_mimetype="video/mp4"),
    ],
    ids=["audio", "video"],
)
def test_sound_and_film_reach_a_model_that_takes_them(make_llm, block):
    assert make_llm(GEMINI_MODEL).chat(told(block)).message.content == "You said: What is it?"


def test_a_cache_point_makes_claude_read_from_its_cache(make_llm):
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    long = TextBlock(text="A long text. " * 600)
    asked = [ChatMessage(role=MessageRole.SYSTEM, blocks=[long, point]), *HELLO]
    llm = make_llm(CLAUDE)

    first, second = llm.chat(asked).raw["usage"], llm.chat(asked).raw["usage"]

    assert first["cache_creation_input_tokens"] > 1000
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    assert second["prompt_tokens_details"]["cached_tokens"] == second["cache_read_input_tokens"]


@pytest.mark.parametrize("model", [GPT, GEMINI_MODEL, LLAMA])
def test_a_cache_point_does_no_harm_to_other_families(make_llm, model):
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))

    assert make_llm(model).chat(told(point)).message.content == "You said: What is it?"


def test_claude_cites_what_may_be_cited(make_llm):
    source = CitableBlock(title="Sums", source="book", content=[TextBlock(text="Sums are easy.")])

    blocks = make_llm(CLAUDE).chat([ChatMessage(role="user", blocks=[TextBlock(text="[cite] Why?"), source])])

    cited = [block for block in blocks.message.blocks if isinstance(block, CitationBlock)]
    assert [(block.title, block.cited_content.text) for block in cited][-1] == ("Sums", "Sums are easy.")


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
def test_a_server_that_is_silent_is_given_up_after_the_timeout(make_llm, workspace, method):
    workspace.inject(Fault(stall=2.0), times=None, where="/messages")
    llm = make_llm(CLAUDE, timeout=0.1, max_retries=2)

    with pytest.raises(APITimeoutError):
        list(getattr(llm, method)(HELLO))


@pytest.mark.parametrize(
    ("wire", "place"),
    [
        (CHAT, ("max_tokens",)),
        (MESSAGES, ("max_tokens",)),
        (RESPONSES, ("max_output_tokens",)),
        (GEMINI, ("generationConfig", "maxOutputTokens")),
    ],
    ids=["chat-completions", "messages", "responses", "generate-content"],
)
def test_the_length_of_an_answer_has_the_name_that_each_api_gives_it(wire, place):
    llm, script = scripted(wire, wire.whole(), max_tokens=77)

    llm.chat(HELLO)
    llm.chat(HELLO, max_tokens=99)

    found = []
    for body in script.bodies:
        value = body
        for step in place:
            value = value[step]
        found.append(value)
    assert found == [77, 99]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (CLAUDE, "budget_tokens"),
        (GPT, "'effort': 'low'"),
        (GEMINI_MODEL, "thinking"),
        ("databricks-gpt-oss-120b", "'reasoning_effort': 'low'"),
    ],
)
def test_how_much_to_think_reaches_every_family_that_thinks(make_llm, workspace, model, words):
    make_llm(model, reasoning_effort="low", max_tokens=8000).chat(HELLO)

    assert words in str(workspace.ledger.model_calls()[0].body)


def test_a_service_principal_signs_in_and_its_tokens_are_renewed(open_workspace, monkeypatch):
    served, address = open_workspace(revoke_after=2)
    monkeypatch.setenv("DATABRICKS_HOST", address)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "simulated-client")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "simulated-secret")
    llm = DbxGateway(model=CLAUDE)

    said = [llm.complete(f"Number {number}").text for number in range(4)]

    assert said == [f"You said: Number {number}" for number in range(4)]
    assert len(served.ledger.entries("/oidc/v1/token")) > 1


@pytest.mark.parametrize(
    ("model", "api"), [(CLAUDE, "messages"), (GPT, "responses"), (GEMINI_MODEL, "generate-content")]
)
@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
def test_each_family_is_asked_in_its_own_api_on_either_surface(make_llm, workspace, model, api, surface):
    answer = make_llm(model, surface=surface).chat(HELLO)

    (entry,) = workspace.ledger.model_calls()
    assert (entry.surface, entry.api) == (surface, api)
    assert (answer.raw["exchange"]["surface"], answer.raw["exchange"]["api"]) == (surface, api)
    assert len(answer.raw["exchange"]["attempts"]) == 1


def test_a_rate_limiter_is_asked_before_each_call(make_llm):
    class Counting:
        """Counts, and lets everything pass."""

        asked = 0

        def acquire(self, num_tokens=0):
            self.asked += 1

    limiter, llm = Counting(), make_llm()
    llm.__dict__["rate_limiter"] = limiter

    llm.chat(HELLO)
    list(llm.stream_chat(HELLO))
    llm.complete("Hello")

    assert limiter.asked == 3
