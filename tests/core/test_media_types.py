"""Media are of the type that their bytes are, on every api and from every front end."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ImageBlock
from support.promises import promise

from dbx_gateway import Client
from dbx_gateway.chat import Blob, File, Image, ToolCall, ToolResult, assistant, user
from dbx_gateway.chat import Message as CoreMessage
from dbx_gateway.media_types import media_type, type_of_name
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway


def b64(raw: bytes) -> str:
    return base64.b64encode(raw + bytes(32)).decode()


BYTES = {
    "image/png": b64(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": b64(b"\xff\xd8\xff\xe0\0\x10JFIF"),
    "image/gif": b64(b"GIF89a"),
    "image/webp": b64(b"RIFF\x24\0\0\0WEBPVP8 "),
    "image/bmp": b64(b"BM\0\0\0\0\0\0\0\0"),
    "image/tiff": b64(b"II*\0"),
    "image/heic": b64(b"\0\0\0\x18ftypheic"),
    "image/avif": b64(b"\0\0\0\x18ftypavif"),
    "application/pdf": b64(b"%PDF-1.7\n"),
    "audio/wav": b64(b"RIFF\x24\0\0\0WAVEfmt "),
    "audio/mp3": b64(b"ID3\x04"),
    "audio/flac": b64(b"fLaC"),
}
PLAIN = b64(b"words, words")
PNG, JPEG, PDF = (BYTES[name] for name in ("image/png", "image/jpeg", "application/pdf"))

CLAUDE, GPT, GEMINI = "databricks-claude-sonnet-4-5", "databricks-gpt-5-4", "databricks-gemini-3-1-pro"
ROUTES = [(model, api) for model in (CLAUDE, GPT, GEMINI) for api in ("auto", "chat-completions")]
LABELS = ["image/png", "image/jpg", "IMAGE/JPEG", "image/jpeg; charset=binary", "jpg", "application/pdf", None]


@pytest.mark.parametrize("label", [None, "image/png", "text/plain", "IMAGE/JPG", "application/octet-stream"])
@pytest.mark.parametrize("kind", BYTES)
def test_bytes_of_a_known_format_are_what_they_are(kind, label):
    assert media_type(Blob(data=BYTES[kind], mime=label)) == kind


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/PNG", "image/png"),
        (" Text/Plain; charset=utf-8", "text/plain"),
        ("png", "image/png"),
        (".PDF", "application/pdf"),
        ("application/x-own", "application/x-own"),
        ("", None),
        (" ;", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("where", [{"data": PLAIN}, {"url": "https://e.com/a"}, {"file_id": "f"}], ids=str)
def test_a_label_is_used_where_the_bytes_tell_nothing(label, kind, where):
    assert media_type(Blob(mime=label, **where)) == kind


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (BYTES["audio/mp3"], "audio/mpeg"),
        (BYTES["audio/wav"], "audio/x-wav"),
        (BYTES["image/heic"], "image/heif"),
        (b64(b"OggS"), "video/ogg"),
        (b64(b"OggS"), "audio/opus"),
    ],
)
def test_another_name_of_what_the_bytes_are_stays(data, label):
    assert media_type(Blob(data=data, mime=label)) == label


def test_without_a_label_the_beginning_and_then_the_name_tell():
    assert media_type(Blob(data=b64(b"OggS"))) == "audio/ogg"
    assert media_type(Blob(data=b64(b" <svg "))) == "image/svg+xml"
    assert media_type(Blob(data=PLAIN), "a.CSV") == "text/csv"
    assert media_type(Blob(data=PNG), "a.pdf") == "image/png"
    assert media_type(Blob(data="no base64!"), None) is None
    assert (type_of_name("a"), type_of_name(None)) == (None, None)


def connected(cls, model, api):
    """A front end of an own workspace, and a function that returns the body of the one request it got."""
    workspace = Workspace()
    client = httpx.Client(transport=workspace_transport(workspace))
    where = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway", "http_client": client}

    def sent():
        (call,) = workspace.ledger.model_calls()
        assert call.status == 200
        return json.dumps(call.body)

    return cls(model=model, api=api, max_retries=0, **where), sent


@promise("media-by-bytes")
@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize("label", LABELS)
def test_a_jpeg_is_one_whatever_it_is_called(model, api, label):
    picture = Image(blob=Blob(data=JPEG, mime=label))
    call = ToolCall(call_id="c1", name="draw", arguments="{}")
    result = CoreMessage(role="tool", parts=(ToolResult(call_id="c1", content=(picture,)),))
    client, sent = connected(Client, model, api)

    assert client.chat([user("See", picture), assistant(call), result]).text

    body = sent()
    assert body.count(JPEG) == 2
    assert body.count("image/jpeg") == 2
    assert (label or "image/png") == "image/jpeg; charset=binary" or (label or "image/png") not in body
    assert picture == Image(blob=Blob(data=JPEG, mime=label))


@promise("media-by-bytes")
@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": JPEG, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{JPEG}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": JPEG}},
        {"type": "image", "data": JPEG, "mimeType": "image/gif"},
        {"type": "file", "base64": JPEG, "mime_type": "image/png"},
    ],
    ids=str,
)
def test_in_langchain(model, api, block):
    llm, sent = connected(ChatDbxGateway, model, api)
    history = [
        HumanMessage("See"),
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "1", "name": "draw", "args": {}, "type": "tool_call"}],
        },
        ToolMessage([block], tool_call_id="1"),
        HumanMessage([block]),
    ]

    assert llm.invoke(history).text

    assert sent().count("image/jpeg") == 2


@promise("media-by-bytes")
@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize("label", ["image/png", "image/jpg", None])
def test_in_llama_index(model, api, label):
    llm, sent = connected(DbxGateway, model, api)

    assert llm.chat(
        [ChatMessage(blocks=[ImageBlock(image=base64.b64decode(JPEG), image_mimetype=label)])]
    ).message.content

    assert sent().count("image/jpeg") == 1


@promise("media-by-bytes")
@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (File(blob=Blob(data=PNG, mime="application/octet-stream"), filename="a.bin"), "image/png"),
        (Image(blob=Blob(data=PDF, mime="image/png")), "application/pdf"),
    ],
    ids=["a picture as a file", "a document as an image"],
)
def test_a_part_is_of_the_kind_that_its_bytes_are(model, api, part, kind):
    client, sent = connected(Client, model, api)

    assert client.chat([user("See", part)]).text

    body = sent()
    assert kind in body
    assert '"document"' not in body or kind == "application/pdf"


def test_a_sound_as_a_file_is_a_sound():
    client, sent = connected(Client, GEMINI, "chat-completions")

    assert client.chat([user("Hear", File(blob=Blob(data=BYTES["audio/wav"])))]).text

    assert json.loads(sent())["messages"][0]["content"][1] == {
        "type": "input_audio",
        "input_audio": {"data": BYTES["audio/wav"], "format": "wav"},
    }


@pytest.mark.parametrize(
    "text", ["ID3 tags are what a sound begins with", "ID3", "BM is short for benchmark, and goes on"]
)
def test_a_text_that_begins_like_a_sound_or_a_picture_is_a_text(text):
    assert media_type(Blob(data=base64.b64encode(text.encode()).decode(), mime="text/plain")) == "text/plain"
