"""``reasoning_effort`` and ``thinking`` are not sent to a model that is known not to reason, and a warning says so."""

from __future__ import annotations

import pytest
from lifecycles.front_ends import FRONT_ENDS, front_end

from dbx_gateway.call.unfit_settings import without_reasoning
from dbx_gateway.chat import ChatRequest, ReasoningConfig, user
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.notices import forget_notices
from dbx_gateway.testing import Workspace, serve

LLAMA = "databricks-meta-llama-3-3-70b-instruct"
DO_NOT = (LLAMA, "system.ai.llama-4-maverick", "databricks-gemma-3-12b", "databricks-qwen3-next-80b-a3b-instruct")
ON = ({"reasoning_effort": "low"}, {"thinking": True}, {"thinking": 2048}, {"thinking": {"type": "adaptive"}})
OFF = ({"reasoning_effort": "none"}, {"thinking": False}, {"thinking": "off"})
FIELDS = {"reasoning_effort", "thinking", "output_config", "reasoning"}


@pytest.mark.parametrize("model", DO_NOT)
@pytest.mark.parametrize("name", FRONT_ENDS)
async def test_a_model_that_is_known_not_to_reason_is_sent_no_reasoning_settings(name, model, caplog):
    with serve(Workspace()) as server:
        where = {"host": server.url, "token": server.workspace.token, "surface": "ai-gateway"}
        for setting in (*ON, *OFF):
            caplog.clear()
            forget_notices()
            front = front_end(name, model=model, **where, **setting)
            front.ask("Hello")
            await front.aask("Hello")
            assert list(front.stream("Hello"))
            warnings = [message for message in caplog.messages if "does not reason" in message]
            assert len(warnings) == (1 if setting in ON else 0), setting
        sent = [call.body for call in server.workspace.ledger.model_calls()]
    assert len(sent) == 3 * len((*ON, *OFF))
    assert [body.keys() & FIELDS for body in sent] == [set()] * len(sent)


def test_what_is_put_into_the_body_is_sent_all_the_same():
    with serve(Workspace()) as server:
        front = front_end(
            "core",
            model=LLAMA,
            host=server.url,
            token=server.workspace.token,
            surface="ai-gateway",
            extra_body={"reasoning_effort": "low"},
        )
        front.ask("Hello")
        (call,) = server.workspace.ledger.model_calls()
    assert call.body["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("deepseek-r1-distill-llama-70b", "llama"),  # of the family, and reasons
        ("my-endpoint", "llama"),
        ("databricks-deepseek-v3-2", None),
        ("databricks-gpt-oss-20b", None),
        ("databricks-claude-sonnet-4-5", None),
    ],
)
def test_of_any_other_model_nothing_is_left_out(model, family, caplog):
    request = ChatRequest(model=model, messages=(user("Hello"),), reasoning=ReasoningConfig(effort="low"))
    assert without_reasoning(request, profile_of(model, family)) is request
    assert caplog.messages == []
