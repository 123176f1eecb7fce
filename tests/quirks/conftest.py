import copy

import pytest

from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import forget_notices
from dbx_gateway.quirks.catalogue import quirk_named
from dbx_gateway.quirks.quirk import Context


@pytest.fixture(autouse=True)
def _said_nothing_yet():
    forget_notices()
    yield
    forget_notices()


@pytest.fixture
def at():
    """Makes the context of a request: `at("claude")`, `at("gpt", "responses", stream=True)`."""

    def context(family, api="chat-completions", *, surface="ai-gateway", stream=False, **facts):
        profile = Profile(model=f"a-{family}-model", family=family, **facts)
        return Context(model=profile.model, surface=surface, family=family, api=api, stream=stream, profile=profile)

    return context


@pytest.fixture
def fixed():
    """Applies one quirk to a body, and checks the two laws: nothing given changes, and a second time changes nothing."""

    def fix(name, body, context):
        before = copy.deepcopy(body)
        result = quirk_named(name).request(body, context)
        assert body == before
        assert quirk_named(name).request(result, context) is result
        return result

    return fix
