"""The LangChain notebook runs from top to bottom in a kernel, and says what it should."""

from __future__ import annotations

from ast import literal_eval

import pytest
from support.notebook_run import executed, kept, made, told

from dbx_gateway.testing import Workspace, serve

NAME = "langchain"


@pytest.fixture(scope="module")
def outputs():
    """What the notebook puts out where nothing is configured: it brings its own workspace."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
            environment.delenv(name, raising=False)
        return told(executed(NAME))


def test_the_ipynb_is_the_percent_file():
    ours, theirs = made(NAME), kept(NAME)

    assert [(cell.cell_type, cell.source, cell.metadata) for cell in theirs.cells] == [
        (cell.cell_type, cell.source, cell.metadata) for cell in ours.cells
    ]
    assert [cell.outputs for cell in theirs.cells if cell.cell_type == "code" and cell.outputs] == []
    assert theirs.metadata.kernelspec == ours.metadata.kernelspec


def test_the_sections_come_in_the_order_of_langchains_documentation():
    lines = [line for cell in made(NAME).cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]

    assert [line for line in lines if line.startswith(("# ", "## "))] == [
        "# ChatDbxGateway",
        "## Overview",
        "## Setup",
        "## Instantiation",
        "## Invocation",
        "## Chaining",
        "## Tool calling",
        "## Structured output",
        "## Reasoning",
        "## Images",
        "## Token usage",
        "## Agents",
        "## Embeddings",
        "## API reference",
    ]


def test_an_answer_and_where_it_came_from(outputs):
    invoked, metadata = outputs["Invocation"]

    assert invoked == "You said: I love programming.\n"
    assert metadata == (
        "{'model_name': 'databricks-claude-sonnet-4-5',\n 'model_provider': 'databricks',\n 'surface': 'ai-gateway',\n"
        " 'api': 'messages',\n 'finish_reason': 'stop'}"
    )


def test_the_context_window_of_the_model(outputs):
    assert outputs["Instantiation"] == ["200000"]


def test_streamed_text_is_the_text_in_pieces(outputs):
    (streamed,) = outputs["Streaming"]

    assert streamed.count("|") > 3
    assert streamed.replace("|", "") == "You said: I love programming.\n"


def test_async_calls_in_cells_whose_loop_is_running(outputs):
    batch, streamed = outputs["Async"]

    assert batch == "You said: Say one\nYou said: Say two\n"
    assert streamed.replace("|", "") == "You said: Count to three\n"


def test_a_chain(outputs):
    assert outputs["Chaining"] == ["You said: I love programming.\n"]


def test_two_tool_calls_and_their_results(outputs):
    called, answered = outputs["Tool calling"]

    assert called == "get_weather {'city': 'Paris'}\nadd {'a': 2, 'b': 3}\n"
    assert answered == "The tools answered: It is sunny in Paris.; 5\n"


def test_a_structured_answer(outputs):
    (joke,) = outputs["Structured output"]

    assert joke.startswith("Joke(setup=")
    assert "rating=7" in joke


def test_reasoning_in_blocks_of_its_own(outputs):
    (thought,) = outputs["Reasoning"]

    assert thought == (
        "reasoning: The user wants an answer to: What is 17 times 23?\ntext: You said: What is 17 times 23?\n"
    )


def test_an_image_is_taken(outputs):
    assert outputs["Images"][-1] == "You said: What colour is this?\n"


def test_usage_of_one_call_and_of_several(outputs):
    one, several = outputs["Token usage"]

    assert literal_eval(one)["total_tokens"] == 18
    assert {model: usage["total_tokens"] for model, usage in literal_eval(several).items()} == {
        "databricks-claude-sonnet-4-5": 4 + 8
    }


def test_an_agent_with_a_structured_response(outputs):
    first, second = outputs["Agents"]

    assert first.startswith("Report(summary=")
    assert "Report(summary=" in second


def test_the_text_that_is_nearest(outputs):
    found, tokens = outputs["Embeddings"]

    assert found == "Tables hold rows.\n"
    assert tokens == "4"


def test_a_workspace_that_is_configured_is_the_one_that_is_asked(monkeypatch):
    workspace = Workspace()
    with serve(workspace) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
        notebook = executed(NAME)

    calls = workspace.ledger.model_calls()
    assert {call.status for call in calls} == {200}
    assert {call.model for call in calls} == {"databricks-claude-sonnet-4-5", "databricks-gte-large-en"}
    assert len(calls) > 15
    assert told(notebook)["Invocation"][0] == "You said: I love programming.\n"
