"""Each module has a file of tests that bears its name, or stands in a row that names the tests which cover it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from support.parts import TESTS

ROOT = TESTS.parent
PACKAGES = ("shared/dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway")

OTHERWISE = {
    # types, names and facts
    "dbx_gateway/call/caller": ("core/test_observations.py",),
    "dbx_gateway/chat": ("core/test_events.py", "core/test_checks.py"),
    "dbx_gateway/connection": ("core/test_client_fields.py", "saved_objects/test_saved_objects.py"),
    "dbx_gateway/dialects/dialect": ("core/test_reading.py",),
    "dbx_gateway/models/profile": ("core/test_profiles.py",),
    "dbx_gateway/models/profile_rows": ("core/test_profiles.py",),
    "dbx_gateway/surfaces": ("core/test_names.py",),
    "dbx_gateway/version": ("core/test_user_agent.py",),
    # what only a call has, from end to end
    "dbx_gateway/call/actions": ("end_to_end/test_shared_questions.py", "end_to_end/test_streams.py"),
    "dbx_gateway/call/drivers": ("end_to_end/test_streams.py", "faults/test_catalogue.py"),
    "dbx_gateway/call/flow": ("end_to_end/test_retries_end_to_end.py", "end_to_end/test_repairs_end_to_end.py"),
    "dbx_gateway/call/planning": ("end_to_end/test_route_candidates.py", "end_to_end/test_surface_choice.py"),
    "dbx_gateway/client": ("end_to_end/test_one_client_everywhere.py", "end_to_end/test_streams.py"),
    "dbx_gateway/transport/log_masks": ("secrets/test_secrets_in_logs.py",),
    # parts of a prompt's writer or of an answer's reader
    "dbx_gateway/dialects/*/dialect": ("core/test_tool_choices_and_formats.py", "dialects/*/test_prompt.py"),
    "dbx_gateway/dialects/*/thinking": ("dialects/*/test_prompt.py",),
    "dbx_gateway/dialects/chat_completions/agent": ("end_to_end/test_agent_endpoints.py",),
    "dbx_gateway/dialects/chat_completions/choice": ("dialects/chat_completions/test_answer.py",),
    "dbx_gateway/dialects/chat_completions/content": ("dialects/chat_completions/test_answer.py",),
    "dbx_gateway/dialects/chat_completions/tools": ("dialects/chat_completions/test_prompt.py",),
    "dbx_gateway/dialects/generate_content/candidate": ("dialects/generate_content/test_answer.py",),
    "dbx_gateway/dialects/responses/fields": ("dialects/responses/test_answer.py",),
    "dbx_gateway/dialects/responses/items": ("dialects/responses/test_answer.py",),
    # a quirk is tested by its kind, and all of them in one table
    "dbx_gateway/quirks/*": ("quirks/test_load_bearing.py", "quirks/test_*_quirks.py", "quirks/test_schema_*.py"),
    # the chain of schema rewriting is tested as one
    "dbx_gateway/schemas/chain": ("core/test_schema_chain.py",),
    "dbx_gateway/schemas/drafts": ("core/test_schema_chain.py",),
    "dbx_gateway/schemas/limits": ("quirks/test_guard_quirks.py", "quirks/test_load_bearing.py"),
    "dbx_gateway/schemas/roots": ("core/test_schema_chain.py",),
    "dbx_gateway/schemas/strict": ("core/test_schema_chain.py",),
    "dbx_gateway/call/translation": ("core/test_property_names.py",),
    # commands
    "dbx_gateway/cli/check": ("end_to_end/test_command_line.py", "command_line/test_failing_commands.py"),
    "dbx_gateway/cli/front_ends": ("end_to_end/test_command_line.py",),
    "dbx_gateway/cli/main": ("end_to_end/test_command_line.py", "command_line/test_failing_commands.py"),
    "dbx_gateway/cli/provocations": ("command_line/test_quirk_check.py",),
    # the simulated workspace is tested by what it answers
    "dbx_gateway/testing/apis/*": (
        "simulated_workspace/test_workspace_chat.py",
        "simulated_workspace/test_native_*.py",
    ),
    "dbx_gateway/testing/faults/odd_answers": ("end_to_end/test_odd_workspace.py",),
    "dbx_gateway/testing/faults/refusals": ("refusals/test_page.py",),
    "dbx_gateway/testing/faults/rates": ("simulated_workspace/test_workspace_fault_rates.py",),
    "dbx_gateway/testing/fixtures": ("simulated_workspace/test_workspace_package.py",),
    "dbx_gateway/testing/in_process": ("simulated_workspace/test_workspace_faults.py",),
    "dbx_gateway/testing/json_values": ("simulated_workspace/test_native_*.py",),
    "dbx_gateway/testing/model/*": (
        "simulated_workspace/test_workspace_values.py",
        "simulated_workspace/test_native_*.py",
    ),
    "dbx_gateway/testing/service/*": (
        "simulated_workspace/test_workspace_auth.py",
        "simulated_workspace/test_workspace_discovery.py",
        "simulated_workspace/test_workspace_endpoints.py",
    ),
    "dbx_gateway/testing/workspace": ("simulated_workspace/test_workspace_*.py",),
    # LangChain
    "langchain_dbx_gateway/answers": ("langchain/test_messages.py", "langchain/test_laws.py"),
    "langchain_dbx_gateway/blocks": ("langchain/test_messages.py", "langchain/test_bad_input.py"),
    "langchain_dbx_gateway/call_arguments": ("langchain/test_options.py", "langchain/test_forms.py"),
    "langchain_dbx_gateway/chat_models": (
        "langchain/test_features.py",
        "langchain/test_options.py",
    ),
    "langchain_dbx_gateway/chunks": ("langchain/test_streams.py", "langchain/test_laws.py"),
    "langchain_dbx_gateway/message_events": ("langchain/test_streams.py", "langchain/test_laws.py"),
    "langchain_dbx_gateway/result_blocks": ("langchain/test_messages.py",),
    "langchain_dbx_gateway/middleware": ("langchain/test_caching.py", "langchain/test_history.py"),
    # LlamaIndex
    "llama_index_dbx_gateway/answers": ("llama_index/test_messages.py",),
    "llama_index_dbx_gateway/gateway_fields": ("llama_index/test_settings.py",),
    "llama_index_dbx_gateway/llm": ("llama_index/test_eight_methods.py",),
    "llama_index_dbx_gateway/streaming": ("llama_index/test_eight_methods.py",),
}
"""Modules without a file of their own, and the files that test them; of two rows that fit, the longer one counts."""

FILES = frozenset(path.relative_to(TESTS).with_suffix("").as_posix() for path in TESTS.rglob("test_*.py"))

OF_THE_CORE = tuple(
    path.name
    for path in TESTS.iterdir()
    if path.is_dir() and path.name not in ("dialects", "docs", "gate", "langchain", "llama_index")
)
"""Folders of tests in which a module of the core may have its file."""


def modules() -> dict[str, set[str]]:
    """Every module by its path from the package, and the files of tests that it may have."""
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        folder = ROOT / package
        for path in sorted(folder.rglob("*.py")):
            if path.stem != "__init__":
                place = path.relative_to(folder.parent).with_suffix("")
                found[place.as_posix()] = names(place)
    return found


def names(place: Path) -> set[str]:
    """The files of tests that a module may have, so that no two modules can share one."""
    match place.parts:
        case ("dbx_gateway", "testing", *rooms):
            return {
                f"simulated_workspace/test_workspace_{'_'.join(rooms)}",
                f"simulated_workspace/test_workspace_{rooms[-1]}",
            }
        case ("dbx_gateway", "dialects", api, module):
            return {f"dialects/{api}/test_{module}"}
        case ("dbx_gateway", *_, module):
            return {f"{folder}/test_{module}" for folder in OF_THE_CORE}
        case (adapter, *_, module):
            return {f"{adapter.removesuffix('_dbx_gateway')}/test_{module}"}
    raise AssertionError(place)


def row_of(module: str) -> str | None:
    """The row that speaks of a module."""
    return max((row for row in OTHERWISE if fnmatchcase(module, row)), key=len, default=None)


@pytest.mark.parametrize("module", modules())
def test_a_module_has_a_file_of_tests_or_a_row(module):
    assert modules()[module] & FILES or row_of(module), f"no tests/**/{min(modules()[module])}.py"


@pytest.mark.parametrize("row", OTHERWISE)
def test_a_row_is_needed_and_names_tests_that_are_there(row):
    speaks_of = [module for module, names in modules().items() if not names & FILES and row_of(module) == row]
    assert speaks_of != []
    for tests in OTHERWISE[row]:
        assert list(TESTS.glob(tests)) != [], tests
