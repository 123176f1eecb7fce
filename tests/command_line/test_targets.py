"""Which models ``check`` is about."""

from argparse import Namespace

import httpx
import pytest

from dbx_gateway.cli.targets import targets
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.models.families import FAMILIES
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Served, Workspace, workspace_transport

GLM = Served(
    name="databricks-glm-5-2",
    gateway_names=("databricks-glm-5-2",),
    profile=profile_of("databricks-glm-5-2"),
    origin="foundation",
)
GROK = Served(name="databricks-grok-4-6", profile=profile_of("databricks-grok-4-6"))


def chosen(workspace, *models, surface=None):
    """The models and surfaces that are chosen at a workspace, by what is named on the command line."""
    with httpx.Client(transport=workspace_transport(workspace)) as client:
        fields = {"host": "https://workspace.example.com", "token": workspace.token, "http_client": client}
        return [(target.model, target.surface) for target in targets(Namespace(model=models, surface=surface), fields)]


def test_without_names_there_is_one_chat_model_of_each_family_and_one_of_those_with_responses_only():
    profiles = [profile_of(model) for model, surface in chosen(Workspace()) if surface == "ai-gateway"]
    kinds = sorted((profile.family, profile.responses_only) for profile in profiles)
    families = {row.family for row in FAMILIES if row.native_api is not None} - {"other"}
    assert kinds == sorted([("gpt", True), *((family, False) for family in families)])
    assert {profile.kind for profile in profiles} == {"chat"}


def test_without_names_a_model_is_checked_where_it_is_listed():
    assert chosen(Workspace(models=[GLM, GROK])) == [
        (GLM.name, "ai-gateway"),
        (GLM.name, "model-serving"),
        (GROK.name, "model-serving"),
    ]


def test_without_names_a_surface_can_be_asked_for():
    assert {surface for _, surface in chosen(Workspace(), surface="ai-gateway")} == {"ai-gateway"}


def test_a_workspace_that_lists_nothing_to_check_is_an_error_that_says_what_to_do():
    own = Served(name="team-chat", profile=profile_of("databricks-claude-sonnet-4-5"))
    with pytest.raises(DbxGatewayError, match=r"lists no databricks-… chat models; name the models to check$"):
        chosen(Workspace(models=[own]))


def test_a_surface_that_lists_nothing_is_named_in_the_error():
    with pytest.raises(DbxGatewayError, match="lists no databricks-… chat models on ai-gateway"):
        chosen(Workspace(models=[GROK]), surface="ai-gateway")


@pytest.mark.parametrize(
    ("model", "surfaces"),
    [
        ("databricks-claude-sonnet-4-5", ["ai-gateway", "model-serving"]),
        ("main.ai.team_chat", ["ai-gateway"]),
        ("team-chat", ["model-serving"]),
    ],
)
def test_a_named_model_is_checked_on_the_surfaces_that_its_name_allows(model, surfaces):
    assert sorted(chosen(Workspace(), model)) == [(model, surface) for surface in surfaces]
    assert chosen(Workspace(), model, surface="model-serving") == [(model, "model-serving")]


def test_a_model_that_is_named_twice_is_checked_once():
    assert chosen(Workspace(), "team-chat", "team-chat") == [("team-chat", "model-serving")]
