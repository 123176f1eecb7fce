"""What the demo shows is there to be shown."""

from dbx_gateway.cli.commands import DEMO_MODELS
from dbx_gateway.models.profiles import known_models


def test_the_demo_shows_models_of_the_family_that_the_table_of_models_has():
    known = {row.model: row.family for row in known_models()}
    shown = {model: family for family, models in DEMO_MODELS.items() for model in models}
    assert {model: known.get(model) for model in shown} == shown
