"""Conversations that together use every field the core can send, one function each: (client, profile) to the end."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace

from dbx_gateway import (
    Audio,
    Blob,
    CacheHint,
    Client,
    File,
    Image,
    Message,
    OutputFormat,
    Profile,
    Text,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Video,
    fold,
    system,
    tool_result,
    user,
)

MODELS = (
    "databricks-claude-sonnet-4-5",
    "databricks-claude-opus-4-6",
    "databricks-gpt-5-2",
    "databricks-gpt-5-5",
    "databricks-gpt-5-3-codex",
    "databricks-gemini-2-5-pro",
    "databricks-gemini-3-pro",
    "databricks-meta-llama-3-3-70b-instruct",
    "databricks-qwen35-122b-a10b",
    "databricks-gemma-3-12b",
    "databricks-gpt-oss-120b",
    "databricks-glm-5-2",
)

Talk = Callable[[Client, Profile], None]
TALKS: dict[str, Talk] = {}

SCHEMA = {
    "$defs": {"place": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    "type": "object",
    "properties": {
        "city": {"$ref": "#/$defs/place"},
        "population": {"type": "integer", "minimum": 0},
        "rivers": {"type": "array", "items": {"type": "string"}},
        "mayor": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["city", "population"],
}

CLOSED = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}
"""A schema of the form that strictness demands."""

ADD = ToolSpec(
    name="add",
    description="Adds two numbers.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
LOOK_UP = ToolSpec(name="look up a place?", description="Tells of a place.", parameters=SCHEMA)
NOW = ToolSpec(name="now", description="Tells the time.")


def talk(work: Talk) -> Talk:
    TALKS[work.__name__] = work
    return work


def png() -> str:
    """Return a picture of one white pixel."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = block(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + block(b"IDAT", zlib.compress(b"\x00\xff")) + block(b"IEND", b"")
    return b64encode(data).decode()


PICTURE = Image(blob=Blob(data=png(), mime="image/png"))
PDF = File(blob=Blob(data=b64encode(b"%PDF-1.7\n%%EOF").decode(), mime="application/pdf"), filename="paper.pdf")


@talk
def several_turns_of_text(client: Client, profile: Profile) -> None:
    history = [system("Be brief."), user("Hello")]
    for number in range(3):
        answer = client.chat(history) if number % 2 else fold(client.stream(history))
        assert answer.text.startswith("You said: ")
        history += [answer.message, user(f"And then {number}?")]


@talk
def stops_and_sampling(client: Client, profile: Profile) -> None:
    options = {"max_tokens": 200, "stop": ["word5 "]}
    if profile.sampling:
        options |= {"temperature": 0.5}
    answer = client.chat("Say [long 20]", **options)
    assert answer.finish.reason == "stop"
    if profile.sampling:
        client.chat("Say [long 20]", top_p=0.9)
        client.chat("Say [long 20]", top_k=5)


@talk
def an_answer_cut_by_its_length(client: Client, profile: Profile) -> None:
    assert client.chat("Say [long 900]", max_tokens=30).finish.reason == "length"


@talk
def further_options(client: Client, profile: Profile) -> None:
    client.chat("Hello", seed=3, presence_penalty=0.1, frequency_penalty=0.1)
    client.chat("Hello", metadata={"user_id": "u-17"})
    client.chat("Hello", service_tier="flex" if profile.family == "gemini" else "auto")
    client.chat("Hello", n=1)


@talk
def log_probabilities(client: Client, profile: Profile) -> None:
    if profile.family in ("llama", "gpt-oss", "qwen", "glm"):
        client.chat("Hello", logprobs=True, top_logprobs=2)


@talk
def reasoning_that_is_replayed(client: Client, profile: Profile) -> None:
    for options in _thoughts(profile):
        history = [user("Think about it")]
        for number in range(2):
            answer = client.chat(history, **options) if number % 2 else fold(client.stream(history, **options))
            assert answer.text
            history += [answer.message, user("Think again")]


@talk
def reasoning_with_tools(client: Client, profile: Profile) -> None:
    if profile.tools:
        for options in _thoughts(profile):
            _run_tools(client, "Add 2 and 3", [ADD], **options)


@talk
def one_call_after_another(client: Client, profile: Profile) -> None:
    if not profile.tools:
        return
    history = _run_tools(client, "Add 2 and 3", [ADD, NOW])
    history.append(user("What is it now?"))
    _run_tools(client, history, [ADD, NOW])


@talk
def parallel_calls_with_results_of_every_kind(client: Client, profile: Profile) -> None:
    if not profile.tools:
        return
    history = [user("Do both for me, with 2 and 3")]
    tools = [ADD, LOOK_UP]
    answer = fold(client.stream(history, tools=tools))
    assert {call.name for call in answer.executable_tool_calls} == {"add", LOOK_UP.name}
    results = [
        tool_result(answer.tool_calls[0], "5"),
        Message(role="tool", parts=(ToolResult(call_id=answer.tool_calls[1].call_id, content=(), name=LOOK_UP.name),)),
    ]
    assert client.chat([*history, answer.message, *results], tools=tools).text
    failed = replace(results[0].parts[0], is_error=True)
    assert client.chat([*history, answer.message, Message(role="tool", parts=(failed,)), results[1]], tools=tools).text


@talk
def a_picture_as_a_tools_result(client: Client, profile: Profile) -> None:
    if not (profile.tools and profile.image_tool_results):
        return
    history = [user("Tell the time now")]
    answer = client.chat(history, tools=[NOW])
    content = (Text("This is the clock:"), PICTURE)
    result = ToolResult(call_id=answer.tool_calls[0].call_id, content=content, name="now")
    assert client.chat([*history, answer.message, Message(role="tool", parts=(result,))], tools=[NOW]).text


@talk
def every_tool_choice(client: Client, profile: Profile) -> None:
    if not (profile.tools and profile.tool_choice):
        return
    client.chat("Add 2 and 3", tools=[ADD, NOW], tool_choice=ToolChoice("auto"))
    answer = client.chat("Add 2 and 3", tools=[ADD, NOW], tool_choice=ToolChoice("none"))
    assert answer.tool_calls == ()
    if profile.forced_tool_choice:
        assert client.chat("Hi", tools=[ADD, NOW], tool_choice=ToolChoice("required")).tool_calls
        forced = client.chat("What is it now?", tools=[ADD, NOW], tool_choice=ToolChoice("required", ("now",)))
        assert [call.name for call in forced.tool_calls] == ["now"]
    one = client.chat("Add both 2 and 3, and 4 and 5", tools=[ADD, NOW], parallel_tool_calls=False)
    assert one.tool_calls


@talk
def an_answer_in_a_schema(client: Client, profile: Profile) -> None:
    if not profile.structured_output:
        return
    output = OutputFormat(kind="json_schema", schema=SCHEMA, name="place", description="A place.")
    assert client.chat("The largest city", output=output).text.startswith("{")
    closed = replace(output, schema=CLOSED, strict=True)
    assert fold(client.stream("The largest city", output=closed)).text.startswith("{")


@talk
def an_answer_in_json(client: Client, profile: Profile) -> None:
    if profile.structured_output:
        client.chat("Answer as JSON", output=OutputFormat(kind="json"))


@talk
def tools_and_an_answer_in_a_schema(client: Client, profile: Profile) -> None:
    if (
        profile.tools and profile.structured_output and "gemini-2-5" not in profile.model
    ):  # which takes one or the other
        output = OutputFormat(kind="json_schema", schema=SCHEMA)
        client.chat("Hello [no tools]", tools=[ADD], output=output)


@talk
def pictures_and_papers(client: Client, profile: Profile) -> None:
    if profile.images:
        asked = Message(role="user", parts=(Text("What is this?"), PICTURE))
        answer = client.chat([asked])
        client.chat([asked, answer.message, user("And why?")])
        if profile.family != "claude" or client.settings.api == "chat-completions":  # its own api fetches none
            linked = Image(blob=Blob(url="https://example.com/a.png"), detail="low")
            client.chat([Message(role="user", parts=(Text("And this?"), linked))])
    if profile.pdf:
        client.chat([Message(role="user", parts=(Text("Read this"), PDF))])


@talk
def sounds_and_films(client: Client, profile: Profile) -> None:
    if profile.family != "gemini":
        return
    sound = Audio(blob=Blob(data=b64encode(b"RIFF....WAVEfmt ").decode(), mime="audio/wav"))
    film = Video(blob=Blob(url="gs://bucket/film.mp4", mime="video/mp4"), fps=1.0)
    if profile.audio:
        client.chat([Message(role="user", parts=(Text("Hear this"), sound))])
    if profile.video and client.settings.api == "auto":  # chat-completions carries none
        client.chat([Message(role="user", parts=(Text("See this"), film))])


@talk
def cache_marks(client: Client, profile: Profile) -> None:
    marked = Message(role="system", parts=(Text("Be brief. " * 50, cache=CacheHint()),))
    tools = [replace(ADD, cache=CacheHint())] if profile.tools else []
    for _ in range(2):
        client.chat([marked, user("Hello [no tools]")], tools=tools)


def _thoughts(profile: Profile) -> Iterator[dict]:
    """Yield the settings that ask this model to think."""
    if not profile.reasoning:
        return
    for effort in profile.efforts[-2:]:
        yield {"reasoning_effort": effort}
    if profile.family == "claude" and profile.thinking in ("budget", "both"):
        yield {"thinking": 2048, "max_tokens": 6000}
    if profile.family in ("claude", "gpt", "gemini"):
        yield {"thinking": {"type": "adaptive", "display": "summarized"}}
        yield {"thinking": False}


def _run_tools(client: Client, asked, tools, **options) -> list[Message]:
    history = [user(asked)] if isinstance(asked, str) else list(asked)
    answer = client.chat(history, tools=tools, **options)
    assert answer.executable_tool_calls
    history.append(answer.message)
    history += [tool_result(call, "42") for call in answer.executable_tool_calls]
    answer = fold(client.stream(history, tools=tools, **options))
    assert "42" in answer.text
    history.append(answer.message)
    return history
