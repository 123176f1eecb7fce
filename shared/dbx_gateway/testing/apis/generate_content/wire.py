"""The generateContent api as the simulated workspace reads and writes it (docs/wire/generate-content.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import to_json

from dbx_gateway.testing.apis.generate_content.shapes import canonical, check_shape, error
from dbx_gateway.testing.apis.generate_content.vendor_rules import (
    SKIPPED_SIGNATURE,
    check_config,
    check_contents,
    check_tools,
    declarations,
    gives_ids,
    unfit_schema,
)
from dbx_gateway.testing.apis.generate_content.workspace_rules import RULES
from dbx_gateway.testing.apis.wire import sse
from dbx_gateway.testing.json_values import entries, inside
from dbx_gateway.testing.model.conversation import (
    Answer,
    CalledTool,
    Counts,
    OfferedTool,
    ParsedRequest,
    TextItem,
    Turn,
    pieces,
)
from dbx_gateway.testing.model.situation import Situation

__all__ = [
    "RULES",
    "GenerateContentRequest",
    "error",
    "error_event",
    "failed",
    "is_terminal",
    "read",
    "stream",
    "whole",
]

_FINISH_REASONS = {"stop": "STOP", "calls": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}
_TERMINAL = (b'"finishReason":', b'"blockReason":')
_CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class GenerateContentRequest(ParsedRequest):
    """A parsed generateContent request, with the fields that only this api has.

    Args:
        shows_thoughts: the request asks to see summaries of the thoughts.
    """

    shows_thoughts: bool = False


def read(body: dict[str, Any], situation: Situation, model_from_path: str | None) -> GenerateContentRequest:
    """Parse a generateContent request.

    Args:
        body: the decoded body; never changed.
        situation: where it arrived.
        model_from_path: the model, which the path of this api names.

    Raises:
        Refused: as the vendor refuses it.
    """
    body = canonical(body)
    check_shape(body)
    unfit = None if situation.enforces("schema-gemini") else unfit_schema(body)
    if unfit is not None:
        raise unfit
    check_contents(body, situation)
    check_tools(body)
    check_config(body, situation)
    config = inside(body, "generationConfig")
    choice, forced, allowed = _choice(inside(body, "toolConfig", "functionCallingConfig"))
    is_json = config.get("responseMimeType") == "application/json"
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    return GenerateContentRequest(
        model=model_from_path or situation.model,
        turns=tuple(_turns(body)),
        tools=tuple(_tool(one) for one in declarations(body) if not allowed or one["name"] in allowed),
        choice=choice,
        forced=forced,
        schema=schema if is_json else None,
        json_mode=is_json and schema is None,
        reasoning=_reasons(inside(config, "thinkingConfig"), situation),
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(entries(config, "stopSequences")),
        include_usage=True,
        n=config.get("candidateCount") or 1,
        logprobs=config.get("responseLogprobs") is True,
        shows_thoughts=inside(config, "thinkingConfig").get("includeThoughts") is True,
    )


def _tool(declaration: dict[str, Any]) -> OfferedTool:
    schema = declaration.get("parameters") or inside(declaration, "parametersJsonSchema")
    return OfferedTool(declaration["name"], schema, declaration.get("description") or "")


def _choice(config: dict[str, Any]) -> tuple[Literal["auto", "none", "required"], str | None, list[str]]:
    """Return the mode of the choice, the one forced tool, and the only allowed names."""
    allowed = entries(config, "allowedFunctionNames")
    match config.get("mode"):
        case "NONE":
            return "none", None, []
        case "ANY":
            return "required", allowed[0] if len(allowed) == 1 else None, allowed
        case _:
            return "auto", None, allowed


def _reasons(thinking: dict[str, Any], situation: Situation) -> bool:
    """Return whether the model reasons: it does unless a budget of 0 tokens switches it off."""
    return situation.profile.reasoning and thinking.get("thinkingBudget") != 0


def _turns(body: dict[str, Any]) -> Iterator[Turn]:
    system = inside(body, "systemInstruction")
    if system:
        yield Turn("system", "\n".join(part.get("text") or "" for part in entries(system, "parts")))
    calls: tuple[tuple[str, str], ...] = ()
    for at, content in enumerate(entries(body, "contents")):
        parts: list[dict[str, Any]] = content["parts"]
        responses = [part["functionResponse"] for part in parts if part.get("functionResponse")]
        if responses:
            yield _response_turn(responses, calls)
        others = [part for part in parts if not part.get("functionResponse")]
        calls = tuple(_calls(others, at))
        if others:
            yield Turn(
                "assistant" if content.get("role") == "model" else "user",
                "".join(part.get("text") or "" for part in others if not part.get("thought")),
                tuple(medium for part in others for medium in _media(part)),
                calls,
                signatures=tuple(_proofs(others)),
            )


def _calls(parts: list[dict[str, Any]], at: int) -> Iterator[tuple[str, str]]:
    """Yield id and name of each call; a call without an id is identified by its position."""
    for position, part in enumerate(parts):
        call = inside(part, "functionCall")
        if call:
            yield call.get("id") or f"{at}.{position}", call["name"]


def _response_turn(responses: list[dict[str, Any]], calls: tuple[tuple[str, str], ...]) -> Turn:
    """Give each response the id of its call: its own, else that of the first call of its name not yet answered."""
    waiting = list(calls)
    results: list[tuple[str, str]] = []
    for response in responses:
        found = next((one for one in waiting if response.get("id") == one[0]), None)
        found = found or next(one for one in waiting if one[1] == response["name"])
        waiting.remove(found)
        results.append((found[0], _response_text(inside(response, "response"))))
    media = tuple(medium for one in responses for part in entries(one, "parts") for medium in _media(part))
    return Turn("tool", media=media, results=tuple(results))


def _response_text(response: dict[str, Any]) -> str:
    """Return the content of a response: its ``output`` or ``error``, else all of it.

    Source: docs/wire/generate-content.md#round-trip.
    """
    for key, start in (("output", ""), ("error", "Error: "), ("result", "")):
        if set(response) == {key}:
            value = response[key]
            return start + (value if isinstance(value, str) else to_json(value).decode())
    return to_json(response).decode()


def _media(part: dict[str, Any]) -> Iterator[str]:
    mime = inside(part, "inlineData").get("mimeType") or inside(part, "fileData").get("mimeType")
    if mime:
        yield "pdf" if mime == "application/pdf" else mime.split("/")[0]


def _proofs(parts: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the signatures, in the standard alphabet: the vendor's client writes the URL-safe one too."""
    for part in parts:
        signature = part.get("thoughtSignature")
        if signature and signature != SKIPPED_SIGNATURE:
            yield signature.replace("-", "+").replace("_", "/")


def whole(answer: Answer, request: ParsedRequest, situation: Situation) -> dict[str, Any]:
    """Write an answer as one response object."""
    usage = _usage(answer.counts)
    parts = _parts(answer, request, situation)
    if parts is None:
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_envelope(answer, _prompt_usage(usage))}
    ended = {"finishReason": _FINISH_REASONS[answer.end], **_citations(answer), **_logprobs(answer, request)}
    return {"candidates": _candidates(request, parts, ended), **_envelope(answer, usage)}


def _candidates(request: ParsedRequest, parts: list[dict[str, Any]], rest: dict[str, Any]) -> list[dict[str, Any]]:
    content = {"role": "model", "parts": parts}
    return [{"content": content, "index": index, **rest} for index in range(max(request.n, 1))]


def _envelope(answer: Answer, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "usageMetadata": usage,
        "modelVersion": answer.model,
        "createTime": _CREATED,
        "responseId": answer.shown_id,
    }


def _parts(answer: Answer, request: ParsedRequest, situation: Situation) -> list[dict[str, Any]] | None:
    """Return the parts of an answer; None where the model refuses, which this vendor reports as a blocked prompt."""
    shows = not isinstance(request, GenerateContentRequest) or request.shows_thoughts
    parts: list[dict[str, Any]] = []
    for item in answer.items:
        match item:
            case TextItem("refusal"):
                return None
            case TextItem("reasoning"):
                parts += [{"text": item.text, "thought": True}] if shows else []
            case TextItem():
                parts += [{"text": item.text}, *_signed_behind(item.signature)]
            case CalledTool():
                own = {"id": item.id} if gives_ids(situation) else {}
                call = {**own, "name": item.name, "args": item.arguments}
                parts.append({"functionCall": call, **_signed(item.signature)})
    return parts


def _signed_behind(signature: str | None) -> list[dict[str, Any]]:
    """Return the part that carries the signature of a text: the last one, and without text of its own.

    Source: docs/wire/generate-content.md#stream.
    """
    return [{"text": "", **_signed(signature)}] if signature else []


def _signed(signature: str | None) -> dict[str, Any]:
    return {"thoughtSignature": signature} if signature else {}


def _citations(answer: Answer) -> dict[str, Any]:
    citations = [
        {"startIndex": 0, "endIndex": len(item.text.encode()), "uri": one["url"], "title": one["title"]}
        for item in answer.items
        if isinstance(item, TextItem)
        for one in item.citations
    ]
    return {"citationMetadata": {"citations": citations}} if citations else {}


def _logprobs(answer: Answer, request: ParsedRequest) -> dict[str, Any]:
    if not request.logprobs:
        return {}
    chosen = [
        {"token": piece, "logProbability": -0.25}
        for item in answer.items
        if isinstance(item, TextItem) and item.kind == "text"
        for piece in pieces(item.text)
    ]
    return {"avgLogprobs": -0.25, "logprobsResult": {"chosenCandidates": chosen, "topCandidates": []}}


def _usage(counts: Counts) -> dict[str, Any]:
    """Return the counts as this vendor defines them: ``candidatesTokenCount`` excludes thoughts.

    Source: docs/wire/generate-content.md#usage.
    """
    return {
        "promptTokenCount": counts.input,
        **({"cachedContentTokenCount": counts.cache_read} if counts.cache_read else {}),
        "candidatesTokenCount": counts.output - counts.reasoning,
        **({"thoughtsTokenCount": counts.reasoning} if counts.reasoning else {}),
        "totalTokenCount": counts.input + counts.output,
        "promptTokensDetails": [
            {"modality": modality, "tokenCount": count}
            for modality, count in (("TEXT", counts.input - counts.audio), ("AUDIO", counts.audio))
            if count or modality == "TEXT"
        ],
    }


def _prompt_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """Return the usage of a prompt that was blocked: nothing was generated."""
    prompt = {key: usage[key] for key in ("promptTokenCount", "promptTokensDetails")}
    return {**prompt, "totalTokenCount": usage["promptTokenCount"]}


def stream(answer: Answer, request: ParsedRequest, situation: Situation) -> Iterator[bytes]:
    """Write an answer as the vendor's stream: whole objects that hold only what is new.

    Source: docs/wire/generate-content.md#stream.

    It is made from the whole body, so that both say the same. The reason of the end comes in a chunk of its own.
    """
    body = whole(answer, request, situation)
    if "candidates" not in body:
        yield sse(body)
        return
    parts: list[dict[str, Any]] = body["candidates"][0]["content"]["parts"]
    last = parts[-1] if parts and parts[-1].get("text") == "" else {"text": ""}
    fresh = [piece for part in parts if part is not last for piece in _split(part)]
    usage: dict[str, Any] = body["usageMetadata"]
    for number, part in enumerate(fresh):
        so_far = _running(usage, number, len(fresh))
        yield sse({"candidates": _candidates(request, [part], {}), **_envelope(answer, so_far)})
    ended = {key: value for key, value in body["candidates"][0].items() if key not in ("content", "index")}
    yield sse({"candidates": _candidates(request, [last], ended), **_envelope(answer, usage)})


def _split(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a part as it is streamed: text in pieces, a call whole."""
    text = part.get("text")
    if not text:
        yield part
        return
    for piece in pieces(text):
        yield {**part, "text": piece}


def _running(usage: dict[str, Any], number: int, total: int) -> dict[str, Any]:
    """Return the usage so far: it grows with each chunk, and only the last chunk's is the whole."""
    grown: dict[str, Any] = {
        key: usage[key] * number // total for key in ("candidatesTokenCount", "thoughtsTokenCount") if key in usage
    }
    prompt = usage["promptTokenCount"]
    return {**usage, **grown, "totalTokenCount": prompt + sum(grown.values())}


def failed(status: int, code: str, message: str) -> dict[str, Any]:
    """Write the error that replaces an answer under status 200."""
    return error(status, code, message)


def error_event(status: int, code: str, message: str, *, started: bool) -> bytes:
    """Write an error inside a stream, at any position (docs/wire/generate-content.md#errors)."""
    del started
    return sse(error(status, code, message))


def is_terminal(event: bytes) -> bool:
    """Return whether an event has the finish reason or the block reason."""
    return any(mark in event for mark in _TERMINAL)
