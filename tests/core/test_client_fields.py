"""The settings as fields of a framework's class, and the clients made of them."""

from __future__ import annotations

import copy
import pickle
from typing import ClassVar

import pytest
from pydantic import BaseModel

from dbx_gateway import AsyncClient, Client
from dbx_gateway.adapters.client_fields import ClientFields
from dbx_gateway.errors import ConfigurationError
from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding


class Model(ClientFields):
    """A class as a framework's."""

    product: ClassVar[str] = "framework/1"

    note: str = ""


class Base(BaseModel):
    """A framework's class that does something once an object is made."""

    def model_post_init(self, context, /):
        super().model_post_init(context)
        made.append(type(self).__name__)


class Derived(ClientFields, Base):
    """A class of ours over it."""

    product: ClassVar[str] = "framework/1"


made: list[str] = []


def test_what_a_frameworks_class_does_once_an_object_is_made_is_done():
    made.clear()
    Derived(model="m")
    assert made == ["Derived"]


def test_a_value_that_does_not_fit_is_told_without_the_value():
    with pytest.raises(ConfigurationError, match=r"'timeout.*' does not fit") as caught:
        Model(model="m", timeout="dapi-very-secret")

    assert "dapi-very-secret" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_the_clients_are_made_once_and_anew_after_a_setting_has_changed():
    one = Model(model="m")
    first = one._pair()
    one.note = "of the framework's own"

    assert one._pair() is first
    one.temperature = 0.5
    assert one._pair() is not first
    assert [client.settings.temperature for client in one._pair()] == [0.5, 0.5]


@pytest.mark.parametrize("name", ["model", "temperature", "max_retries", "surface", "family", "default_headers"])
def test_what_is_assigned_is_checked_and_what_does_not_fit_changes_nothing(name):
    one = Model(model="m", family="gpt")
    before = getattr(one, name)

    with pytest.raises(ConfigurationError):
        setattr(one, name, object())

    assert getattr(one, name) == before


def test_a_host_that_is_assigned_with_a_surfaces_path_sets_the_surface():
    one = Model(model="m", host="https://w.example.com")
    one.host = "https://w.example.com/ai-gateway/mlflow/v1"
    assert (one.host, one.surface) == ("https://w.example.com", "ai-gateway")

    whole = Model(model="m", endpoint_url="https://w.example.com/proxy/chat/completions")
    whole.host = "https://w.example.com/serving-endpoints"
    assert (whole.host, whole.surface) == ("https://w.example.com", "auto")


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [("stop", "END", ("END",)), ("stop", None, ()), ("timeout", None, None), ("max_retries", None, 2)],
)
def test_what_is_assigned_is_kept_as_the_constructor_keeps_it(name, given, kept):
    one = Model(model="m")
    setattr(one, name, given)

    assert getattr(one, name) == kept


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), lambda one: one.model_copy()]
)
def test_a_copy_has_clients_of_its_own(again):
    one = Model(model="m", temperature=0.5)
    first = one._pair()
    other = again(one)

    assert other._pair() is not first
    assert one._pair() is first
    assert other._client.settings == first[0].settings


@pytest.mark.parametrize(
    "kind", [ChatDbxGateway, DbxGatewayEmbeddings, DbxGateway, DbxGatewayEmbedding, Client, AsyncClient]
)
def test_a_models_name_without_its_setting_is_told_what_to_write(kind):
    with pytest.raises(ConfigurationError) as caught:
        kind("databricks-gpt-5-2", temperature=0)

    write = f"write {kind.__name__}(model=…)"
    assert write in caught.value.message
    assert "gpt-5-2" not in caught.value.message
