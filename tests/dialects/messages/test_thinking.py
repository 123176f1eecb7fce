"""One reasoning setting in the words that each Claude model takes."""

from __future__ import annotations

import pytest
from judges.messages_bodies import body_violations

from dbx_gateway.chat import (
    ChatRequest,
    Message,
    Origin,
    Reasoning,
    ReasoningConfig,
    Segment,
    Text,
    ToolCall,
    tool_result,
    user,
)
from dbx_gateway.dialects.messages.dialect import MESSAGES, default_max_tokens
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import forget_notices

EVERY = ("low", "medium", "high", "xhigh", "max")
LONGEST = 64_000


@pytest.fixture(autouse=True)
def _say_warnings_anew():
    forget_notices()


def sent(config, thinking="budget", efforts=(), max_tokens=None, max_output=LONGEST):
    """Return the fields about thinking: thinking, effort, max_tokens."""
    profile = Profile(model="m", family="claude", thinking=thinking, efforts=efforts, max_output=max_output)
    request = ChatRequest(model="m", messages=(user("a"),), reasoning=config, max_tokens=max_tokens)
    body = MESSAGES.encode(request, profile)
    assert body_violations(body) == []
    return body.get("thinking"), body.get("output_config", {}).get("effort"), body["max_tokens"]


def enabled(budget, **more):
    return {"type": "enabled", "budget_tokens": budget, **more}


ADAPTIVE = {"type": "adaptive"}
Config = ReasoningConfig


@pytest.mark.parametrize(
    ("config", "thinking", "efforts", "expected"),
    [
        (None, "budget", (), (None, None, 8192)),
        (Config(), "always", EVERY, (None, None, 8192)),
        # models that count tokens
        (Config(budget=2000), "budget", (), (enabled(2000), None, 10192)),
        (Config(effort="minimal"), "budget", (), (enabled(1024), None, 9216)),
        (Config(effort="low"), "budget", (), (enabled(2048), None, 10240)),
        (Config(effort="medium"), "budget", (), (enabled(8192), None, 16384)),
        (Config(effort="high"), "budget", (), (enabled(16384), None, 24576)),
        (Config(effort="high"), "budget", ("low", "high"), (enabled(16384), "high", 24576)),
        (Config(effort="high", budget=2000), "budget", (), (enabled(2000), None, 10192)),
        (Config(mode="on"), "budget", (), (enabled(8192), None, 16384)),
        (Config(mode="auto", effort="none"), "budget", (), (enabled(8192), None, 16384)),
        (Config(show="summary"), "budget", (), (enabled(8192, display="summarized"), None, 16384)),
        (Config(show="none"), "budget", (), (None, None, 8192)),
        (Config(budget=2000, show="none"), "budget", (), (enabled(2000, display="omitted"), None, 10192)),
        (Config(mode="off"), "budget", (), ({"type": "disabled"}, None, 8192)),
        (Config(effort="none"), "budget", (), ({"type": "disabled"}, None, 8192)),
        # models that decide for themselves
        (Config(effort="high"), "adaptive", EVERY, (ADAPTIVE, "high", 8192)),
        (Config(effort="max"), "adaptive", (), (ADAPTIVE, "max", 8192)),
        (Config(mode="on"), "adaptive", EVERY, (ADAPTIVE, None, 8192)),
        (Config(mode="auto", show="none"), "adaptive", EVERY, ({**ADAPTIVE, "display": "omitted"}, None, 8192)),
        (Config(show="none"), "adaptive", EVERY, (None, None, 8192)),
        (Config(mode="off"), "adaptive", EVERY, ({"type": "disabled"}, None, 8192)),
        (Config(mode="off", effort="low"), "adaptive", EVERY, ({"type": "disabled"}, "low", 8192)),
        # models that take either
        (Config(effort="high"), "both", EVERY, (ADAPTIVE, "high", 8192)),
        (Config(budget=4000), "both", EVERY, (enabled(4000), None, 12192)),
        # models that cannot stop
        (Config(show="none"), "always", EVERY, ({**ADAPTIVE, "display": "omitted"}, None, 8192)),
        (Config(effort="low"), "always", EVERY, (ADAPTIVE, "low", 8192)),
        # models that do not think
        (Config(mode="off"), "none", (), (None, None, 8192)),
    ],
)
def test_each_setting_on_each_kind_of_model(config, thinking, efforts, expected, caplog):
    assert sent(config, thinking, efforts) == expected
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("config", "thinking", "efforts", "expected", "words"),
    [
        (Config(budget=15000), "adaptive", EVERY, (ADAPTIVE, "high", 8192), "takes no thinking budget; effort 'high'"),
        (Config(budget=1024), "always", EVERY, (ADAPTIVE, "low", 8192), "takes no thinking budget; effort 'low'"),
        (
            Config(effort="xhigh"),
            "adaptive",
            ("low", "medium", "high", "max"),
            (ADAPTIVE, "high", 8192),
            "'high' is sent",
        ),
        (Config(effort="minimal"), "adaptive", (), (ADAPTIVE, "low", 8192), "'low' is sent for 'minimal'"),
        (Config(mode="off"), "always", EVERY, (None, "low", 8192), "cannot switch thinking off"),
        (
            Config(show="full", mode="on"),
            "adaptive",
            (),
            ({**ADAPTIVE, "display": "summarized"}, None, 8192),
            "at most a summary",
        ),
        (Config(effort="high"), "none", (), (None, None, 8192), "not known to take a thinking control"),
    ],
)
def test_what_a_model_does_not_take_is_translated_with_one_warning(config, thinking, efforts, expected, words, caplog):
    assert sent(config, thinking, efforts) == expected
    assert len(caplog.messages) == 1
    assert words in caplog.messages[0]


@pytest.mark.parametrize(
    ("config", "max_tokens", "words"),
    [
        (Config(budget=1023), None, "below the minimum of the messages api, 1024"),
        (Config(budget=0), None, "switch thinking off with mode='off'"),
        (Config(budget=4000), 4000, "does not fit into max_tokens=4000"),
        (Config(effort="high"), 1000, "does not fit into max_tokens=1000"),
        (Config(effort="huge"), None, "unknown reasoning effort 'huge'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(config, max_tokens, words):
    with pytest.raises(InvalidRequestError, match=words):
        sent(config, max_tokens=max_tokens)


def test_a_budget_that_stands_for_an_effort_leaves_half_the_room_to_the_answer():
    assert sent(Config(effort="high"), max_tokens=4096) == (enabled(2048), None, 4096)
    assert sent(Config(effort="max"), max_output=32_000) == (enabled(16_000), None, 24_192)


@pytest.mark.parametrize(
    ("config", "max_output", "expected"),
    [
        (None, None, 8192),
        (None, 4096, 4096),
        (None, 128_000, 8192),
        (Config(budget=2048), None, 10_240),
        (Config(budget=30_000), 32_000, 32_000),
        (Config(budget=40_000), 32_000, 48_192),
    ],
)
def test_the_default_of_max_tokens_is_room_for_an_answer_beside_the_budget(config, max_output, expected):
    profile = Profile(model="m", family="claude", thinking="budget", max_output=max_output)
    request = ChatRequest(model="m", messages=(user("a"),), reasoning=config)
    assert default_max_tokens(request, profile) == expected


CALL = ToolCall(call_id="c1", name="f", arguments="{}")
THOUGHT = Reasoning(segments=(Segment("raw", "hm"),), signature="s")
OWN = Origin("messages", "m")
RESULT = tool_result(CALL, "b")


def thinking_after(*messages, config=None):
    profile = Profile(model="m", family="claude", thinking="budget", max_output=LONGEST)
    request = ChatRequest(model="m", messages=messages, reasoning=config or Config(budget=2048))
    return MESSAGES.encode(request, profile).get("thinking")


def turn(*parts, origin=OWN):
    return Message(role="assistant", parts=parts, origin=origin)


def test_thinking_goes_on_within_a_turn_that_began_with_thoughts():
    assert thinking_after(user("a"), turn(THOUGHT, CALL), RESULT) == enabled(2048)


@pytest.mark.parametrize("written", [turn(CALL), turn(THOUGHT, CALL, origin=None), turn(Text("x"), CALL)])
def test_a_turn_of_calls_without_the_models_own_thoughts_is_ended_without_thinking(written, caplog):
    assert thinking_after(user("a"), written, RESULT) is None
    assert "thinking is off until the next user message" in caplog.text


def test_thinking_is_back_when_the_user_has_spoken_again():
    messages = (user("a"), turn(CALL), RESULT, turn(Text("x")), user("c"))

    assert thinking_after(*messages) == enabled(2048)


def test_thinking_that_the_model_measures_itself_needs_no_thoughts_in_the_turn():
    profile = Profile(model="m", family="claude", thinking="adaptive", max_output=LONGEST)
    messages = (user("a"), turn(CALL), RESULT)
    request = ChatRequest(model="m", messages=messages, reasoning=Config(mode="on"))

    assert MESSAGES.encode(request, profile)["thinking"] == ADAPTIVE
