"""Which block counts for a call, in which context, and what a block shows of its token."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from core.sign_in import HOST, GivenConfig, bearer
from pydantic import SecretStr
from support.promises import promise

from dbx_gateway import acting_as
from dbx_gateway.auth.acting import credentials_now
from dbx_gateway.auth.credentials import UnusableCredentials, resolve
from dbx_gateway.auth.signing import CredentialsAuth
from dbx_gateway.errors import ConfigurationError

OWN = resolve(token="own", host=HOST)


def sent() -> str:
    """The token that a call would be sent with that begins now."""
    return credentials_now(OWN, required=False).fetch().headers["Authorization"].removeprefix("Bearer ")


@promise("acting-as")
def test_the_innermost_block_counts_and_each_ends_where_it_is_left():
    assert sent() == "own"
    with acting_as("ann"):
        assert sent() == "ann"
        with acting_as(SecretStr(" bob "), user="bob"):
            assert sent() == "bob"
        assert sent() == "ann"
    assert sent() == "own"


def test_a_block_that_is_left_by_an_error_has_ended():
    with pytest.raises(ZeroDivisionError), acting_as("ann"):
        raise ZeroDivisionError
    assert sent() == "own"


def test_blocks_that_are_left_in_another_order_leave_the_others_open():
    def holding():
        with acting_as("held"):
            yield

    held = holding()
    next(held)
    with acting_as("ann"):
        held.close()
        assert sent() == "ann"
    assert sent() == "own"


def test_one_block_may_be_entered_again_within_itself():
    block = acting_as("ann")
    with block:
        with block, acting_as("bob"):
            assert sent() == "bob"
        assert sent() == "ann"
    assert sent() == "own"


@promise("acting-as-contexts")
def test_leaving_a_block_in_another_context_raises_nothing_and_changes_nothing():
    block = acting_as("ann")
    elsewhere = contextvars.copy_context()
    elsewhere.run(block.__enter__)
    with acting_as("bob"):
        block.__exit__(None, None, None)
        assert sent() == "bob"
    assert elsewhere.run(sent) == "ann"


@promise("acting-as-contexts")
async def test_tasks_inherit_the_block_and_their_own_blocks_stay_theirs():
    async def inner(token: str | None) -> str:
        if token is None:
            await asyncio.sleep(0)
            return sent()
        with acting_as(token):
            await asyncio.sleep(0)
            return sent()

    with acting_as("ann"):
        found = await asyncio.gather(*(inner(token) for token in (None, "bob", "cy", None)), asyncio.to_thread(sent))
    assert found == ["ann", "bob", "cy", "ann", "ann"]
    assert sent() == "own"


@promise("acting-as-contexts")
def test_a_plain_thread_and_a_plain_executor_do_not_inherit_the_block():
    found: list[str] = []
    with acting_as("ann"):
        thread = threading.Thread(target=lambda: found.append(sent()))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            found += [pool.submit(sent).result(), pool.submit(contextvars.copy_context().run, sent).result()]
    assert found == ["own", "own", "ann"]


@promise("acting-as-required")
def test_a_call_outside_of_any_block_is_refused_where_one_is_required():
    with pytest.raises(ConfigurationError, match=r"acting_as_required=True.*with dbx_gateway\.acting_as\(token\)"):
        credentials_now(OWN, required=True)
    with acting_as("ann"):
        assert credentials_now(OWN, required=True).fetch().host == HOST


@pytest.mark.parametrize("token", [None, "", "  ", "Bearer x", 7, SecretStr("")])
def test_a_token_that_is_missing_or_malformed_is_refused_at_once(token):
    with pytest.raises(ConfigurationError):
        acting_as(token)


@pytest.mark.parametrize("user", ["", 7])
def test_a_user_is_a_name(user):
    with pytest.raises(ConfigurationError, match="user="):
        acting_as("t", user=user)


@pytest.mark.parametrize(
    "own",
    [
        OWN,
        resolve(host=HOST, environ={}),
        resolve(sdk_config=GivenConfig(HOST, bearer("own"))),
        resolve(environ={"DATABRICKS_HOST": HOST, "DATABRICKS_CLIENT_ID": "a", "DATABRICKS_CLIENT_SECRET": "b"}),
        resolve(environ={"DBX_GATEWAY_API_URL": f"{HOST}/x", "DBX_GATEWAY_API_KEY": "k"}),
        resolve(endpoint_url=f"{HOST}/x", token="own"),
        resolve(host=HOST, environ={"DATABRICKS_HOST": "https://other.example.com", "DATABRICKS_TOKEN": "t"}),
    ],
)
async def test_the_host_is_the_objects_own_and_nothing_signs_in(own):
    with acting_as("ann"):
        found = credentials_now(own, required=True)
    for granted in (found.fetch(), await found.fetch_async()):
        assert (granted.host, granted.headers) == (HOST, bearer("ann"))


@pytest.mark.parametrize(
    "more", [{"DATABRICKS_TOKEN": "t"}, {"DATABRICKS_CLIENT_ID": "a", "DATABRICKS_CLIENT_SECRET": "b"}]
)
def test_the_workspace_of_the_environment_goes_along(more):
    own = resolve(environ={"DATABRICKS_HOST": HOST, "DATABRICKS_WORKSPACE_ID": "77", **more})
    with acting_as("ann"):
        headers = credentials_now(own, required=False).fetch().headers
    assert headers == {**bearer("ann"), "X-Databricks-Workspace-Id": "77"}


@promise("acting-as")
def test_a_databricks_app_is_sent_the_users_token_only_where_the_object_is_the_apps():
    app = "https://agent-1.aws.databricksapps.com/responses"
    elsewhere = resolve(endpoint_url=app, environ={"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": "t"})
    with acting_as("ann"), httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        auth = CredentialsAuth(credentials_now(resolve(endpoint_url=app, token="own"), required=True))
        assert client.get(app, auth=auth).request.headers["authorization"] == "Bearer ann"
        with pytest.raises(ConfigurationError, match="never sent"):
            client.get(app, auth=CredentialsAuth(credentials_now(elsewhere, required=True)))


def test_the_workspace_of_a_callers_object_goes_along():
    config = GivenConfig(HOST, bearer("own"))
    config.workspace_id = "77"
    with acting_as("ann"):
        headers = credentials_now(resolve(sdk_config=config), required=False).fetch().headers
    assert headers == {**bearer("ann"), "X-Databricks-Workspace-Id": "77"}


def test_credentials_without_a_host_say_so():
    own = resolve(token="t", environ={})
    assert isinstance(own, UnusableCredentials)
    with acting_as("ann"), pytest.raises(ConfigurationError, match="give host="):
        credentials_now(own, required=False).fetch()


@promise("acting-as-secret")
def test_a_block_shows_its_token_nowhere_and_cannot_be_pickled():
    secret = "s3cret-of-ann"
    block = acting_as(secret, user="ann@example.com")
    with block:
        credentials = credentials_now(OWN, required=False)
        context = contextvars.copy_context()
    shown = repr(block) + str(block) + repr(credentials) + repr(vars(credentials)) + repr(list(context.items()))
    assert secret not in shown
    for made in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="holds a token"):
            made(block)
    assert secret.encode() not in pickle.dumps(credentials)
    assert credentials.mask(f"you sent {secret}") == "you sent ***"
