"""What a part holds that frameworks have no field for: facts that can be stored as JSON, and back."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_gateway.adapters import part_facts
from dbx_gateway.adapters.part_facts import (
    KEY,
    MessageFacts,
    cut,
    facts_of,
    facts_of_call,
    filled,
    hidden_facts,
    hidden_part,
    native_facts,
    native_of,
    reasoning_facts,
    reasoning_of,
    run_facts,
    with_facts,
)
from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    Citation,
    File,
    Image,
    Native,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    ToolResult,
    Video,
)

words = st.text(min_size=1, max_size=6)
values = st.none() | st.booleans() | st.integers() | words | st.lists(st.integers(), max_size=2)
objects = st.dictionaries(words, values, max_size=3)
every = {
    "id": st.none() | words,
    "cache": st.none() | st.builds(CacheHint, st.none() | st.sampled_from(("5m", "1h"))),
    "opaque": objects,
}
citations = st.builds(
    Citation,
    kind=st.just("") | words,
    cited_text=st.none() | words,
    url=st.none() | words,
    title=st.none() | words,
    start=st.none() | st.integers(0, 9),
    end=st.none() | st.integers(0, 9),
    source=objects,
)
texts = st.builds(Text, words, st.lists(citations, max_size=2).map(tuple), st.none() | words, **every)
refusals = st.builds(Refusal, words, st.none() | words, **every)
segments = st.builds(Segment, st.sampled_from(("summary", "raw")), words)
thoughts = st.builds(
    Reasoning,
    segments=st.lists(segments, max_size=3).map(tuple),
    signature=st.none() | words,
    encrypted=st.none() | words,
    redacted=st.none() | words,
    **every,
)
calls = st.builds(
    ToolCall,
    call_id=words,
    name=words,
    arguments=words,
    custom=st.booleans(),
    signature=st.none() | words,
    minted=st.booleans(),
    **every,
)
natives = st.builds(Native, api=st.sampled_from(("messages", "responses")), payload=objects, **every)
blobs = st.just(Blob(data="aGVsbG8=", mime="image/png"))
media = st.one_of(
    st.builds(Image, blob=blobs, detail=st.none() | words, **every),
    st.builds(Audio, blob=blobs, transcript=st.none() | words, **every),
    st.builds(Video, blob=blobs, fps=st.none() | st.floats(1, 9), **every),
    st.builds(
        File,
        blob=blobs,
        filename=st.none() | words,
        title=st.none() | words,
        context=st.none() | words,
        citable=st.booleans(),
        **every,
    ),
)
results = st.builds(ToolResult, call_id=words, **every)
parts = st.one_of(texts, refusals, thoughts, calls, natives, media, results)

CONTENT = {
    Text: {"text"},
    Refusal: {"text"},
    Reasoning: {"segments"},
    ToolCall: {"call_id", "name", "arguments"},
    ToolResult: {"call_id", "content", "name", "is_error"},
    Image: {"blob"},
    Audio: {"blob"},
    Video: {"blob"},
    File: {"blob", "text"},
    Native: {"api", "payload"},
}
"""The fields of each kind of part for which every framework has a place, or that make it up."""


def bare(part):
    """The content of a part and nothing else."""
    return type(part)(**{name: getattr(part, name) for name in CONTENT[type(part)]})


def through_json(value):
    return json.loads(json.dumps(value))


# --- one part ----------------------------------------------------------------------------------------------------


@given(parts)
def test_a_part_is_its_content_and_its_facts(part):
    assert with_facts(bare(part), through_json(facts_of(part))) == part


@given(parts)
def test_facts_hold_nothing_that_is_empty_and_a_bare_part_has_none(part):
    assert all(value not in (None, False, "", [], {}, ()) for value in facts_of(part).values())
    assert facts_of(bare(part)) == {}
    assert with_facts(part, {}) is part


def test_every_field_of_a_part_is_content_or_a_fact():
    for kind in get_args(Part):
        assert {each.name for each in fields(kind)} == part_facts._KEYS[kind].keys() | CONTENT[kind]
        assert not part_facts._KEYS[kind].keys() & CONTENT[kind]


def test_what_facts_leave_out_stays_and_what_they_do_not_know_is_ignored():
    text = Text("a", phase="commentary", id="1", cache=CacheHint("5m"))
    assert with_facts(text, {"id": "2", "signature": "s", "length": 1, "phase": None}) == replace(text, id="2")


@pytest.mark.parametrize("odd", [1, "x", [1], [["a"]], {"a": 1}, True], ids=repr)
def test_facts_of_a_strange_shape_are_not_taken_for_what_they_are_not(odd):
    text = with_facts(Text("a"), {"opaque": odd, "citations": odd, "cache_control": odd})
    assert text.opaque == (odd if isinstance(odd, dict) else {})
    assert text.citations == ()
    assert text.cache == (CacheHint() if isinstance(odd, dict) else None)


def test_the_keys_of_stored_facts_are_these():
    citation = Citation(kind="page", cited_text="c", url="u", title="t", start=0, end=2, source={"page": 3})
    assert facts_of(Text("a", (citation,), "final_answer", id="1", cache=CacheHint("5m"), opaque={"x": 1})) == {
        "id": "1",
        "phase": "final_answer",
        "citations": [
            {"kind": "page", "cited_text": "c", "url": "u", "title": "t", "start": 0, "end": 2, "source": {"page": 3}}
        ],
        "cache_control": {"type": "ephemeral", "ttl": "5m"},
        "opaque": {"x": 1},
    }
    assert facts_of(Refusal("a", "policy")) == {"category": "policy"}
    assert facts_of(Reasoning(signature="s", encrypted="e", redacted="r")) == {
        "signature": "s",
        "encrypted_content": "e",
        "redacted": "r",
    }
    assert facts_of(ToolCall(call_id="c", name="f", custom=True, minted=True, signature="s")) == {
        "custom": True,
        "minted": True,
        "signature": "s",
    }


def test_a_citation_of_a_later_version_is_read_as_far_as_it_is_known():
    text = with_facts(Text("a"), {"citations": [{"kind": "page", "brand_new": 1}, {"url": "u"}]})
    assert text.citations == (Citation(kind="page"), Citation(kind="", url="u"))


@given(natives)
def test_a_native_object_comes_back_whole(part):
    assert native_of(through_json(native_facts(part))) == part


@pytest.mark.parametrize(
    "facts", [None, "x", {}, {"api": "messages"}, {"api": "odd", "payload": {}}, {"api": "messages", "payload": [1]}]
)
def test_what_describes_no_native_object_is_none(facts):
    assert native_of(facts) is None


def test_values_that_are_empty_are_left_out_and_zero_is_not():
    assert filled(a=0, b=0.0, c=None, d=False, e="", f=[], g={}, h=(), i=True) == {"a": 0, "b": 0.0, "i": True}


# --- texts and reasoning that are joined -------------------------------------------------------------------------


@given(st.lists(words, max_size=4))
def test_a_text_is_cut_where_it_was_joined(pieces):
    assert cut("".join(pieces), [len(piece) for piece in pieces]) == pieces


def test_a_text_that_was_edited_is_not_cut():
    assert cut("abc", [1, 1]) == []
    assert cut("abc", [1, 5]) == []


@given(st.lists(texts | refusals, min_size=1, max_size=4), st.integers(0, 2))
def test_a_run_of_texts_comes_back_in_its_pieces(run, nth):
    text = "".join(part.text for part in run)
    told = run_facts(run, nth)
    plain = all(part == Text(part.text) for part in run)
    assert (told is None) == plain
    facts = MessageFacts(runs=[] if told is None else [told])
    stored = MessageFacts.beside(through_json(facts.keywords()))
    assert stored.pieces(text, nth) == ((Text(text),) if plain else tuple(run))
    assert stored.pieces(text + "!", nth) == (Text(text + "!"),)
    assert stored.pieces(text, nth + 1) == (Text(text),)


@given(thoughts)
def test_reasoning_in_one_text_comes_back_in_its_runs(part):
    assert reasoning_of(part.text or None, through_json(reasoning_facts(part))) == part


def test_reasoning_that_was_edited_is_one_run_with_its_proofs():
    part = Reasoning(segments=(Segment("summary", "a"), Segment("summary", "b")), encrypted="e")
    assert reasoning_of("edited", reasoning_facts(part)) == Reasoning(
        segments=(Segment("raw", "edited"),), encrypted="e"
    )


@given(natives | texts.map(lambda text: replace(text, text="")) | refusals.map(lambda one: replace(one, text="")))
def test_a_part_without_a_block_comes_back(part):
    assert hidden_part(through_json(hidden_facts(part))) == part


def test_facts_of_no_part_are_none():
    assert hidden_part({"at": 1}) is None


# --- one message -------------------------------------------------------------------------------------------------


FULL = MessageFacts(
    origin=Origin("messages", "a-model"),
    calls={"c1": {"signature": "s"}},
    withheld=["c2"],
    texts=[{"length": 3, "id": "1"}],
    runs=[{"digest": "d", "pieces": [{"length": 1}]}],
    hidden=[{"at": 0, "text": {"length": 0}}],
    media=[{"at": 1, "id": "m"}],
)


def test_the_facts_of_a_message_come_back():
    assert MessageFacts.beside(through_json(FULL.keywords())) == FULL
    assert {each.name for each in fields(MessageFacts)} == FULL.keywords()[KEY].keys()


def test_a_message_without_facts_has_no_keywords():
    assert MessageFacts().keywords() == {}
    assert MessageFacts.beside({}) == MessageFacts()


@pytest.mark.parametrize("facts", [None, "x", [1], {"origin": "x"}, {"origin": {"api": "odd", "model": "m"}}])
def test_what_others_store_under_the_key_is_no_fact(facts):
    assert MessageFacts.beside({KEY: facts}) == MessageFacts()


def test_what_is_stored_as_null_is_not_there():
    nulls = dict.fromkeys(("origin", "calls", "withheld", "texts", "runs", "hidden", "media"))
    assert MessageFacts.beside({KEY: nulls}) == MessageFacts()


def test_plain_facts_are_fresh_objects():
    plain = FULL.plain()
    plain["calls"]["c1"]["signature"] = "other"
    plain["hidden"].clear()
    assert FULL.calls == {"c1": {"signature": "s"}}
    assert FULL.hidden


def test_a_call_gets_the_facts_of_its_id():
    call = ToolCall(call_id="c1", name="f")
    assert FULL.call(call) == replace(call, signature="s")
    other = ToolCall(call_id="c9", name="f")
    assert FULL.call(other) is other


@pytest.mark.parametrize(
    ("changes", "proven"),
    [
        ({}, True),
        ({"arguments": '{"y": [2], "x": 1}'}, True),
        ({"arguments": '{"x":1,"y":[2]}'}, True),
        ({"arguments": '{"x": 2, "y": [2]}'}, False),
        ({"arguments": '{"x": 1, "y": [2'}, False),
        ({"name": "delete"}, False),
    ],
    ids=str,
)
def test_a_call_is_proven_as_long_as_it_is_the_one_that_the_model_made(changes, proven):
    call = ToolCall(
        call_id="a", name="add", arguments='{"x": 1, "y": [2]}', signature="s", opaque={"k": 1}, minted=True
    )
    stored = MessageFacts(calls={"a": facts_of_call(call)})
    now = ToolCall(**{"call_id": "a", "name": "add", "arguments": call.arguments} | changes)

    assert stored.call(now) == replace(now, minted=True, **PROOF[proven])


PROOF = {True: {"signature": "s", "opaque": {"k": 1}}, False: {"signature": ""}}


def test_a_proof_that_was_stored_without_what_it_proves_holds():
    stored = MessageFacts(calls={"a": {"signature": "s"}})

    assert stored.call(ToolCall(call_id="a", name="add", arguments="{}")).signature == "s"


def test_a_call_that_nothing_proves_has_no_facts():
    assert facts_of_call(ToolCall(call_id="a", name="add", arguments="{}")) == {}
