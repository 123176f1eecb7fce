import copy
import pickle
import re

import pytest

import dbx_gateway
from dbx_gateway import errors
from dbx_gateway.chat import ChatResponse, Finish, Message, Text
from dbx_gateway.errors import ConfigurationError, DbxGatewayError, unknown_name

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DbxGatewayError)]
PARTIAL = ChatResponse(message=Message(role="assistant", parts=(Text("hush"),)), finish=Finish(reason="error"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_one_of_ours_and_is_pickled_without_the_partial_answer(kind):
    told = {"status": 429, "error_code": "X", "request_id": "r", "retry_after": 1.5, "model": "m", "route": "s a u"}
    error = kind("what happened", **told, partial=PARTIAL)
    error.add_note("a note")
    pickled = pickle.dumps(error)
    loaded = pickle.loads(pickled)
    assert type(loaded) is kind
    assert isinstance(loaded, DbxGatewayError)
    assert (str(loaded), loaded.__notes__) == ("what happened", ["a note"])
    assert {name: getattr(loaded, name) for name in told} == told
    assert loaded.status_code == loaded.status == 429
    assert kind("nothing was sent").status_code is None
    assert loaded.partial is None
    assert b"hush" not in pickled
    assert copy.copy(error).message == "what happened"


def test_a_subclass_of_the_users_is_pickled_too():
    assert type(pickle.loads(pickle.dumps(Own("x", status=1)))) is Own


class Own(errors.APIError):
    """An error that somebody derives."""


@pytest.mark.parametrize("kind", [errors.ConfigurationError, errors.InvalidRequestError, errors.ExtractionError])
def test_errors_about_what_the_caller_gave_are_value_errors(kind):
    assert issubclass(kind, ValueError)


def test_the_tree_and_what_may_be_tried_again():
    parents = {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS}
    assert parents == {
        "DbxGatewayError": "Exception",
        "ConfigurationError": "DbxGatewayError",
        "InvalidRequestError": "DbxGatewayError",
        "ExtractionError": "DbxGatewayError",
        "APIError": "DbxGatewayError",
        "BadRequestError": "APIError",
        "ContextOverflowError": "BadRequestError",
        "ContentFilterError": "BadRequestError",
        "AuthenticationError": "APIError",
        "PermissionDeniedError": "APIError",
        "NotFoundError": "APIError",
        "RateLimitError": "APIError",
        "ServerError": "APIError",
        "InvalidResponseError": "DbxGatewayError",
        "APIConnectionError": "DbxGatewayError",
        "APITimeoutError": "APIConnectionError",
        "IncompleteStreamError": "DbxGatewayError",
    }
    assert {kind.__name__ for kind in KINDS if kind.retryable} == {
        "RateLimitError",
        "ServerError",
        "APIConnectionError",
        "APITimeoutError",
        "IncompleteStreamError",
    }


def test_the_tree_in_the_modules_docstring_has_every_class_below_its_parent():
    parents, path = {}, {}
    for line in errors.__doc__.splitlines()[2:]:
        branch, name = re.match(r"((?:│   |    |├── |└── )*)(\w+)", line).groups()
        depth = len(branch) // 4
        path[depth] = name
        parents[name] = path[depth - 1] if depth else "Exception"
    assert parents == {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS}


def test_every_class_is_public_and_part_of_the_package():
    names = {kind.__name__ for kind in KINDS}
    assert names - set(errors.__all__) == set(), "errors.__all__ lacks a class"
    assert names - set(dbx_gateway.__all__) == set(), "dbx_gateway.__all__ (__init__.py) lacks a class"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("temprature", "unknown setting 'temprature'; did you mean 'temperature'?"),
        ("zzz", "unknown setting 'zzz'; known: temperature, top_p"),
        (None, "unknown setting None; known: temperature, top_p"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one_or_all(name, message):
    error = unknown_name("setting", name, iter(["temperature", "top_p"]))
    assert isinstance(error, ConfigurationError)
    assert str(error) == message
