"""Answers with everything in them that an api knows (docs/wire, the pages on the four formats); a fuzzer takes them
apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dbx_gateway.surfaces import Api

__all__ = ["STREAMS", "WHOLE", "as_stream"]


def as_stream(events: Iterable[Any]) -> bytes:
    """Return ``events`` as server-sent events, each with its type where it has one."""
    return b"".join(
        (f"event: {event['type']}\n" if "type" in event else "").encode()
        + b"data: "
        + json.dumps(event).encode()
        + b"\n\n"
        for event in events
    )


def _chunk(delta: Any, **more: Any) -> Any:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]}


def _piece(arguments: str, index: int = 0, **more: Any) -> Any:
    return {"index": index, "function": {"arguments": arguments}, **more}


_CITED = {"type": "url_citation", "url_citation": {"url": "https://x", "title": "t", "start_index": 0, "end_index": 2}}
_AGENT = [
    {"id": "m1", "role": "assistant", "content": "so", "tool_calls": [{"id": "t", "function": {"name": "f"}}]},
    {"id": "m2", "role": "tool", "tool_call_id": "t", "content": "1"},
    {"id": "m3", "role": "assistant", "content": [{"type": "text", "text": "it is 1"}]},
]
_THOUGHT = [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "s"}]}]

_CLAUDE_BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "b", "start_char_index": 0}]},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
]

_ITEMS = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "content": [{"type": "reasoning_text", "text": "raw"}],
        "encrypted_content": "e",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "phase": "final_answer",
        "content": [
            {
                "type": "output_text",
                "text": "a",
                "annotations": [{"type": "url_citation", "url": "u"}],
                "logprobs": [{}],
            },
            {"type": "refusal", "refusal": "no"},
            {"type": "new_kind", "value": 1},
        ],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
    {"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "g", "input": "free"},
    {"type": "function_call_output", "call_id": "c1", "output": "1"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
]

_GEMINI_PARTS = [
    {"text": "hm", "thought": True, "thoughtSignature": "s"},
    {"text": "a"},
    {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "t"},
    {"inlineData": {"mimeType": "image/png", "data": "aQ=="}},
    {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://x"}},
    {"executableCode": {"language": "PYTHON", "code": "1"}},
    {"text": "", "thoughtSignature": "u"},
]
_GROUNDED = {
    "groundingMetadata": {
        "groundingChunks": [{"web": {"uri": "https://x", "title": "t"}}],
        "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 1, "text": "a"}, "groundingChunkIndices": [0]}],
    },
    "citationMetadata": {"citationSources": [{"startIndex": 1, "endIndex": 2, "uri": "https://y"}]},
    "logprobsResult": {"chosenCandidates": [{"token": "a"}], "avg": 0.5},
    "safetyRatings": [{"category": "C"}],
}
_GEMINI_USAGE = {
    "promptTokenCount": 3,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 1,
    "totalTokenCount": 6,
    "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}],
}

WHOLE: dict[Api, list[Any]] = {
    "chat-completions": [
        {
            "id": "c",
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": [*_THOUGHT, {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}],
                        "reasoning_content": "hm",
                        "reasoning_details": [{"type": "x"}],
                        "annotations": [_CITED],
                        "audio": {"id": "a", "data": "aQ==", "transcript": "a", "expires_at": 1},
                        "tool_calls": [
                            {"id": "t", "type": "function", "function": {"name": "answer", "arguments": "{}"}}
                        ],
                    },
                    "finish_reason": "tool_calls",
                    "logprobs": {"content": [{"token": "a"}], "refusal": None},
                },
                {"index": 1, "message": {"refusal": "no", "function_call": {"name": "f", "arguments": "{}"}}},
            ],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "cache_read_input_tokens": 1,
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            "service_tier": "default",
        },
        {"messages": _AGENT, "custom_outputs": {"a": 1}, "finish_reason": "stop"},
    ],
    "responses": [
        {
            "id": "resp_1",
            "model": "m",
            "status": "completed",
            "output": _ITEMS,
            "usage": {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 1}},
            "custom_outputs": {"a": 1},
        },
        {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow down"}, "output": []},
        {"object": "response", "output": [{"role": "assistant", "content": "an agent's"}]},
    ],
    "messages": [
        {
            "id": "msg_1",
            "type": "message",
            "content": _CLAUDE_BLOCKS,
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "explanation": "x"},
            "usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens_details": {"thinking_tokens": 1}},
        }
    ],
    "generate-content": [
        {
            "responseId": "r",
            "modelVersion": "m",
            "candidates": [
                {"content": {"parts": _GEMINI_PARTS}, "finishReason": "STOP", **_GROUNDED},
                {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS"},
            ],
            "usageMetadata": _GEMINI_USAGE,
        },
        {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}},
    ],
}


def _typed(kind: str, number: int, **fields: Any) -> Any:
    return {"type": f"response.{kind}", "sequence_number": number, **fields}


STREAMS: dict[Api, list[list[Any]]] = {
    "chat-completions": [
        [
            _chunk({"role": "assistant", "reasoning_content": "h"}),
            _chunk({"content": [*_THOUGHT, {"type": "text", "text": "a", "citations": [{"url": "x"}]}]}),
            _chunk({"tool_calls": [_piece("{}", id="t", type="function"), _piece("", 1, id="u")]}),
            _chunk({"tool_calls": [{"index": 0, "function": {"name": "answer", "arguments": '{"a"'}}, _piece(":1}")]}),
            _chunk({"function_call": {"name": "f", "arguments": "{}"}}, logprobs={"content": [{"token": "a"}]}),
            _chunk({"audio": {"id": "a", "data": "aQ", "transcript": "a"}, "annotations": [_CITED]}),
            _chunk({}, finish_reason="stop", stop_reason="x"),
            {"choices": [], "usage": {"prompt_tokens": 1, "cache_read_input_tokens": 2}},
        ],
        [*({"delta": message} for message in _AGENT), {"delta": {"id": "m4", "content": "b"}, "finish_reason": "stop"}],
    ],
    "responses": [
        [
            _typed("created", 0, response={"id": "resp_1", "model": "m", "status": "in_progress"}),
            _typed("output_item.added", 1, output_index=0, item={"type": "reasoning", "id": "rs_1", "summary": []}),
            _typed("reasoning_summary_text.delta", 2, output_index=0, summary_index=0, delta="h"),
            _typed("reasoning_summary_text.done", 3, output_index=0, summary_index=0, text="hm"),
            _typed("output_item.done", 4, output_index=0, item=_ITEMS[0]),
            _typed("output_item.added", 5, output_index=1, item={**_ITEMS[1], "content": []}),
            _typed("output_text.delta", 7, output_index=1, content_index=0, delta="a"),
            _typed("output_text.annotation.added", 6, output_index=1, content_index=0, annotation={"type": "x"}),
            _typed("refusal.delta", 8, output_index=1, content_index=1, delta="no"),
            _typed("content_part.done", 9, output_index=1, content_index=2, part={"type": "new", "value": 1}),
            _typed("output_item.done", 10, output_index=1, item=_ITEMS[1]),
            _typed("output_item.added", 11, output_index=2, item={**_ITEMS[2], "arguments": ""}),
            _typed("function_call_arguments.delta", 12, output_index=2, delta='{"a"'),
            _typed("function_call_arguments.done", 13, output_index=2, arguments='{"a":1}'),
            _typed("output_item.done", 14, output_index=2, item=_ITEMS[2]),
            _typed("incomplete", 15, response={"output": _ITEMS[:3], "incomplete_details": {"reason": "max_messages"}}),
        ],
        [
            {"type": "response.output_item.done", "item": _ITEMS[2]},
            {"type": "response.output_item.done", "item": _ITEMS[4]},
            {"type": "response.output_text.delta", "delta": "b"},
            {"type": "response.output_item.done", "item": {"role": "assistant", "content": "b"}},
            {"custom_outputs": {"a": 1}, "usage": {"input_tokens": 1}},
        ],
        [_typed("failed", 0, response={"error": {"code": "invalid_prompt", "message": "no"}})],
    ],
    "messages": [
        [
            {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}},
            *(
                event
                for index, block in enumerate(_CLAUDE_BLOCKS)
                for event in (
                    {"type": "content_block_start", "index": index, "content_block": block},
                    {"type": "content_block_stop", "index": index},
                )
            ),
            {"type": "content_block_start", "index": 5, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 5, "delta": {"type": "thinking_delta", "thinking": "h"}},
            {"type": "content_block_delta", "index": 5, "delta": {"type": "signature_delta", "signature": "s"}},
            {"type": "ping"},
            {"type": "content_block_delta", "index": 6, "delta": {"type": "citations_delta", "citation": {"url": "u"}}},
            {"type": "content_block_start", "index": 7, "content_block": {"type": "server_tool_use", "input": {}}},
            {
                "type": "content_block_delta",
                "index": 7,
                "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
            },
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop", "amazon-bedrock-invocationMetrics": {}},
        ]
    ],
    "generate-content": [
        [
            {"responseId": "r", "candidates": [{"content": {"parts": [{"text": "h", "thought": True}]}}]},
            {"candidates": [{"content": {"parts": _GEMINI_PARTS}, "index": 0}, {"index": 1, "finishReason": "STOP"}]},
            {"candidates": [{"content": {"parts": []}, "finishReason": "STOP", **_GROUNDED}]},
            {"usageMetadata": _GEMINI_USAGE},
        ],
        [{"promptFeedback": {"blockReason": "OTHER"}}],
    ],
}
