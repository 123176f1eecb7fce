"""The recipes of CONTRIBUTING.md that are marked in it name every file, and what is left out is named by a check.

Each recipe is followed in a copy, as it is written and without each of its steps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHAT_RULES = "shared/dbx_gateway/testing/apis/chat_completions/workspace_rules.py"


@dataclass(frozen=True)
class Step:
    """One step: a text behind a place of a file, or at the end of one; and what is said when it is left out."""

    path: str
    text: str
    missing: str
    after: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        return (self.path,)

    def as_data(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Script:
    """A script that writes a file anew; and what is said when it is not run."""

    script: str
    path: str
    missing: str

    @property
    def files(self) -> tuple[str, ...]:
        return (self.script, self.path)

    def as_data(self) -> dict[str, str]:
        return asdict(self)


def facts_like(model: str, name: str, family: str) -> str:
    """A line of the table of facts for a model that has all facts of another."""
    table = (ROOT / "tests/core/test_profiles.py").read_text(encoding="utf-8")
    line = next(line for line in table.splitlines() if line.startswith(model))
    return f"{name:32}{family:11}{line[43:]}\n"


FAMILY = (
    Step(
        "shared/dbx_gateway/models/families.py",
        '    "acme",\n',
        "FAMILIES has an entry for acme, and Family has no such name",
        after="Family = Literal[\n",
    ),
    Step(
        "shared/dbx_gateway/models/families.py",
        '    FamilyRow("acme", ("acme", "acmecode"), "chat-completions"),\n',
        "FAMILIES has no entry for the family acme",
        after="FAMILIES: tuple[FamilyRow, ...] = (\n",
    ),
    Step(
        "shared/dbx_gateway/testing/model/behaviour.py",
        '        "acme": Behaviour(),\n',
        "BEHAVIOURS has no entry for the family acme",
        after='    "dbx_gateway.testing.model.behaviour.BEHAVIOURS",\n    {\n',
    ),
    Step(
        "shared/dbx_gateway/cli/commands.py",
        '        "acme": ("databricks-acme-large-3",),\n',
        "DEMO_MODELS has no entry for the family acme",
        after='    "dbx_gateway.cli.commands.DEMO_MODELS",\n    {\n',
    ),
    Step(
        "shared/profile_data/models.csv",
        "databricks-acme-large-3,acme,chat,,,7.143,21.429,,tools tool_choice,an example\n",
        "acme-large-3",
        after="flags,source\n",
    ),
    Step(
        "shared/profile_data/rules.toml",
        '\n[[rule]]\nfamilies = ["acme"]\nset = { images = true }\nsource = "an example"\n',
        "acme-large-3",
    ),
    Script(
        "shared/profile_data/generate.py",
        "shared/dbx_gateway/models/profile_rows.py",
        "run shared/profile_data/generate.py",
    ),
    Step("docs/wire/models.md", "`acme` or `acmecode`; ", "acmecode", after="then searched for, in this order: "),
    Step("docs/wire/models.md", "acme, ", "acme", after="| gemma, llama, "),
    Step("docs/wire/surfaces.md", "acme, ", "acme", after="| llama, qwen, "),
    Step(
        "tests/core/test_families.py",
        '    ("databricks-acme-large-3", "acme"),\n',
        "acme",
        after="NAMES = [\n",
    ),
    Step(
        "tests/core/test_profiles.py",
        facts_like("llama-4-maverick", "acme-large-3", "acme"),
        "acme-large-3",
        after='MATRIX = """\\\n',
    ),
    Step("tests/core/test_routing.py", '"acme", ', "acme", after="OTHERS = ["),
    Step(
        "tests/support/llama_index_families.py",
        '    "acme": "acme-large-3",\n',
        "run with no model of acme",
        after="_EACH = {\n",
    ),
)
FAMILY_CHECKS = (
    "tests/core/test_families.py",
    "tests/core/test_routing.py::test_the_table_has_every_family_on_every_surface",
    "tests/core/test_routing.py::test_every_family_goes_where_the_table_says",
    "tests/core/test_profiles.py",
    "tests/command_line/test_demo.py",
    "tests/try_it.py",
)
TRY_FAMILY = """\
import json

import support.llama_index_families
from dbx_gateway.cli import main
from dbx_gateway.models.profiles import profile_of


def test_the_family_is_known_by_its_names():
    known, unknown = profile_of("databricks-acme-large-3"), profile_of("main.ai.acmecode")
    assert (known.family, known.known, known.input_dbu) == ("acme", True, 7.143)
    assert (unknown.family, unknown.known, unknown.images) == ("acme", False, True)


def test_the_demo_of_the_family_is_green(capsys):
    assert main(["demo", "--family", "acme", "--front-end", "core", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["surface"], row["family"], row["api"]) for row in rows] == [
        ("ai-gateway", "acme", "chat-completions"),
        ("model-serving", "acme", "chat-completions"),
    ]
"""

QUIRK = (
    Step(
        "shared/dbx_gateway/quirks/example_service_tier.py",
        """\
\"\"\"Open models take no service_tier: an example.\"\"\"

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.models.families import OPEN_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return without(body, ("service_tier",))


QUIRK = Quirk(
    name="example-service-tier",
    kind="out",
    families=OPEN_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason='400 `json: unknown field "service_tier"`',
    source="docs/wire/quirks.md#example-service-tier: an example",
    evidence="T",
    delete_when="each of these families accepts service_tier",
    request=_request,
)
""",
        "cannot import name 'example_service_tier'",
    ),
    Step(
        "shared/dbx_gateway/quirks/catalogue.py",
        "    example_service_tier,\n",
        "name 'example_service_tier' is not defined",
        after="    empty_tool_result,\n",
    ),
    Step(
        "shared/dbx_gateway/quirks/catalogue.py",
        "    example_service_tier.QUIRK,\n",
        "PROVOCATIONS has an entry for example-service-tier, and there is no such quirk",
        after="QUIRKS: tuple[Quirk, ...] = (\n",
    ),
    Step(
        CHAT_RULES,
        '    _rule("example-service-tier", OPEN_FAMILIES, _present({"service_tier"})),\n',
        "example-service-tier on chat-completions",
        after="RULES: tuple[Rule, ...] = (\n",
    ),
    Step(
        "shared/dbx_gateway/cli/provocations.py",
        '        "example-service-tier": Provocation(request=lambda context: replace(_request(context), service_tier="auto")),\n',
        "PROVOCATIONS has no entry for the quirk example-service-tier",
        after='    "dbx_gateway.cli.provocations.PROVOCATIONS",\n    {\n',
    ),
    Step(
        "docs/wire/quirks.md",
        '| <a id="example-service-tier"></a>example-service-tier | both | open models | chat-completions | `service_tier` is refused | an example |\n',
        "example-service-tier",
        after="## Fields\n\n| row | surface | family | API | what the workspace does | source |\n|---|---|---|---|---|---|\n",
    ),
    Step(
        "docs/quirks.md",
        "| example-service-tier | dbx_gateway/quirks/example_service_tier.py | "
        "tests/quirks/test_field_quirks.py::test_an_example_is_left_out_for_open_models "
        "tests/quirks/test_load_bearing.py::test_a_request_is_accepted_with_the_quirk_and_refused_by_its_rule_without |\n",
        "example-service-tier",
        after="simulated workspace refuses the request, or its answer reads wrong.\n\n| row | home | tests |\n|---|---|---|\n",
    ),
    Script("tests/quirks/test_table.py", "docs/quirks.md", "run tests/quirks/test_table.py"),
    Step(
        "tests/quirks/test_field_quirks.py",
        """

def test_an_example_is_left_out_for_open_models(at, fixed):
    assert fixed("example-service-tier", {**ASK, "service_tier": "auto"}, at("llama")) == ASK
""",
        "test_an_example_is_left_out_for_open_models",
    ),
    Step(
        "tests/quirks/test_load_bearing.py",
        '    ("example-service-tier", Asking(asked(LLAMA, service_tier="auto"))),\n',
        "example-service-tier",
        after="OUT: Cases = [\n",
    ),
    Step(
        "tests/command_line/test_quirk_check.py",
        '    "example-service-tier": (LLAMA, "chat-completions"),\n',
        "example-service-tier",
        after="SHOWN_BY = {\n",
    ),
    Step(
        "tests/simulated_workspace/test_workspace_chat_rules.py",
        '    "example-service-tier": (LLAMA, {"service_tier": "auto"}, \'json: unknown field "service_tier"\'),\n',
        "example-service-tier",
        after="BREAKERS = {\n",
    ),
)
QUIRK_CHECKS = (
    "tests/quirks/test_table.py",
    "tests/quirks/test_field_quirks.py",
    "tests/quirks/test_load_bearing.py",
    "tests/command_line/test_quirk_check.py::test_every_quirk_has_a_provocation_and_a_model_that_shows_it",
    "tests/command_line/test_quirk_check.py::test_a_quirk_is_not_needed_where_the_workspace_lacks_its_rule_only",
    "tests/simulated_workspace/test_workspace_chat_rules.py",
    "tests/try_it.py",
    "-k",
    "every_row or every_module or every_quirk or every_refusal or quirks_of_the or what_the_quirks_say or example",
)
TRY_QUIRK = """\
from dbx_gateway import Client
from dbx_gateway.testing import Workspace, serve


def test_the_quirk_lets_the_request_through():
    workspace = Workspace()
    with serve(workspace) as server:
        client = Client(model="databricks-glm-5-2", host=server.url, token=workspace.token)
        assert client.chat("Hello", service_tier="auto").text == "You said: Hello"
"""

PRICE = (
    Step(
        "shared/profile_data/models.csv",
        "7.125",
        "databricks-deepseek-v3-2",
        after="databricks-deepseek-v3-2,deepseek,chat,,,",
    ),
    Script(
        "shared/profile_data/generate.py",
        "shared/dbx_gateway/models/profile_rows.py",
        "run shared/profile_data/generate.py",
    ),
)
PRICE_CHECKS = ("tests/core/test_profiles.py", "tests/try_it.py", "-k", "written_here or script_makes or its_price")
TRY_PRICE = """\
from dbx_gateway.models.profiles import profile_of


def test_the_model_has_its_price():
    assert profile_of("databricks-deepseek-v3-2").input_dbu == 7.125
"""

ERROR = (
    Step(
        "shared/dbx_gateway/errors.py",
        '\n\nclass BusyError(ServerError):\n    """All models are busy: an example."""\n',
        "BusyError",
        after='    """The server failed (5xx, 529)."""\n\n    retryable = True\n',
    ),
    Step(
        "shared/dbx_gateway/errors.py",
        "│   │   └── BusyError               all models are busy\n",
        "BusyError",
        after="│   └── ServerError             5xx and 529\n",
    ),
    Step(
        "shared/dbx_gateway/errors.py",
        '    "BusyError",\n',
        "errors.__all__ lacks a class",
        after='    "BadRequestError",\n',
    ),
    Step(
        "shared/dbx_gateway/__init__.py",
        "    BusyError,\n",
        "BusyError",
        after="    AuthenticationError,\n    BadRequestError,\n",
    ),
    Step(
        "shared/dbx_gateway/__init__.py",
        '    "BusyError",\n',
        "dbx_gateway.__all__ (__init__.py) lacks a class",
        after='    "Blob",\n',
    ),
    Step("shared/dbx_gateway/error_bodies.py", "    BusyError,\n", "BusyError", after="    BadRequestError,\n"),
    Step(
        "shared/dbx_gateway/error_bodies.py",
        '    "MODEL_BUSY": 503,\n',
        "MODEL_BUSY",
        after='    "BAD_REQUEST": 400,\n',
    ),
    Step(
        "shared/dbx_gateway/error_bodies.py",
        '"MODEL_BUSY": BusyError, ',
        "BusyError",
        after="_KIND_OF_CODE: Final[Mapping[str, type[APIError]]] = {",
    ),
    Step(
        "langchain_dbx_gateway/errors.py",
        'class ChatBusyError(errors.BusyError, exceptions.ModelAPIError):\n    """All models are busy."""\n\n\n',
        "ChatBusyError",
        after='from dbx_gateway import errors\n\n__all__ = ["translated"]\n\n\n',
    ),
    Step(
        "langchain_dbx_gateway/errors.py",
        "    ChatBusyError,\n",
        "BusyError",
        after="_KINDS: Final[tuple[type[errors.DbxGatewayError], ...]] = (\n",
    ),
    Step(
        "docs/client.md",
        "| `BusyError` | all models are busy | no |\n",
        "BusyError",
        after="| error | when | sent again by the client |\n|---|---|---|\n",
    ),
    Step("docs/wire/errors.md", "MODEL_BUSY, ", "docs/wire/errors.md lacks a code", after="Codes seen: "),
    Step(
        "tests/core/test_errors.py",
        '        "BusyError": "ServerError",\n',
        "BusyError",
        after='        "DbxGatewayError": "Exception",\n',
    ),
    Step(
        "tests/core/test_errors.py",
        '        "BusyError",\n',
        "BusyError",
        after="for kind in KINDS if kind.retryable} == {\n",
    ),
    Step("tests/core/test_error_codes.py", "    BusyError,\n", "BusyError", after="    BadRequestError,\n"),
    Step(
        "tests/core/test_error_codes.py",
        '    "MODEL_BUSY": (BusyError, 503, AGAIN),\n',
        "MODEL_BUSY",
        after="MEANS: dict[str, tuple[type[DbxGatewayError], int, int]] = {\n",
    ),
    Step(
        "tests/langchain/test_errors.py",
        "    errors.BusyError: (exceptions.ModelAPIError, True),\n",
        "BusyError",
        after="KIND_OF = {\n",
    ),
)
ERROR_CHECKS = (
    "tests/core/test_errors.py",
    "tests/core/test_error_codes.py",
    "tests/docs/test_client_page.py",
    "tests/langchain/test_errors.py",
    "tests/try_it.py",
    "-k",
    "the_tree or every_class or every_code or every_error or MODEL_BUSY or langchains_kind or try_it",
)
TRY_ERROR = """\
import pytest

from dbx_gateway import BusyError, Client
from dbx_gateway.testing import Fault, Workspace, serve


def test_the_code_is_raised_as_its_class():
    workspace = Workspace()
    workspace.inject(Fault(status=503, error_code="MODEL_BUSY"), times=None, where="completions")
    with serve(workspace) as server, pytest.raises(BusyError):
        Client(model="databricks-glm-5-2", host=server.url, token=workspace.token, max_retries=0).chat("Hello")
"""

COMMAND = (
    Step(
        "shared/dbx_gateway/cli/commands.py",
        "\n\ndef families(options: argparse.Namespace) -> int:\n"
        '    """List the families of models."""\n'
        '    _print_json({"families": list(DEMO_MODELS)}) if options.json else print(*DEMO_MODELS)\n'
        "    return 0\n",
        "families",
    ),
    Step(
        "shared/dbx_gateway/cli/main.py",
        '    _command(subs, "families", commands.families, "list the families of models")\n\n',
        "families",
        after="    _where(models)\n\n",
    ),
    Step(
        "README.md",
        "| `dbx-gateway families` | the families of models |\n",
        "the table of commands in README.md lacks a command",
        after="| `dbx-gateway models` | the models your workspace serves |\n",
    ),
    Step(
        "tests/command_line/test_commands.py",
        '    "families": (),\n',
        "ARGUMENTS of tests/command_line/test_commands.py lacks a command",
        after="ARGUMENTS = {\n",
    ),
)
COMMAND_CHECKS = ("tests/command_line/test_commands.py", "tests/try_it.py", "-k", "every_command or families")
TRY_COMMAND = """\
from dbx_gateway.cli import main


def test_families_are_listed(capsys):
    assert main(["families"]) == 0
    assert "claude" in capsys.readouterr().out
"""

SETTING = (
    Step(
        "shared/dbx_gateway/settings.py",
        '    tone: str | None = setting(_OPTION)\n    """How the answer sounds."""\n',
        "tone",
        after='for what price, to answer."""\n',
    ),
    Step(
        "shared/dbx_gateway/chat.py",
        "    tone: str | None = None\n",
        "tone",
        after="    service_tier: str | None = None\n",
    ),
    Step(
        "shared/dbx_gateway/settings.py",
        "            tone=self.tone,\n",
        "tone neither goes into a",
        after="            service_tier=self.service_tier,\n",
    ),
    Step(
        "shared/dbx_gateway/dialects/chat_completions/dialect.py",
        '            "tone": request.tone,\n',
        "tone neither goes into a chat-completions request",
        after='            "service_tier": request.service_tier,\n',
    ),
    Step(
        "shared/dbx_gateway/dialects/generate_content/dialect.py",
        '            "tone": request.tone,\n',
        "tone neither goes into a generate-content request",
        after='            "serviceTier": request.service_tier,\n',
    ),
    Step(
        "shared/dbx_gateway/dialects/messages/dialect.py",
        '    ("tone", None),\n',
        "tone neither goes into a messages request",
        after='    ("seed", None),\n',
    ),
    Step(
        "shared/dbx_gateway/dialects/responses/dialect.py",
        '"tone", ',
        "tone neither goes into a responses request",
        after="_NOT_CARRIED: Final = (",
    ),
    Step(
        CHAT_RULES,
        '        "tone",\n',
        "testing/apis/chat-completions has no field for tone",
        after='        "temperature",\n',
    ),
    Step(
        "shared/dbx_gateway/testing/apis/generate_content/shapes.py",
        "    tone=STRING,\n",
        "testing/apis/generate-content has no field for tone",
        after="    serviceTier=STRING,\n",
    ),
    Step(
        "tests/settings/places.py", '    "tone": "calm",\n', "lacks a setting", after="EXAMPLES: dict[str, Any] = {\n"
    ),
)
"""Without the page: to write it asks every model, and a test that compares it says how."""
SETTING_CHECKS = (
    "tests/settings/test_settings_page.py::test_every_setting_of_a_call_has_an_example_or_says_which_form_a_request_has",
    "tests/settings/test_settings_page.py::test_what_is_not_sent_is_warned_about",
    "tests/settings/test_settings_page.py::test_the_simulated_workspace_knows_the_field_of_a_setting",
    "tests/try_it.py",
    "-k",
    "has_an_example or tone",
)
TRY_SETTING = """\
from dbx_gateway import Client
from dbx_gateway.testing import Workspace, serve


def test_a_client_takes_the_tone():
    workspace = Workspace()
    with serve(workspace) as server:
        client = Client(model="databricks-glm-5-2", host=server.url, token=workspace.token, tone="calm")
        assert client.chat("Hello", tone="angry").text == "You said: Hello"
"""

RECIPES = {
    "family": (FAMILY, FAMILY_CHECKS, TRY_FAMILY),
    "quirk": (QUIRK, QUIRK_CHECKS, TRY_QUIRK),
    "price": (PRICE, PRICE_CHECKS, TRY_PRICE),
    "error": (ERROR, ERROR_CHECKS, TRY_ERROR),
    "command": (COMMAND, COMMAND_CHECKS, TRY_COMMAND),
    "setting": (SETTING, SETTING_CHECKS, TRY_SETTING),
}
COPIED = (
    "shared",
    "docs",
    "langchain_dbx_gateway",
    "llama_index_dbx_gateway",
    *(f"tests/{folder}" for folder in ("core", "docs", "langchain", "quirks", "command_line", "simulated_workspace")),
    *(f"tests/{folder}" for folder in ("settings", "support")),
)
CONFIGURATION = "[pytest]\npythonpath = shared tests .\naddopts = --import-mode=importlib\n"


def followed(name: str, copy: Path) -> list[dict[str, Any]]:
    """Follow a recipe in a copy: what came of it as it is written, then of each time without one step."""
    steps, checks, trial = RECIPES[name]
    for folder in COPIED:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", copy)
    (copy / "pytest.ini").write_text(CONFIGURATION, encoding="utf-8")
    (copy / "tests/try_it.py").write_text(trial, encoding="utf-8")
    recipe = {"steps": [step.as_data() for step in steps], "checks": checks}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/docs/follow_recipe.py"), str(copy)],
        input=json.dumps(recipe),
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": ""},
        cwd=copy,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def named_in_recipe(name: str) -> list[str]:
    """The patterns of files that a recipe of CONTRIBUTING.md names."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = text.split(f"<!-- recipe: {name} -->")[1].split("<!-- end -->")[0]
    return [re.sub("<.*?>", "*", named) for named in re.findall(r"`(?:python )?([\w.<>*/-]+)`", recipe)]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_every_file_that_following_it_touches(name):
    steps, _, _ = RECIPES[name]
    touched = {path.removeprefix("shared/dbx_gateway/") for step in steps for path in step.files}
    named = named_in_recipe(name)
    assert {path for path in touched if not any(fnmatchcase(path, pattern) for pattern in named)} == set()


IN_THE_GATE = ("family", "quirk")
"""The recipes that touch the most files; the others are followed in the full check."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in IN_THE_GATE else pytest.mark.slow) for name in RECIPES]
)
def test_a_recipe_works_and_a_check_names_each_step_that_is_left_out(name, tmp_path):
    whole, *without = followed(name, tmp_path.resolve())
    assert whole["good"], whole["said"]
    for step, result in zip(RECIPES[name][0], without, strict=True):
        assert not result["good"], f"without its step in {step.path} all checks pass"
        assert step.missing in result["said"]
