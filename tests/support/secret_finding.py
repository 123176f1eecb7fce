"""Where a secret could stand: in the texts, dumps and pickles of an object, in an error and all that hangs on it."""

from __future__ import annotations

import base64
import copy
import pickle
import pprint
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

HERE = str(Path(__file__).resolve().parents[1])
"""Frames of tests are not looked at: a test knows its secrets."""


def forms(secret: str) -> list[bytes]:
    """Return a secret as it may be spelt."""
    plain = secret.encode()
    inside = [base64.b64encode(b"x" * pad + plain)[4 if pad else 0 : -4] for pad in range(3)]
    return [plain, quote(secret, safe="").encode(), *(one for one in inside if len(one) >= 8)]


def holds(data: str | bytes, secret: str) -> bool:
    """Whether ``data`` has the secret in it, plain, quoted or in base64."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return any(form in raw for form in forms(secret))


def holds_issued_token(data: str | bytes) -> bool:
    """Whether ``data`` has a token in it that the simulated workspace has issued to a service principal."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return re.search(rb"oauth-[0-9a-f]{16}", raw) is not None


def shown(thing: Any) -> Iterator[tuple[str, str | bytes]]:
    """Yield every form that anyone sees or stores of an object, by name."""
    yield "repr", repr(thing)
    yield "str", str(thing)
    yield "format", f"{thing}"
    yield "pprint", pprint.pformat(thing)
    if hasattr(thing, "__dict__"):
        yield "vars", repr(vars(thing))
        yield "pprint of vars", pprint.pformat(vars(thing))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield f"pickle {protocol}", pickle.dumps(thing, protocol)
    yield "pickle of a copy", pickle.dumps(copy.copy(thing))
    if isinstance(thing, BaseModel):
        yield "model_dump", repr(thing.model_dump())
        yield "model_dump_json", thing.model_dump_json()
        yield "model_dump without defaults", repr(thing.model_dump(exclude_defaults=True, exclude_unset=True))
        yield "__pretty__", "".join(str(piece) for piece in thing.__repr_args__())
        yield "schema", repr(type(thing).model_json_schema()) if not hasattr(thing, "lc_secrets") else ""


def chain(error: BaseException) -> list[BaseException]:
    """Return an error and all that it hangs on."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [
                one.__cause__,
                one.__context__,
                *(one.exceptions if isinstance(one, BaseExceptionGroup) else ()),
            ]
    return found


def told(error: BaseException) -> Iterator[tuple[str, str | bytes]]:
    """Yield every form that anyone sees or stores of an error and of what it hangs on, by name."""
    for one in chain(error):
        name = type(one).__name__
        yield f"{name} str", str(one)
        yield f"{name} repr", repr(one)
        yield f"{name} args", repr(one.args)
        yield f"{name} vars", repr(vars(one))
        yield f"{name} notes", repr(getattr(one, "__notes__", ()))
        yield f"{name} pickle", pickle.dumps(one)
        for held in vars(one).values():
            if hasattr(held, "__dict__"):
                yield f"{name} held {type(held).__name__}", repr(vars(held))
    yield "traceback", "".join(traceback.format_exception(error))


def frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield the local variables of every frame of an error and of what it hangs on, as a crash reporter shows them."""
    for one in chain(error):
        trace = traceback.TracebackException.from_exception(one, capture_locals=True)
        for frame in trace.stack:
            if not frame.filename.startswith(HERE):
                for name, value in (frame.locals or {}).items():
                    yield f"{frame.filename}:{frame.lineno} {name}", value
