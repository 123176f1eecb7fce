"""Which tests belong to the quick part: all but those marked slow or thorough, and those of the files named here."""

from __future__ import annotations

from pathlib import Path

__all__ = ["TESTS", "THOROUGH", "is_program", "is_quick", "is_thorough"]

TESTS = Path(__file__).resolve().parents[1]

THOROUGH = {
    "command_line/test_output.py": "starts programs",
    "docs/test_recipes.py": "follows each recipe once for each of its steps",
    "end_to_end/test_bodies_judged.py": "long conversations with every family",
    "end_to_end/test_programs.py": "starts programs",
    "fuzz": "many examples",
    "judges": "the vendors' clients",
    "langchain/test_agents.py": "long conversations with every family",
    "langchain/test_import.py": "starts programs",
    "langchain/test_standard_integration.py": "the same calls once more, as LangChain asks for them",
    "lifecycles": "starts programs, and opens streams by the hundred",
    "llama_index/test_agents.py": "long conversations with every family",
    "llama_index/test_import.py": "starts programs",
    "llama_index/test_programs.py": "long conversations with every family",
    "llama_index/test_rag.py": "long conversations with every family",
    "load": "starts programs under load",
    "many_users": "users by the hundred, and many examples",
    "notebooks": "starts notebooks",
    "platforms": "starts programs",
    "programs": "other packages, which the gate does not install",
    "saved_objects/test_import_paths.py": "starts programs",
    "secrets/test_other_origins.py": "each kind of redirect through each front end",
    "secrets/test_secrets_in_logs.py": "each logger through each front end",
    "simulated_workspace/test_native_laws.py": "many examples",
    "simulated_workspace/test_workspace_fuzz.py": "many examples",
    "simulated_workspace/test_workspace_package.py": "starts programs",
}
"""Folders and files of tests that the quick part leaves out, with what takes their time."""


def is_thorough(path: Path) -> bool:
    """Whether a file or folder of tests is left out of the quick part."""
    place = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return any(place == name or place.startswith(f"{name}/") for name in THOROUGH)


def is_program(path: Path) -> bool:
    """Whether a file or folder of tests runs programs of other packages, in the environment of the step ``programs``."""
    return path.is_relative_to(TESTS / "programs")


def is_quick(path: Path, marks: set[str]) -> bool:
    """Whether a test of a file, with these marks, belongs to the quick part."""
    return not is_thorough(path) and not marks & {"slow", "thorough"}
