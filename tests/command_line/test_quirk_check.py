"""``dbx-gateway check --quirks`` tells the quirks that a workspace needs from those that it does not."""

import json

import httpx
import pytest

from dbx_gateway.call.observations import shared_observations
from dbx_gateway.chat import ChatResponse, Finish, ToolCall, Usage, assistant
from dbx_gateway.cli import main
from dbx_gateway.cli.check import Target
from dbx_gateway.cli.provocations import PROVOCATIONS
from dbx_gateway.cli.quirk_check import quirk_rows
from dbx_gateway.quirks.catalogue import QUIRKS, quirk_named
from dbx_gateway.testing import Fault, Workspace, serve, workspace_transport
from dbx_gateway.transport.sending import new_client

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-4"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
QWEN = "databricks-qwen35-122b-a10b"
GEMINI = "databricks-gemini-2-5-flash"
CODEX = "databricks-gpt-5-3-codex"
GEMMA = "databricks-gemma-3-12b"

SHOWN_BY = {
    "empty-parts": (CLAUDE, "chat-completions"),
    "empty-assistant-content": (CLAUDE, "chat-completions"),
    "empty-tool-result": (CLAUDE, "chat-completions"),
    "bare-assistant": (CLAUDE, "chat-completions"),
    "merge-system": (QWEN, "chat-completions"),
    "split-parallel-tool-results": (LLAMA, "chat-completions"),
    "merge-turns": (LLAMA, "chat-completions"),
    "drop-name": (LLAMA, "chat-completions"),
    "tools-with-response-format": (LLAMA, "chat-completions"),
    "claude-structured-output": (CLAUDE, "chat-completions"),
    "stream-response-format": (LLAMA, "chat-completions"),
    "drop-stream-options": (LLAMA, "chat-completions"),
    "drop-parallel-tool-calls": (GPT, "chat-completions"),
    "drop-openai-bookkeeping": (GPT, "chat-completions"),
    "no-penalties-seed": (CLAUDE, "chat-completions"),
    "strip-strict": (LLAMA, "chat-completions"),
    "anth-eager-streaming": (CLAUDE, "messages"),
    "params-required": (LLAMA, "chat-completions"),
    "schema-object-root": (GPT, "responses"),
    "schema-gemini": (GEMINI, "chat-completions"),
    "resp-output-only-fields": (GPT, "responses"),
    "resp-id-64": (GPT, "chat-completions"),
    "user-first": (CLAUDE, "messages"),
    "schema-open-models": (LLAMA, "chat-completions"),
    "tool-choice-required": (QWEN, "chat-completions"),
    "gpt-tools-effort": (GPT, "chat-completions"),
    "max-tokens-name": (GPT, "chat-completions"),
    "oss-output-cap": (LLAMA, "chat-completions"),
    "claude-empty-args-delta": (CLAUDE, "chat-completions"),
    "claude-usage-exclusive": (CLAUDE, "chat-completions"),
    "schema-limits": (GPT, "responses"),
    "tools-cap-32": (LLAMA, "chat-completions"),
    "anth-server-tools": (CLAUDE, "messages"),
    "anth-media-url": (CLAUDE, "messages"),
}
"""For each quirk, a model and an api that show it."""

MODELS = tuple(dict.fromkeys(model for model, _ in SHOWN_BY.values()))


def surface_of(name):
    return min(quirk_named(name).surfaces)


def rows_over_a_socket(workspace, models, surfaces=("ai-gateway", "model-serving")):
    problems = []
    with serve(workspace) as server, new_client() as client:
        fields = {"host": server.url, "token": workspace.token}
        targets = [Target(model, surface, fields) for model in models for surface in surfaces]
        rows = {(row.quirk, row.model, row.surface, row.api): row for row in quirk_rows(targets, client, problems)}
    assert problems == []
    return rows


def rows_in_process(handler, model, surface="ai-gateway", problems=None, **fields):
    """The rows for one model, from a workspace without a socket or whatever else answers."""
    transport = workspace_transport(handler) if isinstance(handler, Workspace) else httpx.MockTransport(handler)
    where = {"host": "https://workspace.example.com", "token": "dapi-simulated", **fields}
    with httpx.Client(transport=transport) as client:
        yield from quirk_rows([Target(model, surface, where)], client, [] if problems is None else problems)


@pytest.fixture(scope="module")
def strict():
    return rows_over_a_socket(Workspace(), MODELS)


@pytest.fixture(scope="module")
def lenient():
    return rows_over_a_socket(Workspace(without=[quirk.name for quirk in QUIRKS]), MODELS)


def test_every_quirk_has_a_provocation_and_a_model_that_shows_it():
    names = [quirk.name for quirk in QUIRKS]
    assert sorted(PROVOCATIONS) == sorted(SHOWN_BY) == sorted(names)


@pytest.mark.parametrize("name", SHOWN_BY)
def test_a_quirk_is_needed_where_the_workspace_has_its_rule(strict, name):
    model, api = SHOWN_BY[name]
    for surface in quirk_named(name).surfaces:
        assert strict[name, model, surface, api].verdict == "needed"


@pytest.mark.parametrize("name", SHOWN_BY)
def test_a_quirk_is_not_needed_where_the_workspace_has_no_such_rules(lenient, name):
    model, api = SHOWN_BY[name]
    for surface in quirk_named(name).surfaces:
        assert lenient[name, model, surface, api].verdict == "not needed"


@pytest.mark.parametrize("name", SHOWN_BY)
def test_a_quirk_is_not_needed_where_the_workspace_lacks_its_rule_only(name):
    model, api = SHOWN_BY[name]
    rows = rows_in_process(Workspace(without=[name]), model, surface_of(name))
    assert next(row.verdict for row in rows if (row.quirk, row.api) == (name, api)) == "not needed"


def test_there_is_a_row_for_each_quirk_that_applies_on_each_api_of_the_model(strict):
    def asked(model, surface, api):
        return {row[0] for row in strict if row[1:] == (model, surface, api)}

    assert asked(CLAUDE, "ai-gateway", "messages") == {
        "empty-parts",
        "anth-eager-streaming",
        "user-first",
        "schema-limits",
        "anth-server-tools",
        "anth-media-url",
    }
    assert asked(CLAUDE, "model-serving", "messages") == {
        "empty-parts",
        "user-first",
        "schema-limits",
        "anth-server-tools",
        "anth-media-url",
    }
    assert asked(LLAMA, "ai-gateway", "responses") == set()
    assert asked(LLAMA, "ai-gateway", "chat-completions") == {
        quirk.name
        for quirk in QUIRKS
        if "llama" in quirk.families and "chat-completions" in quirk.apis and "ai-gateway" in quirk.surfaces
    }


def test_a_model_that_is_served_on_responses_only_is_asked_there_only():
    apis = {row.api for row in rows_in_process(Workspace(), CODEX)}
    assert apis == {"responses"}


def test_one_api_is_asked_where_one_was_named():
    apis = {row.api for row in rows_in_process(Workspace(), CLAUDE, api="messages")}
    assert apis == {"messages"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("claude-structured-output", "response_format: Extra inputs are not permitted"),
        # The client's general repair would have hidden these refusals.
        ("no-penalties-seed", "seed: Extra inputs are not permitted"),
        ("drop-parallel-tool-calls", "parallel_tool_calls: Extra inputs are not permitted"),
    ],
)
def test_the_reason_that_a_quirk_is_needed_is_in_the_words_of_the_server(strict, name, words):
    assert strict[name, CLAUDE, "ai-gateway", "chat-completions"].reason == words


def test_the_reason_is_the_refusal_of_the_quirk_and_not_one_that_comes_before_it(strict):
    # This model is refused its max_tokens first, whatever else is asked.
    assert strict["drop-name", GPT, "ai-gateway", "chat-completions"].reason == 'json: unknown field "messages.0.name"'
    reason = strict["gpt-tools-effort", GPT, "ai-gateway", "chat-completions"].reason
    assert reason.startswith("Function tools with reasoning_effort are not supported for gpt-5-4")


def test_ids_that_are_too_long_are_found_out_on_responses_too(strict):
    assert strict["resp-id-64", GPT, "model-serving", "responses"].verdict == "needed"


def test_the_reason_that_a_quirk_of_the_answer_is_needed_is_both_readings(strict):
    assert strict["claude-usage-exclusive", CLAUDE, "ai-gateway", "chat-completions"].reason == (
        "with the quirk off, the prompt's tokens leave out the cached ones; "
        "with it on, the prompt's tokens include the cached ones"
    )


def test_nothing_that_a_question_learned_is_left_behind():
    list(rows_in_process(Workspace(), GPT))
    url = "https://workspace.example.com/ai-gateway/mlflow/v1/chat/completions"
    assert shared_observations().repairs(url, GPT) == ()


def test_metadata_of_an_endpoint_is_looked_up_once():
    workspace = Workspace()
    rows = list(rows_in_process(workspace, "team-chat", "model-serving"))
    assert {row.api for row in rows} == {"messages", "chat-completions"}
    assert sum(entry.method == "GET" for entry in workspace.ledger.entries()) == 1


def test_a_quirk_about_tools_is_unclear_for_a_model_that_takes_none():
    workspace = Workspace()
    row = next(row for row in rows_in_process(workspace, GEMMA) if row.quirk == "strip-strict")
    assert (row.verdict, row.answered) == ("unclear", False)
    assert row.reason == f"not sent: {GEMMA}: it writes tool calls as raw text"


def test_a_quirk_is_unclear_where_the_server_refuses_with_and_without():
    def refuse(request):
        return httpx.Response(400, json={"error_code": "BAD_REQUEST", "message": "closed today"})

    rows = list(rows_in_process(refuse, LLAMA, "model-serving"))
    assert {row.verdict for row in rows} == {"unclear"}
    assert {row.reason for row in rows} == {"refused with the quirk on as well: closed today"}
    assert "tools-cap-32" in {row.quirk for row in rows}


def test_a_quirk_is_unclear_where_the_server_fails():
    workspace = Workspace()
    workspace.inject(Fault(status=429, error_code="REQUEST_LIMIT_EXCEEDED"), times=None)
    row = next(rows_in_process(workspace, CLAUDE, max_retries=0))
    assert (row.verdict, row.answered) == ("unclear", False)
    assert row.reason.startswith("RateLimitError: ")


def test_a_model_that_is_not_there_is_asked_for_once_by_each_api():
    workspace = Workspace()
    rows = list(rows_in_process(workspace, "databricks-claude-9"))
    assert {row.verdict for row in rows} == {"unclear"}
    assert len(rows) > 10
    assert [entry.status for entry in workspace.ledger.entries()] == [404, 404]


def test_an_answer_that_ignores_the_schema_does_not_show_that_a_quirk_is_not_needed():
    lacks = PROVOCATIONS["claude-structured-output"].lacks
    assert lacks(said("5")) == "accepted, but the answer does not follow the schema"
    assert lacks(said("The sum is 5.")) == "accepted, but the answer is no JSON"
    assert lacks(said('{"sum":5}')) is None


def test_an_answer_without_a_call_does_not_show_that_a_call_can_be_forced():
    lacks = PROVOCATIONS["tool-choice-required"].lacks
    assert lacks(said("5")) == "accepted, but the model called no tool"
    assert lacks(said(ToolCall(call_id="1", name="add", arguments='{"x":2,"y":3}'))) is None


def test_an_answer_without_a_call_or_a_cached_prompt_shows_nothing_of_the_quirks_of_answers():
    for name in ("claude-empty-args-delta", "claude-usage-exclusive"):
        assert PROVOCATIONS[name].readings(said("5"), said("5")) is None


def said(*content):
    return ChatResponse(message=assistant(*content), finish=Finish(reason="stop"), usage=Usage(input=9))


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_prints_one_object_and_ends_well_whatever_it_finds(signed_in, capsys):
    status = main(["check", "--quirks", "--json", "--surface", "ai-gateway", "--api", "messages", CLAUDE])
    printed = json.loads(capsys.readouterr().out)
    assert status == 0
    assert printed["problems"] == []
    assert [row["quirk"] for row in printed["rows"]] == [
        "empty-parts",
        "anth-eager-streaming",
        "user-first",
        "schema-limits",
        "anth-server-tools",
        "anth-media-url",
    ]
    assert printed["rows"][1] == {
        "quirk": "anth-eager-streaming",
        "model": CLAUDE,
        "surface": "ai-gateway",
        "api": "messages",
        "verdict": "needed",
        "reason": "tools.0.eager_input_streaming: Extra inputs are not permitted",
    }


def test_the_command_says_that_calls_cost_tokens_and_counts_its_verdicts(signed_in, capsys):
    assert main(["check", "--quirks", "--surface", "ai-gateway", "--api", "messages", CLAUDE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Each row is one or two calls with short answers; they cost tokens."
    assert lines[-1] == "6 needed"


def test_the_command_does_not_warn_about_options_that_only_it_has_set(signed_in, caplog, capsys):
    assert main(["check", "--quirks", "--json", "--surface", "ai-gateway", LLAMA]) == 0
    assert (caplog.records, capsys.readouterr().err) == ([], "")


def test_the_command_fails_where_nothing_could_be_asked(signed_in, monkeypatch, capsys):
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-somebody-else")
    assert main(["check", "--quirks", "--json", CLAUDE]) == 1
    assert {row["verdict"] for row in json.loads(capsys.readouterr().out)["rows"]} == {"unclear"}


def test_the_command_fails_where_a_target_has_no_route_and_says_why(signed_in, capsys):
    assert main(["check", "--quirks", "--json", "apps/mine"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == []
    assert printed["problems"][0].startswith("apps/mine on model-serving: 'apps/mine' is a Databricks App")


def test_the_command_says_so_where_no_quirk_applies(signed_in, capsys):
    assert main(["check", "--quirks", "--json", "--surface", "model-serving", "databricks-bge-large-en"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "rows": [],
        "problems": ["databricks-bge-large-en on model-serving: no quirk applies to embeddings models there"],
    }


def test_the_command_refuses_to_be_given_front_ends(signed_in, capsys):
    assert main(["check", "--quirks", "--front-end", "langchain", CLAUDE]) == 1
    assert "leave --front-end out" in capsys.readouterr().err


def test_the_command_records_both_sides_of_each_question(signed_in, workspace, tmp_path, capsys):
    arguments = ["check", "--quirks", "--json", "--surface", "ai-gateway", "--api", "messages", CLAUDE]
    assert main([*arguments, "--record", str(tmp_path / "said")]) == 0
    records = [json.loads(file.read_text("utf-8")) for file in sorted((tmp_path / "said").iterdir())]
    assert [record["status"] for record in records] == [*[400, 200] * 2, 400, *[400, 200] * 4]
    assert records[2]["request"]["tools"][0]["eager_input_streaming"] is True
    assert records[2]["answer"]["error"]["message"] == "tools.0.eager_input_streaming: Extra inputs are not permitted"
    assert workspace.token not in json.dumps(records)
