"""LangChain's standard integration tests, for four families on both surfaces, against the simulated workspace.

Which of them apply to which family stands in ``FLAGS``, a row for each family and api. Every flag that is False in a
row has the source of that in ``WHY_NOT``; the tests that a False flag skips are in ``SKIPPED_BY``, and no other may be
skipped: a hook in ``conftest.py`` compares.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass, fields

import httpx
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_dbx_gateway import ChatDbxGateway


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags of ``ChatModelIntegrationTests``, under its own names."""

    has_tool_calling: bool = True
    has_tool_choice: bool = True
    has_structured_output: bool = True
    supports_json_mode: bool = True
    supports_image_inputs: bool = True
    supports_image_urls: bool = True
    supports_pdf_inputs: bool = True
    supports_audio_inputs: bool = True
    supports_video_inputs: bool = True
    supports_anthropic_inputs: bool = True
    supports_image_tool_message: bool = True
    supports_pdf_tool_message: bool = True
    returns_usage_metadata: bool = True
    supports_model_override: bool = True
    enable_vcr_tests: bool = False
    usage_details: tuple[str, ...] = ()


NAMES = tuple(field.name for field in fields(Flags) if field.name != "usage_details")

FLAGS: dict[tuple[str, str], Flags] = {
    ("claude", "auto"): Flags(
        supports_image_urls=False,
        supports_audio_inputs=False,
        supports_video_inputs=False,
        usage_details=("reasoning_output", "cache_read_input", "cache_creation_input"),
    ),
    ("gpt", "auto"): Flags(
        supports_audio_inputs=False,
        supports_video_inputs=False,
        usage_details=("reasoning_output", "cache_read_input"),
    ),
    ("gemini", "auto"): Flags(usage_details=("audio_input", "reasoning_output", "cache_read_input")),
    ("llama", "auto"): Flags(
        supports_image_inputs=False,
        supports_image_urls=False,
        supports_pdf_inputs=False,
        supports_audio_inputs=False,
        supports_video_inputs=False,
        supports_image_tool_message=False,
        supports_pdf_tool_message=False,
    ),
    ("claude", "chat-completions"): Flags(
        supports_audio_inputs=False,
        supports_video_inputs=False,
        usage_details=("cache_read_input", "cache_creation_input"),
    ),
    ("gpt", "chat-completions"): Flags(
        supports_audio_inputs=False,
        supports_video_inputs=False,
        usage_details=("reasoning_output", "cache_read_input"),
    ),
    ("gemini", "chat-completions"): Flags(
        supports_video_inputs=False, usage_details=("reasoning_output", "cache_read_input")
    ),
}

_TEXT_ONLY = "docs/wire/models.md#limits-and-prices: the Llama models of a workspace take text only"

WHY_NOT: dict[tuple[str, str], dict[str, str]] = {
    ("claude", "auto"): {
        "supports_image_urls": "docs/wire/quirks.md#anth-media-url: Claude's own api on a workspace fetches no URL",
        "supports_audio_inputs": "docs/wire/messages.md#request: the messages api has no sound",
        "supports_video_inputs": "docs/wire/messages.md#request: the messages api has no film",
    },
    ("gpt", "auto"): {
        "supports_audio_inputs": "docs/wire/models.md#limits-and-prices: no GPT model of a workspace is listed with audio",
        "supports_video_inputs": "docs/wire/models.md#limits-and-prices: no GPT model of a workspace is listed with video",
    },
    ("gemini", "auto"): {},
    ("llama", "auto"): {
        "supports_image_inputs": _TEXT_ONLY,
        "supports_image_urls": _TEXT_ONLY,
        "supports_pdf_inputs": _TEXT_ONLY,
        "supports_audio_inputs": _TEXT_ONLY,
        "supports_video_inputs": _TEXT_ONLY,
        "supports_image_tool_message": _TEXT_ONLY,
        "supports_pdf_tool_message": _TEXT_ONLY,
    },
    ("claude", "chat-completions"): {
        "supports_audio_inputs": "docs/wire/models.md#limits-and-prices: no Claude model of a workspace is listed with audio",
        "supports_video_inputs": "docs/wire/models.md#limits-and-prices: no Claude model of a workspace is listed with video",
    },
    ("gpt", "chat-completions"): {
        "supports_audio_inputs": "docs/wire/models.md#limits-and-prices: no GPT model of a workspace is listed with audio",
        "supports_video_inputs": "docs/wire/models.md#limits-and-prices: no GPT model of a workspace is listed with video",
    },
    ("gemini", "chat-completions"): {
        "supports_video_inputs": "docs/wire/chat-completions.md#request: chat-completions has no film",
    },
}

NEVER = {"enable_vcr_tests": "the tests need recordings of a paid model's answers; ours are answered by a simulation"}
"""Flags that are False in every row."""

SKIPPED_BY: dict[str, str] = {
    "supports_json_mode": "test_json_mode",
    "supports_image_inputs": "test_image_inputs",
    "supports_pdf_inputs": "test_pdf_inputs",
    "supports_audio_inputs": "test_audio_inputs",
    "supports_anthropic_inputs": "test_anthropic_inputs",
    "supports_image_tool_message": "test_image_tool_message",
    "supports_pdf_tool_message": "test_pdf_tool_message",
    "enable_vcr_tests": "test_stream_time",
}
"""The test that each flag switches. Flags without one of their own only change what a test does."""


def skipped(row: tuple[str, str]) -> frozenset[str]:
    """The standard tests that a row skips: no other may be."""
    return frozenset(test for flag, test in SKIPPED_BY.items() if not getattr(FLAGS[row], flag))


MODELS = {
    "claude": ("databricks-claude-sonnet-4-5", "databricks-claude-haiku-4-5"),
    "gpt": ("databricks-gpt-5-4", "databricks-gpt-5-2"),
    "gemini": ("databricks-gemini-3-1-pro", "databricks-gemini-3-flash"),
    "llama": ("databricks-meta-llama-3-3-70b-instruct", "databricks-llama-4-maverick"),
}


def png() -> bytes:
    """A picture of one red pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
        + chunk(b"IEND", b"")
    )


def wav() -> bytes:
    """A hundredth of a second of silence."""
    samples = bytes(160)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 4 + len(form) + 8 + len(samples), b"WAVE") + form + b"data\xa0\0\0\0" + samples
    )


def pdf() -> bytes:
    """A document of one empty page."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
    )
    body = b"%PDF-1.4\n"
    offsets = []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return body + b"xref\n0 4\n0000000000 65535 f \n%strailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(body),
    )


_FILES = {".png": png, ".wav": wav, ".pdf": pdf}


@pytest.fixture
def no_downloads(monkeypatch):
    """The suites fetch a picture, a sound and a document from the web; here each is made on the spot."""

    def get(url, **_):
        made = next(make for suffix, make in _FILES.items() if str(url).endswith(suffix))
        return httpx.Response(200, content=made())

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "dbx-gateway tests")


class _Standard(ChatModelIntegrationTests):
    row: tuple[str, str]
    surface: str

    @classmethod
    def may_skip(cls, test):
        return test in skipped(cls.row)

    @pytest.fixture(autouse=True)
    def _place(self, standing_workspace, no_downloads):
        self.workspace, self.url = standing_workspace

    @property
    def chat_model_class(self):
        return ChatDbxGateway

    @property
    def chat_model_params(self):
        return {
            "model": self._named(MODELS[self.row[0]][0]),
            "host": self.url,
            "token": self.workspace.token,
            "surface": self.surface,
            "api": self.row[1],
        }

    @property
    def model_override_value(self):
        return self._named(MODELS[self.row[0]][1])

    @property
    def supported_usage_metadata_details(self):
        details = list(FLAGS[self.row].usage_details)
        return {"invoke": details, "stream": details}

    def _named(self, model):
        on_gateway = self.surface == "ai-gateway"
        return model.replace("databricks-", "system.ai.") if on_gateway else model

    def invoke_with_audio_input(self, *, stream=False):
        sound = {"type": "audio", "base64": base64.b64encode(wav()).decode(), "mime_type": "audio/wav"}
        model = self.chat_model_class(**self.chat_model_params)
        return _answer(model, [HumanMessage(["What do you hear?", sound])], stream=stream)

    def invoke_with_reasoning_output(self, *, stream=False):
        model = self.chat_model_class(**self.chat_model_params, reasoning_effort="low", max_tokens=8000)
        return _answer(model, [HumanMessage("Why is the sky blue?")], stream=stream)

    def invoke_with_cache_creation_input(self, *, stream=False):
        return _answer(self._cached("first", stream=stream), self._long_prompt("first", stream=stream), stream=stream)

    def invoke_with_cache_read_input(self, *, stream=False):
        model, messages = self._cached("again", stream=stream), self._long_prompt("again", stream=stream)
        _answer(model, messages, stream=stream)
        return _answer(model, messages, stream=stream)

    def _cached(self, _, *, stream):
        return self.chat_model_class(**self.chat_model_params)

    def _long_prompt(self, word, *, stream):
        text = f"{self.surface} {self.row} {word} {stream} " + "Know this. " * 2000
        mark = {"cache_control": {"type": "ephemeral"}} if self.row[0] == "claude" else {}
        return [SystemMessage([{"type": "text", "text": text, **mark}]), HumanMessage("What do you know?")]


def _answer(model, messages, *, stream):
    if not stream:
        return model.invoke(messages)
    full = None
    for chunk in model.stream(messages):
        full = chunk if full is None else full + chunk
    return full


for _name in NAMES:
    setattr(_Standard, _name, property(lambda self, name=_name: getattr(FLAGS[self.row], name)))


class TestClaudeOnModelServing(_Standard):
    row, surface = ("claude", "auto"), "model-serving"


class TestClaudeOnAiGateway(_Standard):
    row, surface = ("claude", "auto"), "ai-gateway"


class TestGptOnModelServing(_Standard):
    row, surface = ("gpt", "auto"), "model-serving"


class TestGptOnAiGateway(_Standard):
    row, surface = ("gpt", "auto"), "ai-gateway"


class TestGeminiOnModelServing(_Standard):
    row, surface = ("gemini", "auto"), "model-serving"


class TestGeminiOnAiGateway(_Standard):
    row, surface = ("gemini", "auto"), "ai-gateway"


class TestLlamaOnModelServing(_Standard):
    row, surface = ("llama", "auto"), "model-serving"


class TestLlamaOnAiGateway(_Standard):
    row, surface = ("llama", "auto"), "ai-gateway"


class TestClaudeOnChatCompletions(_Standard):
    row, surface = ("claude", "chat-completions"), "model-serving"


class TestGptOnChatCompletions(_Standard):
    row, surface = ("gpt", "chat-completions"), "ai-gateway"


class TestGeminiOnChatCompletions(_Standard):
    row, surface = ("gemini", "chat-completions"), "model-serving"


@pytest.mark.parametrize("row", FLAGS)
def test_every_flag_that_is_false_has_its_source(row):
    false = {name for name in NAMES if not getattr(FLAGS[row], name)}

    assert false == set(WHY_NOT[row]) | set(NEVER)


def test_the_flags_of_the_table_are_all_that_the_suite_has():
    of_the_suite = {
        name for name in dir(ChatModelIntegrationTests) if name.startswith(("supports_", "has_", "returns_"))
    }

    assert set(NAMES) == of_the_suite | {"enable_vcr_tests"}


def test_tools_structured_output_and_json_mode_are_true_for_every_family_that_has_tools():
    for row, flags in FLAGS.items():
        assert flags.has_tool_calling
        assert flags.has_tool_choice, row
        assert flags.has_structured_output, row
        assert flags.supports_json_mode, row


def test_every_switched_test_exists_in_the_suite():
    assert all(hasattr(ChatModelIntegrationTests, test) for test in SKIPPED_BY.values())
