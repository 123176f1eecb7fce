"""The LlamaIndex notebook runs from top to bottom in a kernel, and says what it should."""

from __future__ import annotations

import pytest
from support.notebook_run import executed, kept, made, told

from dbx_gateway.testing import Workspace, serve

NAME = "llama_index"


@pytest.fixture(scope="module")
def outputs():
    """What the notebook puts out where nothing is configured: it brings its own workspace."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
            environment.delenv(name, raising=False)
        return told(executed(NAME))


def test_the_llama_index_ipynb_is_the_percent_file():
    ours, theirs = made(NAME), kept(NAME)

    assert [(cell.cell_type, cell.source, cell.metadata) for cell in theirs.cells] == [
        (cell.cell_type, cell.source, cell.metadata) for cell in ours.cells
    ]
    assert [cell.outputs for cell in theirs.cells if cell.cell_type == "code" and cell.outputs] == []
    assert theirs.metadata.kernelspec == ours.metadata.kernelspec


def test_the_llama_index_notebook_has_a_section_for_each_thing_it_shows():
    lines = [line for cell in made(NAME).cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]

    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == [
        "Setup",
        "Complete",
        "Chat",
        "Streaming",
        "Async",
        "Tools",
        "Structured prediction",
        "Reasoning",
        "Images",
        "Token usage",
        "FunctionAgent",
        "AgentWorkflow: two families in one conversation",
        "RAG",
        "API reference",
    ]


def test_what_is_known_of_the_model(outputs):
    assert outputs["A model"] == ["200000 True\n"]


def test_a_completion_and_a_chat(outputs):
    assert outputs["Complete"] == ["You said: A lakehouse is\n"]
    assert outputs["Chat"] == ["You said: I love programming.\n", "ai-gateway messages stop\n"]


def test_streams_in_pieces_that_add_up(outputs):
    chat, completion = outputs["Streaming"]

    assert chat.count("|") > 3
    assert chat.replace("|", "") == "You said: I love programming.\n"
    assert completion.replace("|", "") == "You said: A lakehouse is\n"


def test_awaited_calls_in_cells_whose_loop_is_running(outputs):
    answers, streamed = outputs["Async"]

    assert answers == "You said: Say one\nYou said: Say two\n"
    assert streamed.replace("|", "") == "You said: I love programming.\n"


def test_tool_calls_and_one_that_is_run(outputs):
    calls, called = outputs["Tools"]

    assert calls == "get_weather {'city': 'Paris'}\nadd {'a': 2, 'b': 3}\n"
    assert called == "9\n"


def test_objects_whole_streamed_and_from_a_structured_llm(outputs):
    whole, streamed, structured = outputs["Structured prediction"]

    assert whole == streamed == "City(name='Osaka', people=19)\n"
    assert structured == "City(name='Lima', people=10)\n"


def test_thoughts_in_a_block_of_their_own(outputs):
    assert outputs["Reasoning"] == [
        "thinking: The user wants an answer to: What is 17 times 23?\ntext: You said: What is 17 times 23?\n"
    ]


def test_a_picture_is_looked_at(outputs):
    assert outputs["Images"] == ["You said: What colour is this?\n"]


def test_usage_of_one_call_and_as_it_is_counted(outputs):
    one, several = outputs["Token usage"]

    assert "'prompt_tokens': 1" in one
    assert int(several) > 0


def test_a_function_agent_calls_one_tool_after_the_other(outputs):
    (told_by_agent,) = outputs["FunctionAgent"]

    assert told_by_agent.splitlines()[:2] == [
        "get_weather {'city': 'Oslo'} It is sunny in Oslo.",
        "add {'a': 4, 'b': 5} 9",
    ]
    assert told_by_agent.splitlines()[2] == "The tools answered: 9"


def test_a_workflow_of_two_families(outputs):
    assert outputs["AgentWorkflow: two families in one conversation"] == ["calculator: The tools answered: 42\n"]


def test_an_answer_from_what_was_found(outputs):
    nearest, answer, chat = outputs["RAG"]

    assert nearest == "Tables hold rows and columns.\n"
    assert "Tables hold rows and columns." in answer
    assert "Cats" not in answer
    assert chat.replace("|", "").endswith("What do tables hold?\n2\n")


def test_the_llama_index_notebook_asks_the_workspace_that_is_configured(monkeypatch):
    workspace = Workspace()
    with serve(workspace) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
        notebook = executed(NAME)

    calls = workspace.ledger.model_calls()
    assert {call.status for call in calls} == {200}
    assert {call.model for call in calls} == {
        "databricks-claude-sonnet-4-5",
        "databricks-gpt-5-2",
        "databricks-gemini-3-pro",
        "databricks-gte-large-en",
    }
    assert len(calls) > 25
    assert told(notebook)["Complete"] == ["You said: A lakehouse is\n"]
