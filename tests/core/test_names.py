"""Names of families, surfaces and apis: those that exist pass, others are refused with the nearest."""

from __future__ import annotations

from typing import get_args

import pytest

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.models.families import Family
from dbx_gateway.names import check_api, check_family, check_surface
from dbx_gateway.surfaces import Api, Surface


@pytest.mark.parametrize(
    ("check", "names"),
    [(check_family, get_args(Family)), (check_surface, get_args(Surface)), (check_api, get_args(Api))],
)
def test_names_that_exist_pass(check, names):
    assert [check(name) for name in names] == list(names)


@pytest.mark.parametrize(
    ("check", "name", "says"),
    [
        (check_family, "Claude", "unknown family 'Claude'; did you mean 'claude'"),
        (check_surface, "serving", "unknown surface 'serving'; did you mean 'model-serving'"),
        (check_surface, "x", "known: auto, ai-gateway, model-serving"),
        (check_api, "message", "unknown api 'message'; did you mean 'messages'"),
    ],
)
def test_other_names_are_told_with_the_nearest(check, name, says):
    with pytest.raises(ConfigurationError, match=says):
        check(name)
