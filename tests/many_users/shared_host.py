"""A workspace that answers by who asks, and the model of what each of its users may know.

:class:`Host` is the workspace: rights for each user, and models that refuse a field. :class:`Expected` says, from the same
rights, what each call of each user must send and how it must end, and remembers for each user what the calls have shown it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import httpx

ORIGIN = "https://ws.example.com"
PROBE = "/ai-gateway/anthropic/v1/models"
METADATA = "/api/2.0/serving-endpoints/"
CHATS = {"ai-gateway": "/ai-gateway/mlflow/v1/chat/completions", "model-serving": "/serving-endpoints/chat/completions"}
SURFACES = tuple(CHATS)

HOUR, MINUTE = 3600.0, 60.0

Right = Literal["ok", "missing", "forbidden", "disabled"]
RIGHTS: tuple[Right, ...] = ("ok", "missing", "forbidden", "disabled")

ANSWERS: dict[Right, tuple[int, str]] = {
    "missing": (404, "RESOURCE_DOES_NOT_EXIST"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "disabled": (400, "FEATURE_DISABLED"),
}

PICKY = ("databricks-llama-picky", "picky-endpoint")
MODELS = ("databricks-llama-plain", "plain-endpoint", *PICKY)
"""Of the first and the third the name says the family, and a probe the surface; the others are looked up. The last two take
no ``top_k``, whoever asks."""

Sent = tuple[str, str, str, bool]
"""User, method, path, and whether ``top_k`` was in the request."""


@dataclass
class Rights:
    """What each user may do; whoever has no entry may do everything.

    Args:
        gateway: whether a user is shown that there is one.
        chat: by user, surface and model.
    """

    gateway: dict[str, Right] = field(default_factory=dict)
    chat: dict[tuple[str, str, str], Right] = field(default_factory=dict)

    def of_gateway(self, user: str) -> Right:
        return self.gateway.get(user, "ok")

    def of_chat(self, user: str, surface: str, model: str) -> Right:
        return self.chat.get((user, surface, model), "ok")


@dataclass(frozen=True)
class Token:
    """A token, and how a call comes to it.

    Args:
        value: as it is sent.
        user: whose it is.
        says_who: whether it says so itself, as a JWT does.
        lent: whether a call gets it by ``acting_as`` and not by ``token=``.
        named: whether ``acting_as`` is given the user's name too.
        forged: the workspace does not take it, whatever it says.
    """

    value: str
    user: str
    says_who: bool = False
    lent: bool = False
    named: bool = False
    forged: bool = False


def jwt(user: str, signature: str) -> str:
    """Return a token that says whose it is; only the workspace looks at the signature."""
    parts = ({"alg": "RS256"}, {"iss": f"{ORIGIN}/oidc", "sub": user, "client_id": "app", "jti": signature})
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), signature]
    )


def tokens_of(user: str) -> tuple[Token, ...]:
    """Return the ways in which a user may be met: personal tokens, OAuth tokens, each lent or not, and one that is forged."""
    return (
        Token(f"dapi-{user}", user),
        Token(f"dapi-{user}", user, lent=True),
        Token(f"dapi-{user}-next", user, lent=True, named=True),
        Token(f"dapi-{user}-third", user, lent=True, named=True),
        Token(jwt(user, "first"), user, says_who=True),
        Token(jwt(user, "second"), user, says_who=True, lent=True),
        Token(jwt(user, "forged"), user, says_who=True, forged=True),
        Token(jwt(user, "forged"), user, says_who=True, lent=True, forged=True),
        Token(f"dapi-{user}-forged", user, lent=True, named=True, forged=True),
    )


class Host:
    """The workspace.

    Args:
        rights: of its users.
        users: their names.

    Attributes:
        sent: the requests so far, by the user that the token belongs to, or is said to.
    """

    def __init__(self, rights: Rights, users: tuple[str, ...]) -> None:
        self._rights = rights
        self._tokens = {token.value: token for user in users for token in tokens_of(user)}
        self.sent: list[Sent] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        token = self._tokens[request.headers["authorization"].removeprefix("Bearer ")]
        user = token.user
        path = request.url.path
        asked = json.loads(request.content) if request.content else {}
        self.sent.append((user, request.method, path, "top_k" in asked))
        if token.forged:
            return _answered(401, "UNAUTHENTICATED", "Invalid access token.")
        if path == PROBE:
            right = self._rights.of_gateway(user)
            return _refusal(404 if right == "disabled" else None, right) or httpx.Response(200, json={"data": []})
        if path.startswith(METADATA):
            name = path.removeprefix(METADATA)
            facts = {"name": name, "task": "llm/v1/chat", "config": {"served_entities": [{"name": "e"}]}}
            right = self._rights.of_chat(user, "model-serving", name)
            return _refusal(None, right) or httpx.Response(200, json=facts)
        surface = "ai-gateway" if path.startswith("/ai-gateway") else "model-serving"
        return self._chat(user, asked, self._rights.of_chat(user, surface, asked["model"]))

    @staticmethod
    def _chat(user: str, asked: dict, right: Right) -> httpx.Response:
        if (refusal := _refusal(None, right)) is not None:
            return refusal
        if "top_k" in asked and asked["model"] in PICKY:
            return _answered(400, "BAD_REQUEST", 'json: unknown field "top_k"')
        if asked.get("temperature", 0) > 2:
            return _answered(400, "BAD_REQUEST", "temperature: Input should be less than or equal to 2")
        message = {"role": "assistant", "content": f"For {user}: {asked['messages'][-1]['content']}"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return httpx.Response(200, json={"id": "c", "object": "chat.completion", "model": "m", "choices": choices})


def _refusal(status: int | None, right: Right) -> httpx.Response | None:
    if right == "ok":
        return None
    usual, code = ANSWERS[right]
    return _answered(status or usual, code, f"{right} for you")


def _answered(status: int, code: str, words: str) -> httpx.Response:
    return httpx.Response(status, json={"error_code": code, "message": words})


@dataclass(frozen=True)
class Outcome:
    """How a call ends.

    Args:
        text: of the answer; None where there is none.
        status: of the error; None where there is none.
        repairs: that the answer names.
    """

    text: str | None = None
    status: int | None = None
    repairs: tuple[str, ...] = ()


DROP = "drop top_k"


class Expected:
    """What each identity may know, and what a call must therefore send.

    Args:
        rights: of the users, as the host has them.
        clock: the clock of what is learned.
    """

    def __init__(self, rights: Rights, clock: Callable[[], float]) -> None:
        self._rights = rights
        self._clock = clock
        self._taken: set[str] = set()
        self._surfaces: dict[str, tuple[str, float]] = {}
        self._facts: dict[tuple[str, str], float] = {}
        self._routes: dict[tuple[str, str], tuple[str, float]] = {}
        self._repaired: dict[tuple[str, str], float] = {}
        self._warned: set[tuple[str, str]] = set()

    @property
    def warnings(self) -> int:
        """How many there were, each once for an identity."""
        return len(self._warned)

    def call(self, token: Token, model: str, text: str, *, top_k: bool, too_warm: bool) -> tuple[list[Sent], Outcome]:
        """Return what a call must send and how it must end, and learn from it what the identity may learn."""
        call = _Call(self._who(token), token.user, model, text, top_k=top_k, too_warm=too_warm)
        if token.forged:  # nothing is ever known to it, and so its first request is a question
            question = PROBE if model.startswith("databricks-") else METADATA + model
            return [(token.user, "GET", question, False)], Outcome(status=401)
        outcome = self._tried(call)
        if call.answered:  # from the next call on, the token is known to be taken
            self._taken.add(token.value)
        return call.sent, outcome

    def _who(self, token: Token) -> str:
        """Return the identity of a token: what it or the caller says counts only once the workspace has taken it."""
        if token.value in self._taken and (token.says_who or token.named):
            return f"{token.user} as {'a token' if token.says_who else 'the caller'} says"
        return token.value

    def _tried(self, call: _Call) -> Outcome:
        first_missing: Outcome | None = None
        for number, surface in enumerate(self._surfaces_of(call)):
            outcome = self._attempt(call, surface)
            if outcome.status is None and number:
                self._routes[call.who, call.model] = surface, self._clock() + HOUR
            if outcome.status != 404:
                return outcome
            first_missing = first_missing or outcome
        assert first_missing is not None
        return first_missing

    def _surfaces_of(self, call: _Call) -> list[str]:
        now = self._clock()
        if call.model.startswith("databricks-"):
            known = self._surfaces.get(call.who)
            if known is None or known[1] <= now:
                call.sends("GET", PROBE, answered=self._rights.of_gateway(call.user) == "ok")
                known = self._surfaces[call.who] = self._probed(call)
            return [known[0]]
        key = (call.who, call.model)
        if self._facts.get(key, now) <= now:
            found = self._rights.of_chat(call.user, "model-serving", call.model) == "ok"
            call.sends("GET", METADATA + call.model, answered=found)
            self._facts[key] = now + (HOUR if found else MINUTE)
        route = self._routes.get(key)
        remembered = route is not None and route[1] > now and route[0] == "ai-gateway"
        return ["ai-gateway", "model-serving"] if remembered else ["model-serving", "ai-gateway"]

    def _probed(self, call: _Call) -> tuple[str, float]:
        match self._rights.of_gateway(call.user):
            case "ok":
                return "ai-gateway", self._clock() + HOUR
            case "missing" | "disabled":
                return "model-serving", self._clock() + HOUR
            case _:
                self._warned.add((call.who, "probe"))
                return "model-serving", self._clock() + MINUTE

    def _attempt(self, call: _Call, surface: str) -> Outcome:
        place, now = (surface, call.model), self._clock()
        repaired = call.top_k and self._repaired.get(place, now) > now  # of the model, whoever learned it
        right = self._rights.of_chat(call.user, surface, call.model)
        learned = right == "ok" and call.top_k and not repaired and call.model in PICKY
        takes = right == "ok" and not call.too_warm
        call.sends("POST", CHATS[surface], answered=takes and not learned, top_k=call.top_k and not repaired)
        if right != "ok":
            return Outcome(status=ANSWERS[right][0])
        if learned:
            call.sends("POST", CHATS[surface], answered=takes)
        if not takes:
            return Outcome(status=400)
        if learned:
            self._repaired[place] = now + HOUR
        if learned or repaired:
            self._warned.add((call.who, f"{call.model} {DROP}"))
        return Outcome(f"For {call.user}: {call.text}", repairs=(DROP,) if learned or repaired else ())


@dataclass
class _Call:
    """A call as it is expected.

    Args:
        who: the identity that it counts as.
        user: whose rights it has.
        model: that is asked.
        text: of the question.
        top_k: whether it sets ``top_k``.
        too_warm: whether it sets a temperature out of range.
        sent: what it must send.
        answered: whether any of that is answered well.
    """

    who: str
    user: str
    model: str
    text: str
    top_k: bool
    too_warm: bool
    sent: list[Sent] = field(default_factory=list)
    answered: bool = False

    def sends(self, method: str, path: str, *, answered: bool, top_k: bool = False) -> None:
        self.sent.append((self.user, method, path, top_k))
        self.answered = self.answered or answered
