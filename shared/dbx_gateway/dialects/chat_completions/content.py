"""The content of a chat-completions message or delta: a string, a list of parts, or nothing.

A list's part may be a complete part or a fragment, and nothing distinguishes them. So neighbouring parts of one kind
are one part here, streamed or not, until one ends with a signature, a citation or a field of the host
(docs/wire/chat-completions.md#content-as-a-list).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from pydantic import JsonValue

from dbx_gateway.chat import Citation, Image, JsonObject, Native, Reasoning
from dbx_gateway.events import Assembly
from dbx_gateway.json_values import (
    integer_or_none,
    object_or_empty,
    objects_in,
    plain_text,
    text_or_empty,
    text_or_none,
)
from dbx_gateway.parts import blob_of_url

__all__ = ["Content", "citation"]

_Key: TypeAlias = tuple[str, int]
_Kind: TypeAlias = Literal["text", "reasoning"]

_TEXT_KEYS: Final = frozenset({"type", "text", "citations"})
_REASONING_KEYS: Final = frozenset({"type", "summary", "content", "text"})
_SUMMARY_KEYS: Final = frozenset({"type", "text", "signature", "data"})
_TEXT_TYPES: Final = frozenset({"text", "output_text"})
_RAW_TYPES: Final = frozenset({"reasoning_text", "text"})

_POSITIONS: Final = (
    ("start_index", "end_index"),
    ("start_char_index", "end_char_index"),
    ("start_page_number", "end_page_number"),
    ("start_block_index", "end_block_index"),
)
"""Names of the positions in a citation: OpenAI's, then those of Claude's citations."""


class Content:
    """The parts of one message's content while it arrives."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._count = 0
        self._kind: _Kind | None = None
        self._key: _Key = ("content", -1)
        self._sealed = True
        self._opaque: dict[_Key, JsonObject] = {}
        self._citations: dict[_Key, list[Citation]] = {}
        self.last_text: _Key | None = None

    def feed(self, content: JsonValue) -> None:
        """Read the ``content`` of a message or delta: text, a number, a part, or a list of these."""
        if isinstance(content, str):
            self._text(content)
        elif isinstance(content, list):
            for item in content:
                self.feed(item)
        elif isinstance(content, dict):
            self._item(content)
        else:
            self._text(plain_text(content))

    def seal(self) -> None:
        """End the current part: what comes next starts a new one."""
        self._sealed = True

    def name_text(self, part_id: str) -> None:
        """Set the id of the current text part, if there is one."""
        if self._kind == "text" and not self._sealed:
            self._assembly.fields(self._key)["id"] = part_id

    def cite(self, citations: list[Citation]) -> bool:
        """Put citations on the last text part; False when there is none."""
        if self.last_text is None:
            return False
        self._citations.setdefault(self.last_text, []).extend(citations)
        return True

    def end(self) -> None:
        """End the answer: add what was saved for each part."""
        for key, opaque in self._opaque.items():
            self._assembly.fields(key)["opaque"] = opaque
        for key, citations in self._citations.items():
            self._assembly.fields(key)["citations"] = tuple(citations)

    def _item(self, item: JsonObject) -> None:
        kind = text_or_none(item.get("type", "text" if "text" in item else None))
        refusal = text_or_none(item.get("refusal"))
        url = text_or_none(object_or_empty(item.get("image_url")).get("url"))
        if kind in _TEXT_TYPES:
            self._text_item(item)
        elif kind == "reasoning":
            self._reasoning_item(item)
        elif kind == "refusal" and refusal is not None:
            self._assembly.refusal("refusal", refusal)
        elif kind == "image_url" and url is not None:
            self._assembly.part(self._next(), Image(blob=blob_of_url(url)))
        else:
            self._assembly.part(self._next(), Native(api="chat-completions", payload=item))

    def _text(self, fragment: str) -> None:
        if fragment:
            self._assembly.text(self._run("text"), fragment)

    def _text_item(self, item: JsonObject) -> None:
        self._text(text_or_empty(item.get("text")))
        opaque = _extras(item, _TEXT_KEYS)
        cited = [citation(one) for one in objects_in(item.get("citations"))]
        if not opaque and not cited:
            return
        # Citations of one text come one by one, after it; a signature comes once.
        if cited and not opaque and self._kind == "text" and self.last_text is not None:
            self._citations.setdefault(self.last_text, []).extend(cited)
            self._sealed = True
            return
        key = self._run("text")
        self._assembly.open(key, "text")
        if opaque:
            self._opaque.setdefault(key, {}).update(opaque)
        if cited:
            self._citations.setdefault(key, []).extend(cited)
        self._sealed = True

    def _reasoning_item(self, item: JsonObject) -> None:
        for number, one in enumerate(objects_in(item.get("summary"))):
            self._summary(one, number)
        for number, one in enumerate(objects_in(item.get("content"))):
            if text_or_none(one.get("type")) in _RAW_TYPES and (raw := text_or_none(one.get("text"))):
                self._assembly.reasoning(self._run("reasoning"), raw, kind="raw", segment=number)
        for text in (item.get("text"), item.get("content")):
            if isinstance(text, str) and text:
                self._assembly.reasoning(self._run("reasoning"), text, kind="raw")
        if extras := _extras(item, _REASONING_KEYS):
            self._keep(extras)

    def _summary(self, item: JsonObject, number: int) -> None:
        text, signature = text_or_none(item.get("text")), text_or_none(item.get("signature"))
        data = text_or_none(item.get("data"))
        if item.get("type") == "summary_encrypted_text" and data is not None:
            self._assembly.part(self._next(), Reasoning(redacted=data, opaque=_extras(item, _SUMMARY_KEYS)))
            return
        if text:
            self._assembly.reasoning(self._run("reasoning"), text, kind="summary", segment=number)
        if extras := _extras(item, _SUMMARY_KEYS):
            self._keep({"summary": extras})
        if signature is not None:
            self._assembly.open(self._run("reasoning"), "reasoning", signature=signature)
            self._sealed = True

    def _keep(self, extras: JsonObject) -> None:
        """Save fields of the host with their reasoning part, which a signature may have ended already."""
        key = self._key if self._kind == "reasoning" else self._run("reasoning")
        self._assembly.open(key, "reasoning")
        self._opaque.setdefault(key, {}).update(extras)

    def _run(self, kind: _Kind) -> _Key:
        """Return the key of the current part; starts a new one where that has ended or is of another kind."""
        if self._kind != kind or self._sealed:
            self._key = self._next()
            self._kind, self._sealed = kind, False
            if kind == "text":
                self.last_text = self._key
        return self._key

    def _next(self) -> _Key:
        self._sealed, self._kind = True, None
        self._count += 1
        return ("content", self._count)


def _extras(item: JsonObject, known: frozenset[str]) -> JsonObject:
    return {key: item[key] for key in item if key not in known and item[key] is not None}


def citation(wire: JsonObject) -> Citation:
    """Return a citation of a content part, or an entry of ``annotations``, which nests its fields under its type."""
    kind = wire.get("type")
    nested = wire.get(kind) if isinstance(kind, str) else None
    fields = nested if isinstance(nested, dict) else wire
    start, end = next(((a, b) for a, b in _POSITIONS if a in fields or b in fields), _POSITIONS[0])
    return Citation(
        kind=text_or_none(kind) or "citation",
        cited_text=text_or_none(fields.get("cited_text")),
        url=text_or_none(fields.get("url")),
        title=text_or_none(fields.get("title")) or text_or_none(fields.get("document_title")),
        start=integer_or_none(fields.get(start)),
        end=integer_or_none(fields.get(end)),
        source=wire,
    )
