"""Where each setting goes in a request: every known model is asked with and without it, and the two requests compared."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import httpx

from dbx_gateway import Client, DbxGatewayError, Observations, ToolSpec
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import known_models, profile_of
from dbx_gateway.models.routing import SurfaceChoice, candidates
from dbx_gateway.surfaces import Api, Surface

HOST = "https://workspace.example.com"
APIS: tuple[Api, ...] = get_args(Api)
TOOL = ToolSpec(name="add", description="adds", parameters={"type": "object", "properties": {}})

EXAMPLES: dict[str, Any] = {
    "temperature": 0.5,
    "max_tokens": 100,
    "top_p": 0.5,
    "top_k": 5,
    "stop": ("END",),
    "seed": 7,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "logprobs": True,
    "top_logprobs": 2,
    "n": 2,
    "reasoning_effort": "high",
    "thinking": 4096,
    "parallel_tool_calls": False,
    "service_tier": "flex",
    "timeout": 7.0,
    "stream_idle_timeout": 7.0,
    "total_timeout": 70.0,
    "max_retries": 0,
    "max_in_flight": 3,
    "coalesce_deltas": False,
    "custom_inputs": {"user": "me"},
    "extra_body": {"field": 1},
    "default_headers": {"x-team": "me"},
}
"""A value for each setting that one call may have, but for those of ``FORMS``."""

FORMS = frozenset({"model", "surface", "api", "family", "disabled_quirks"})
"""Settings that say which form a request has, and are no part of it."""

NOT_SENT, REFUSED, DONE_HERE = "not sent", "refused", "not sent: done here"

MADE_GOOD = frozenset({"stop", "n"})
"""Settings that hold also where a request has no field for them, because the client itself does what they say."""


@dataclass(frozen=True)
class Sent:
    """A request as it goes out.

    Args:
        body: its JSON.
        more: its URL and its headers, by the names that the page has for them.
    """

    body: dict[str, Any]
    more: dict[str, str]


@dataclass(frozen=True)
class Asked:
    """Whom a request goes to."""

    model: str
    family: str
    surface: Surface
    api: Api


@cache
def everyone() -> tuple[Asked, ...]:
    """Every model that is known, an agent and an endpoint of which nothing is known, by each api that serves it."""
    unknown = (profile_of(f"my-{family}", family) for family in ("agent", "other"))
    profiles = [*(profile for profile in known_models() if profile.kind == "chat"), *unknown]
    return tuple(asked for profile in profiles for asked in _served(profile))


def _served(profile: Profile) -> Iterator[Asked]:
    surface: Surface = "ai-gateway" if profile.on_gateway else "model-serving"
    choice, tasks = SurfaceChoice(surface, ""), (None, "agent/v1/chat", "agent/v2/chat")
    routes = [candidates(profile.model, HOST, choice, profile.family, profile, task=task) for task in tasks]
    for api in dict.fromkeys(route.api for some in routes for route in some):
        yield Asked(profile.model, profile.family, surface, api)


def request_of(asked: Asked, **options: Any) -> Sent | None:
    """The request that a client sends with these options, or None where it refuses them."""
    found: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        found.append(request)
        return httpx.Response(403, json={"error_code": "PERMISSION_DENIED", "message": "nobody may ask"})

    fields = {"model": asked.model, "surface": asked.surface, "api": asked.api, "family": asked.family}
    with httpx.Client(transport=httpx.MockTransport(answer)) as http_client:
        client = Client(**fields, host=HOST, token="t", http_client=http_client, observations=Observations())
        with suppress(DbxGatewayError):
            client.chat("Hello", tools=[TOOL], **options)
    if not found:
        return None
    request = found[0]
    headers = {f"header `{name}`": value for name, value in request.headers.items() if name != "content-length"}
    return Sent(json.loads(request.content), {"the URL": str(request.url), **headers})


def changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of what two JSON objects do not have in common."""
    for name in {**before, **after}:
        one, other = before.get(name), after.get(name)
        if isinstance(other, dict) and isinstance(one, dict | None) and other:
            yield from changes(one or {}, other, f"{path}{name}.")
        elif one != other:
            yield f"`{path}{name}`"


def place_of(setting: str, asked: Asked) -> str:
    """Where a setting goes when a model is asked, as the page says it."""
    before, after = _without(asked), request_of(asked, **{setting: EXAMPLES[setting]})
    if after is None:
        return REFUSED
    assert before is not None
    more = (name for name in after.more if before.more.get(name) != after.more[name])
    left_out = DONE_HERE if setting in MADE_GOOD else NOT_SENT
    return ", ".join([*changes(before.body, after.body), *more]) or left_out


@cache
def _without(asked: Asked) -> Sent | None:
    return request_of(asked)


def place_in_words(setting: str, api: Api) -> str:
    """Where a setting goes on an api: the most common place first, the others with the families that have them."""
    asked = [one for one in everyone() if one.api == api]
    found: dict[str, list[str]] = defaultdict(list)
    for one in asked:
        found[place_of(setting, one)].append(one.family)
    first, *others = sorted(found, key=lambda place: -len(found[place]))
    of_all = [one.family for one in asked]
    return "; ".join([first, *(f"{place}: {_families(found[place], of_all)}" for place in others)])


def _families(families: list[str], of_all: list[str]) -> str:
    """Name the families of some models; of a family of which not all are among them, "some"."""
    alone = len(set(of_all)) == 1
    names = dict.fromkeys(families)
    return ", ".join(
        name if families.count(name) == of_all.count(name) else ("some models" if alone else f"some {name}")
        for name in names
    )
