"""A target with a fault that only coverage leads to: it tells a fuzzer that works from one that finds nothing."""

from __future__ import annotations

from fuzz.target import Target

__all__ = ["PLANTED"]


def _guarded(data: bytes) -> None:
    """Fail deep inside, where chance alone leads once in billions of inputs."""
    if data[:1] != b"{":
        return
    if data[1:2] != b"[":
        return
    if data[2:3] != b":":
        return
    if data[3:4] == b"@":
        raise KeyError(data)


PLANTED = Target(name="planted-fault", form="text", run=_guarded, read=_guarded, seeds=(b"some text",))
