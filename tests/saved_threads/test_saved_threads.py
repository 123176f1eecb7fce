"""Threads that users have stored as JSON are still read as what they were, and are still written in the same form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from llama_index.core.base.llms.types import ChatMessage
from saved_threads.threads import (
    ANSWERS,
    FORMER,
    FRAMEWORKS,
    MODELS,
    STREAMED,
    core,
    loaded,
    message_of,
    model_of,
    stored,
)
from support.promises import promise

FILES = Path(__file__).parent / "files"
NAMES = sorted(path.stem for path in FILES.glob("*.json"))
THREADS = [
    *((framework, family, "whole") for framework in FRAMEWORKS for family in MODELS),
    *((framework, family, "streamed") for framework in FRAMEWORKS for family in STREAMED),
]


def saved(name: str) -> dict[str, Any]:
    return json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))


def framework_of(name: str) -> str:
    return next(framework for framework in FRAMEWORKS if name.startswith(framework))


def own(framework: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return of a stored message what this package writes; releases of the frameworks add fields of their own."""
    if framework == "langchain":
        return {
            name: message["data"][name] for name in ("content", "additional_kwargs", "response_metadata", "tool_calls")
        }
    kept = [block.get("additional_information") for block in message["blocks"]]
    return {"additional_kwargs": message["additional_kwargs"], "blocks": [*zip(_kinds(message), kept, strict=True)]}


def missing(was: Any, now: Any, path: str = "") -> list[str]:
    """Return the places of what was stored and now is not; more may be stored, and nothing need be stored of nothing."""
    if isinstance(was, dict) and isinstance(now, dict):
        full = {name: value for name, value in was.items() if value not in (None, {}, [])}
        return [place for name, value in full.items() for place in missing(value, now.get(name), f"{path}.{name}")]
    if isinstance(was, list | tuple) and isinstance(now, list | tuple):
        left = iter(now)  # in order, with others between them
        lost = [place for place, item in enumerate(was) if all(missing(item, other) for other in left)]
        return [f"{path}[{place}]" for place in lost]
    return [] if was == now else [path]


def _kinds(message: dict[str, Any]) -> list[str]:
    return [block["block_type"] for block in message["blocks"]]


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_thread_is_read_as_what_it_was(name):
    file, framework = saved(name), framework_of(name)
    assert core(framework, loaded(framework, file["messages"])) == file["core"]


@promise("plain-content")
@pytest.mark.parametrize(("framework", "family", "way"), THREADS)
def test_a_stored_thread_goes_on(framework, family, way):
    messages = loaded(framework, saved(f"{framework}_{family}_{way}")["messages"])
    model = model_of(framework, family)
    if framework == "langchain":
        answer = model.invoke([*messages, HumanMessage("Hello")]).text
    else:
        answer = model.chat([*messages, ChatMessage(role="user", content="Hello")]).message.content
    assert answer.endswith("You said: Hello")


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("form", [*FRAMEWORKS, "langchain_blocks"])
def test_an_answer_is_stored_in_the_form_that_it_had(form, kind):
    framework = framework_of(form)
    (was,) = saved(f"{form}_{kind}")["messages"]
    message = message_of(framework, ANSWERS[kind](), blocks=form == "langchain_blocks")
    (now,) = stored(framework, [message])
    assert missing(own(framework, was), own(framework, now)) == []


def test_every_thread_has_a_file():
    answers = [f"{form}_{kind}" for form in (*FRAMEWORKS, "langchain_blocks") for kind in ANSWERS]
    former = [f"langchain_former_{kind}" for kind in FORMER]
    assert sorted([*answers, *former, *("_".join(thread) for thread in THREADS)]) == NAMES


@pytest.mark.parametrize("kind", FORMER)
def test_a_former_form_is_sent_as_the_present_one(kind):
    former, present = (saved(f"langchain_{form}{kind}") for form in ("former_", ""))
    for message in loaded("langchain", former["messages"]):  # whole, then streamed
        assert isinstance(message.content, list)
        assert core("langchain", [message]) == present["core"]
