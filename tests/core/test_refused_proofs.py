"""What is left out of a conversation whose proofs of reasoning are refused, and what stays."""

from __future__ import annotations

import pytest

from dbx_gateway.call.refused_proofs import proofs_in, repair_without_proofs, without, without_proofs
from dbx_gateway.chat import ChatRequest, Message, Origin, Reasoning, Segment, Text, ToolCall, ToolResult, user
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.errors import BadRequestError, PermissionDeniedError
from dbx_gateway.models.profiles import profile_of

NAMES = {
    "messages": "databricks-claude-sonnet-4-5",
    "responses": "databricks-gpt-5-2",
    "generate-content": "databricks-gemini-3-pro",
}

WORDS = (
    "messages.1.content.0: Invalid `signature` in `thinking` block",
    "messages.3.content.0.thinking.signature: Field required",
    "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    "The encrypted content gAAA...ng== could not be verified. Reason: Encrypted content could not be decrypted.",
    "Corrupted thought signature.",
    "Thought signature is not valid",
)


def refusal(words, *, status=400, code=None):
    return BadRequestError(
        f"'m' on ai-gateway messages https://ws/x answered 400: {words}", status=status, error_code=code
    )


def turn(api, *parts):
    return Message(role="assistant", parts=parts, origin=Origin(api, NAMES[api]))


def asked(api, *turns):
    return ChatRequest(model=NAMES[api], messages=(user("Hi"), *turns, user("And now?")), max_tokens=900)


def thought(proof, **more):
    return Reasoning(segments=(Segment("summary", f"thought of {proof}"),), **({"signature": proof} | more))


def sent(request, api):
    return DIALECTS[api].encode(request, profile_of(request.model))


@pytest.mark.parametrize("words", WORDS)
def test_each_wording_leaves_the_proofs_that_were_sent_out(words):
    request = asked(
        "messages", turn("messages", thought("P-1"), Text("Hello")), turn("messages", thought("P-2"), Text("Bye"))
    )
    repair = repair_without_proofs(refusal(words), request, sent(request, "messages"), frozenset())
    assert (repair.name, repair.kind) == ("without refused proofs", "proofs")
    assert repair.proofs == proofs_in(request)
    assert not repair.is_of_the_model
    body = sent(without_proofs(request, repair.proofs), "messages")
    assert "P-" not in str(body)
    assert "Hello" in str(body)
    assert "Bye" in str(body)


def test_the_code_of_a_refusal_is_enough():
    request = asked("responses", turn("responses", Reasoning(encrypted="ENC"), Text("Hello")))
    error = refusal("no", code="invalid_encrypted_content")
    repair = repair_without_proofs(error, request, sent(request, "responses"), frozenset())
    assert "ENC" not in str(sent(without_proofs(request, repair.proofs), "responses"))


@pytest.mark.parametrize(
    "error",
    [
        refusal("messages.1.content.0: text content blocks must be non-empty"),
        refusal("Invalid signature of the request"),
        refusal("Encrypted content is not supported with this model."),
        refusal(WORDS[0], status=413),
        PermissionDeniedError(WORDS[0], status=403),
    ],
)
def test_other_refusals_leave_proofs_alone(error):
    request = asked("messages", turn("messages", thought("P-1"), Text("Hello")))
    assert repair_without_proofs(error, request, sent(request, "messages"), frozenset()) is None


def test_a_conversation_that_sent_no_proof_is_not_repaired():
    request = asked(
        "messages",
        Message(role="assistant", parts=(thought("P-1"), Text("Hello")), origin=Origin("messages", "another")),
    )
    assert "P-1" not in str(sent(request, "messages"))
    assert repair_without_proofs(refusal(WORDS[0]), request, sent(request, "messages"), frozenset()) is None


@pytest.mark.parametrize("key", ["messages", "input", "contents"])
def test_a_conversation_of_the_extra_body_is_sent_as_given(key):
    request = asked("messages", turn("messages", thought("P-1"), Text("Hello")))
    assert repair_without_proofs(refusal(WORDS[0]), request, sent(request, "messages"), frozenset({key})) is None


def test_only_the_proofs_that_are_named_go_and_every_message_call_and_tool_result_stays():
    call = ToolCall(
        call_id="c1", name="add", arguments="{}", signature="S-1", opaque={"thoughtSignature": "S-2", "x": 1}
    )
    texts = (Text("Hello", opaque={"thoughtSignature": "S-3"}), Text("Plain"))
    request = asked(
        "generate-content",
        turn("generate-content", thought("S-4"), *texts, call),
        Message(role="tool", parts=(ToolResult(call_id="c1", content=(Text("5"),)),)),
        turn("generate-content", thought("S-5"), Text("So it is")),
    )
    first = asked("generate-content", request.messages[1])
    stripped = without_proofs(request, proofs_in(first))
    assert len(stripped.messages) == len(request.messages)
    assert proofs_in(stripped) == proofs_in(asked("generate-content", request.messages[3]))
    kinds = [type(part).__name__ for part in stripped.messages[1].parts]
    assert kinds == ["Text", "Text", "ToolCall"]
    assert stripped.messages[1].parts[2].opaque == {"x": 1}
    assert stripped.messages[2] is request.messages[2]
    assert request.messages[1].parts[3] is call


def test_a_request_without_refused_proofs_is_itself():
    request = asked("messages", turn("messages", thought("P-1"), Text("Hello")))
    assert without_proofs(request, frozenset()) is request
    assert without_proofs(request, frozenset({"another"})) is request


def test_the_repair_of_known_proofs_says_what_will_be():
    assert "takes the proofs" in without(frozenset({"d"}), "m").note
