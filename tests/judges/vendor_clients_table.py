"""Which of the vendors' own clients fail on a Databricks workspace, and at which of its habits: the table, written out.

``python tests/judges/vendor_clients_table.py`` prints the page of the documentation that is made from it.
"""

from __future__ import annotations

from itertools import groupby

EXPECTED: dict[tuple[str, str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("anthropic", "databricks-claude-sonnet-4-5", "text"): ((), ()),
    ("anthropic", "databricks-claude-sonnet-4-5", "stream"): ((), ()),
    ("anthropic", "databricks-claude-sonnet-4-5", "tool round trip with thinking"): ((), ()),
    ("anthropic", "databricks-claude-sonnet-4-5", "structured output"): ((), ()),
    ("anthropic", "databricks-claude-sonnet-4-5", "eager streaming of tool arguments"): (("anth-eager-streaming",), ()),
    ("anthropic", "databricks-claude-sonnet-4-5", "the vendor's web search"): (
        ("anth-server-tools",),
        ("anth-server-tools",),
    ),
    ("ChatAnthropic", "databricks-claude-sonnet-4-5", "text"): ((), ()),
    ("ChatAnthropic", "databricks-claude-sonnet-4-5", "stream"): ((), ()),
    ("ChatAnthropic", "databricks-claude-sonnet-4-5", "tool round trip"): ((), ()),
    ("ChatAnthropic", "databricks-claude-sonnet-4-5", "two calls at once"): ((), ()),
    ("ChatAnthropic", "databricks-claude-sonnet-4-5", "structured output"): ((), ()),
    ("openai, responses", "databricks-gpt-5-4", "text"): ((), ()),
    ("openai, responses", "databricks-gpt-5-4", "stream"): (("resp-sse-id-mismatch",), ()),
    ("openai, responses", "databricks-gpt-5-4", "tool round trip with reasoning"): (
        ("resp-id-64", "resp-output-only-fields"),
        ("resp-id-64", "resp-output-only-fields"),
    ),
    ("openai, responses", "databricks-gpt-5-4", "structured output"): ((), ()),
    ("openai, responses", "databricks-gpt-5-4", "40 tools"): ((), ("tools-cap-32",)),
    ("ChatOpenAI, responses", "databricks-gpt-5-4", "text"): ((), ()),
    ("ChatOpenAI, responses", "databricks-gpt-5-4", "stream"): ((), ()),
    ("ChatOpenAI, responses", "databricks-gpt-5-4", "tool round trip"): (
        ("resp-id-64", "resp-output-only-fields"),
        ("resp-id-64", "resp-output-only-fields"),
    ),
    ("ChatOpenAI, responses", "databricks-gpt-5-4", "two calls at once"): (
        ("resp-id-64", "resp-output-only-fields"),
        ("resp-id-64", "resp-output-only-fields"),
    ),
    ("ChatOpenAI, responses", "databricks-gpt-5-4", "structured output"): ((), ()),
    ("google-genai", "databricks-gemini-3-pro", "text"): ((), ()),
    ("google-genai", "databricks-gemini-3-pro", "stream"): ((), ()),
    ("google-genai", "databricks-gemini-3-pro", "tool round trip with thoughts"): ((), ()),
    ("google-genai", "databricks-gemini-3-pro", "structured output"): ((), ()),
    ("google-genai", "databricks-gemini-3-pro", "tools whose schemas say $schema"): (
        ("schema-gemini",),
        ("schema-gemini",),
    ),
    ("openai, chat-completions", "databricks-gpt-5-4", "text"): ((), ()),
    ("openai, chat-completions", "databricks-gpt-5-4", "stream with usage"): ((), ()),
    ("openai, chat-completions", "databricks-gpt-5-4", "tool round trip"): (
        ("gpt-tools-effort",),
        ("gpt-tools-effort",),
    ),
    ("openai, chat-completions", "databricks-gpt-5-4", "two calls at once"): (
        ("gpt-tools-effort", "split-parallel-tool-results"),
        ("gpt-tools-effort", "split-parallel-tool-results"),
    ),
    ("openai, chat-completions", "databricks-gpt-5-4", "structured output"): ((), ()),
    ("openai, chat-completions", "databricks-claude-sonnet-4-5", "text"): ((), ()),
    ("openai, chat-completions", "databricks-claude-sonnet-4-5", "stream with usage"): ((), ()),
    ("openai, chat-completions", "databricks-claude-sonnet-4-5", "tool round trip"): (
        ("empty-assistant-content",),
        ("empty-assistant-content",),
    ),
    ("openai, chat-completions", "databricks-claude-sonnet-4-5", "two calls at once"): (
        ("empty-assistant-content",),
        ("empty-assistant-content",),
    ),
    ("openai, chat-completions", "databricks-claude-sonnet-4-5", "structured output"): (
        ("claude-structured-output",),
        ("claude-structured-output",),
    ),
    ("openai, chat-completions", "databricks-gemini-3-pro", "text"): (
        ("gemini-list-content", "reasoning-list-content"),
        ("gemini-list-content", "reasoning-list-content"),
    ),
    ("openai, chat-completions", "databricks-gemini-3-pro", "stream with usage"): (
        ("drop-stream-options", "gemini-list-content", "reasoning-list-content"),
        ("drop-stream-options", "gemini-list-content", "reasoning-list-content"),
    ),
    ("openai, chat-completions", "databricks-gemini-3-pro", "tool round trip"): ((), ()),
    ("openai, chat-completions", "databricks-gemini-3-pro", "two calls at once"): ((), ()),
    ("openai, chat-completions", "databricks-gemini-3-pro", "structured output"): (
        ("gemini-list-content", "reasoning-list-content"),
        ("gemini-list-content", "reasoning-list-content"),
    ),
    ("openai, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "text"): ((), ()),
    ("openai, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "stream with usage"): (
        ("drop-stream-options",),
        ("drop-stream-options",),
    ),
    ("openai, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "tool round trip"): ((), ()),
    ("openai, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "two calls at once"): (
        ("split-parallel-tool-results",),
        ("split-parallel-tool-results",),
    ),
    ("openai, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "structured output"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-gpt-5-4", "text"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-gpt-5-4", "stream"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-gpt-5-4", "tool round trip"): (
        ("gpt-tools-effort",),
        ("gpt-tools-effort",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-gpt-5-4", "two calls at once"): (
        ("gpt-tools-effort", "split-parallel-tool-results"),
        ("gpt-tools-effort", "split-parallel-tool-results"),
    ),
    ("ChatOpenAI, chat-completions", "databricks-gpt-5-4", "structured output"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-claude-sonnet-4-5", "text"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-claude-sonnet-4-5", "stream"): (
        ("usage-last-wins",),
        ("usage-last-wins",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-claude-sonnet-4-5", "tool round trip"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-claude-sonnet-4-5", "two calls at once"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-claude-sonnet-4-5", "structured output"): (
        ("claude-structured-output",),
        ("claude-structured-output",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-gemini-3-pro", "text"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-gemini-3-pro", "stream"): (
        ("drop-stream-options",),
        ("drop-stream-options",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-gemini-3-pro", "tool round trip"): (
        ("gemini-signature",),
        ("gemini-signature",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-gemini-3-pro", "two calls at once"): (
        ("gemini-signature",),
        ("gemini-signature",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-gemini-3-pro", "structured output"): (
        ("gemini-list-content", "reasoning-list-content"),
        ("gemini-list-content", "reasoning-list-content"),
    ),
    ("ChatOpenAI, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "text"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "stream"): (
        ("drop-stream-options",),
        ("drop-stream-options",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "tool round trip"): ((), ()),
    ("ChatOpenAI, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "two calls at once"): (
        ("split-parallel-tool-results",),
        ("split-parallel-tool-results",),
    ),
    ("ChatOpenAI, chat-completions", "databricks-meta-llama-3-3-70b-instruct", "structured output"): ((), ()),
}
"""For each client, model and use: the rules it runs into on the gateway and on model serving, one after the other.

A use is only there with its rules out of the way; with none it works as it is.
"""

_PAGE = """\
# The vendors' own clients on a Databricks workspace

What happens when you point a vendor's own client, unchanged, at a workspace. Each was run against the simulated
workspace, which has every refusal and oddity for which there is a source. *works* means that the answer was right; a
name is the habit of the workspace at which the client fails, and under which `dbx-gateway` deals with it. Several names
are met one after the other: with the first out of the way, the next one follows. In the plain mode of the simulated
workspace, which serves the pure formats, all of these work.

A test runs every cell, and another compares this page with the table it is made from.
"""


def page() -> str:
    """Return the page of the documentation."""
    sections = [_PAGE]
    for (client, model), rows in groupby(EXPECTED.items(), key=lambda row: row[0][:2]):
        lines = [f"## {client}: `{model}`", "", "| use | ai-gateway | model-serving |", "|---|---|---|"]
        lines += [f"| {what} | {_cell(gateway)} | {_cell(serving)} |" for (_, _, what), (gateway, serving) in rows]
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def _cell(rules: tuple[str, ...]) -> str:
    return ", then ".join(f"`{rule}`" for rule in rules) if rules else "works"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # a page is printed to be kept
