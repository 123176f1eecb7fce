"""Each module has a file of tests that bears its name, or stands in a row that names the tests which cover it."""

from __future__ import annotations

from support.parts import TESTS

ROOT = TESTS.parent
CORE = ROOT / "shared" / "dbx_gateway"
ADAPTERS = {"langchain": ROOT / "langchain_dbx_gateway", "llama_index": ROOT / "llama_index_dbx_gateway"}

OTHERWISE = {
    # what holds names or facts only
    "connection": ("core/test_client_fields.py", "saved_objects/test_import_paths.py"),
    "observations": ("core/test_observations.py", "saved_objects/test_import_paths.py"),
    "profiles": ("core/test_profiles.py", "saved_objects/test_saved_objects.py"),
    "chat": ("core/test_events.py", "core/test_checks.py"),
    "parts": ("core/test_checks.py",),
    "surfaces": ("core/test_names.py",),
    "version": ("core/test_user_agent.py",),
    "models/profile": ("core/test_profiles.py",),
    "models/profile_rows": ("core/test_profiles.py",),
}
