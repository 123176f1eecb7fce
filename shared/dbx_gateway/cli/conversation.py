"""A streamed conversation in the terminal, with the tokens of each answer."""

from __future__ import annotations

import json
import sys

from dbx_gateway.call.stop_sequences import USAGE_UNKNOWN
from dbx_gateway.chat import Message, system, user
from dbx_gateway.client import Client
from dbx_gateway.errors import ConfigurationError, DbxGatewayError
from dbx_gateway.events import Event, ReasoningDelta, RefusalDelta, TextDelta, fold

__all__ = ["converse"]


def converse(client: Client, instructions: str | None, *, as_json: bool = False) -> int:
    """Read lines from standard input, answer each, and return 0 at its end; 1 if an answer failed.

    Args:
        client: of the model.
        instructions: a system message, or None.
        as_json: print one JSON object per answer instead of text.
    """
    history: list[Message] = [system(instructions)] if instructions else []
    failed = False
    while (line := _read_line()) is not None:
        if not line.strip():
            continue
        history.append(user(line))
        try:
            answer = _stream_answer(client, history, as_json=as_json)
        except DbxGatewayError as error:
            print(f"! {error}", file=sys.stderr)
            history.pop()
            failed = True
            continue
        history.append(answer)
    return 1 if failed else 0


def _read_line() -> str | None:
    if sys.stdin.isatty():
        print("> ", end="", file=sys.stderr, flush=True)
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the standard input is not {error.encoding}, which Python reads it as; set PYTHONIOENCODING to its encoding"
        ) from None
    return line.rstrip("\n") if line else None


def _stream_answer(client: Client, history: list[Message], *, as_json: bool) -> Message:
    events: list[Event] = []
    for event in client.stream(history):
        events.append(event)
        if not as_json:
            _show(event)
    answer = fold(events)
    used = answer.usage
    unknown = {name: answer.extras[name] for name in (USAGE_UNKNOWN,) if name in answer.extras}
    if as_json:
        counts = {"input": used.input, "output": used.output, "total": used.total} if used else None
        shown = {"text": answer.text, "finish": answer.finish.reason, "usage": counts} | unknown
        print(json.dumps(shown, ensure_ascii=False))
    else:
        print()
        why = "".join(f": {reason}" for reason in unknown.values())
        spent = f"{used.input} in, {used.output} out" if used else f"usage unknown{why}"
        print(f"[{answer.finish.reason}; {spent}]", file=sys.stderr)
    return answer.message


def _show(event: Event) -> None:
    match event:
        case TextDelta() | RefusalDelta():
            print(event.text, end="", flush=True)
        case ReasoningDelta():
            print(event.text, end="", flush=True, file=sys.stderr)
        case _:
            pass
