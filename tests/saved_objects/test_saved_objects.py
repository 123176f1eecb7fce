"""What users have saved can be loaded: pickles and serialised forms that were made before modules moved."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.load import load
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.base.llms.types import ChatMessage
from saved_objects.objects import (
    CREDENTIALS,
    ERRORS,
    FACTS,
    JSON,
    MODELS,
    OTHERS,
    SECRETS,
    VALUES,
    WEATHER,
    Stored,
    error_of,
)

import dbx_gateway
import langchain_dbx_gateway
import llama_index_dbx_gateway
from dbx_gateway import AsyncClient, Client, ConfigurationError, Observations, chat, events
from dbx_gateway.call.caller import Caller
from dbx_gateway.testing import Workspace, serve
from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings, LightChatMessageHistory
from langchain_dbx_gateway.middleware import DbxPromptCachingMiddleware
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

FILES = Path(__file__).parent / "files"
WITHOUT_A_TOKEN = [name for name in MODELS if not name.endswith("_token") and name != "langchain_bound_tools"]
WITH_A_TOKEN = [name for name in MODELS if name.endswith("_token")]
ANSWER = "You said: Hello"

ID_OF_AN_ANSWER = re.compile(r"(msg_|lc_run--)[0-9a-f-]+")


def saved(name: str) -> Any:
    return pickle.loads((FILES / f"{name}.pickle").read_bytes())


def written(name: str) -> Any:
    return json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def signed_in(monkeypatch):
    """A workspace to which the environment's credentials lead."""
    workspace = Workspace()
    with serve(workspace) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
        yield workspace


def fields_of(one: Any) -> dict[str, Any]:
    """Return what an object was made with."""
    if isinstance(one, Client | AsyncClient):
        return {"settings": one.settings.model_dump(), "product": one._product}
    if isinstance(one, ChatDbxGateway | DbxGatewayEmbeddings | DbxGateway | DbxGatewayEmbedding):
        return one.model_dump()
    return {"steps": [type(step).__name__ for step in getattr(one, "steps", [one])]}


def use(one: Any) -> None:
    """Ask a question of what can be asked."""
    match one:
        case Client():
            assert one.chat("Hello").text == ANSWER
        case AsyncClient():
            assert asyncio.run(one.chat("Hello")).text == ANSWER
        case DbxGatewayEmbeddings():
            assert len(one.embed_query("Hello")) == 1024
        case DbxGatewayEmbedding():
            assert len(one.get_text_embedding("Hello")) == 1024
        case DbxGateway():
            assert one.chat([ChatMessage(role="user", content="Hello")]).message.content == ANSWER
        case _:
            assert one.invoke({"question": "Hello"} if hasattr(one, "steps") else "Hello").text.endswith(ANSWER)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_is_loaded_with_its_settings_and_no_secret(name):
    one, made = saved(name), MODELS[name]()
    assert type(one) is type(made)
    assert fields_of(one) == fields_of(made)
    data = (FILES / f"{name}.pickle").read_bytes()
    shown = f"{one!r} {one} {fields_of(one)}"
    assert [secret for secret in SECRETS if secret in shown or secret.encode() in data] == []


@pytest.mark.parametrize("name", WITHOUT_A_TOKEN)
def test_a_saved_model_signs_in_from_the_environment_and_answers(name, signed_in):
    use(saved(name))
    assert len(signed_in.ledger.model_calls()) == 1


@pytest.mark.parametrize("name", WITH_A_TOKEN)
def test_a_saved_model_of_what_was_given_a_token_says_what_to_give_again(name, signed_in):
    with pytest.raises(ConfigurationError, match="token= is never part of a pickle; give token= again"):
        use(saved(name))
    assert not signed_in.ledger.model_calls()


@pytest.mark.parametrize("name", [name for name in WITH_A_TOKEN if "client" not in name])
def test_a_saved_model_that_is_given_its_token_again_answers(name, signed_in, monkeypatch):
    one = saved(name)
    assert one.host == CREDENTIALS["host"]
    one.host, one.token, one.default_headers = os.environ["DATABRICKS_HOST"], signed_in.token, {}
    monkeypatch.delenv("DATABRICKS_TOKEN")
    use(one)


def test_a_saved_model_with_tools_offers_them(signed_in):
    answer = saved("langchain_bound_tools").invoke("Call weather with city Rome.")
    assert [call["args"] for call in answer.tool_calls] == [{"city": "Rome"}]
    (call,) = signed_in.ledger.model_calls()
    assert WEATHER["function"]["name"] in json.dumps(call.body["tools"])


@pytest.mark.parametrize("name", VALUES)
def test_a_saved_value_is_what_it_was(name):
    one, made = saved(name), VALUES[name]()
    if isinstance(made, AIMessage):
        made.response_metadata.pop("token_usage")  # which answers did not have when it was saved
    assert type(one) is type(made)
    assert without_ids(repr(one)) == without_ids(repr(made))
    assert one == made or without_ids(repr(one)) != repr(one)


def test_a_saved_profile_of_langchain_says_what_a_new_one_says():
    one, new = saved("langchain_profile"), ChatDbxGateway(model="databricks-claude-sonnet-4-5").profile
    assert type(one) is type(new)
    assert one["tool_calling"] is one["structured_output"] is True
    learned = {"image_url_inputs"}  # it was not known then that Claude's own api takes no picture by URL
    both = (one.keys() & new.keys()) - learned  # the installed langchain-core may know other keys
    assert {key: one[key] for key in both} == {key: new[key] for key in both}


def test_saved_events_add_up_to_an_answer():
    response = events.fold(saved("events"))
    assert response.text == "Rome is warm."
    assert response.tool_calls[0].parsed() == {"city": "Rome"}
    assert response.exchange == saved("exchange")


def test_a_saved_answer_of_langchain_goes_on_with_its_conversation(signed_in):
    answer = saved("langchain_answer")
    (call,) = answer.tool_calls
    assert call["args"] == {"city": "Rome"}
    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "tool_call"]
    model = ChatDbxGateway(model="databricks-claude-sonnet-4-5", surface="ai-gateway").bind_tools([WEATHER])
    result = {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"}
    assert model.invoke([HumanMessage("Call weather with city Rome."), answer, result]).text


def test_saved_chunks_of_langchain_add_up_to_an_answer():
    first, *rest = saved("langchain_stream")
    for chunk in rest:
        first += chunk
    assert first.text == ANSWER


@pytest.mark.parametrize("name", ERRORS)
def test_a_saved_error_is_the_same_error(name):
    error, made = saved(name), error_of(ERRORS[name])
    assert type(error) is ERRORS[name]
    assert (str(error), repr(error), error.__notes__) == (str(made), repr(made), ["a note"])
    assert {fact: getattr(error, fact) for fact in FACTS} == FACTS
    assert error.partial is None
    assert error.retryable is made.retryable


def test_saved_observations_know_nothing_and_are_usable():
    seen = saved("observations")
    assert type(seen) is Observations
    assert seen.surface(Caller("https://example.com", "me")) is None
    seen.learn_surface(Caller("https://example.com", "me"), "ai-gateway", "asked", conclusive=True)
    assert seen.surface(Caller("https://example.com", "me")) == ("ai-gateway", "asked")


def test_a_saved_history_of_langchain_has_its_messages():
    history = saved("langchain_history")
    assert type(history) is LightChatMessageHistory
    assert type(history.inner) is Stored
    assert [message.text for message in history.messages] == ["Hello"]


def test_saved_middleware_has_its_settings():
    caching = saved("langchain_caching_middleware")
    assert type(caching) is DbxPromptCachingMiddleware
    assert (caching.ttl, caching.min_messages, caching.unsupported) == ("1h", 3, "raise")
    assert saved("langchain_light_history_middleware").after_agent({"messages": []}, None) is None


@pytest.mark.parametrize("name", JSON)
def test_a_serialised_form_still_has_all_that_it_had(name):
    new, old = (json.loads(without_ids(json.dumps(one))) for one in (JSON[name](), written(name)))
    assert has_all(*(json.loads(one) if isinstance(one, str) else one for one in (new, old)))


def without_ids(text: str) -> str:
    """The text without the ids of answers: they are a server's, or LangChain's since a message no longer has a server's."""
    return ID_OF_AN_ANSWER.sub("<id>", text)


def has_all(new: Any, old: Any) -> bool:
    """Whether ``new`` is what ``old`` is, but for keys that are new."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and has_all(new[name], value) for name, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(new) == len(old) and all(map(has_all, new, old))
    return type(new) is type(old) and new == old


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
@pytest.mark.parametrize("name", ["model", "model_token", "chain", "answer"])
def test_what_langchain_has_serialised_is_loaded(name, signed_in):
    one = load(
        written(f"langchain_dumpd_{name}"),
        allowed_objects="all",
        valid_namespaces=["langchain_dbx_gateway"],
        secrets_map={"DATABRICKS_TOKEN": signed_in.token},
    )
    if name == "answer":
        assert one == saved("langchain_answer")
        return
    if name == "model_token":
        assert one.host == CREDENTIALS["host"]
        one.host = os.environ["DATABRICKS_HOST"]
    answer = one.invoke({"question": "Hello"} if name == "chain" else "Hello")
    assert (answer if name == "chain" else answer.text).endswith(ANSWER)


def test_what_llama_index_has_serialised_is_loaded(signed_in):
    model = DbxGateway.from_dict(written("llama_index_to_dict_model"))
    assert (model.context_window, model.temperature) == (5000, 0.5)
    use(model)
    signed_out = DbxGateway.from_json(written("llama_index_to_json_model"))
    assert signed_out.host == CREDENTIALS["host"]
    embedding = DbxGatewayEmbedding.from_dict(written("llama_index_to_dict_embedding"))
    assert embedding.text_instruction == "passage:"
    use(embedding)


def test_every_public_class_has_a_saved_object():
    seen: set[type] = set()
    for path in FILES.glob("*.pickle"):
        _kinds(pickle.loads(path.read_bytes()), seen)
    public = {
        kind
        for module in (dbx_gateway, chat, events, langchain_dbx_gateway, llama_index_dbx_gateway)
        for name in module.__all__
        if isinstance(kind := getattr(module, name), type)
    }
    assert {kind.__name__ for kind in public - seen} == {"Assembly"}  # it is never pickled: a stream that is open


def _kinds(value: Any, seen: set[type]) -> None:
    """Add the classes of ``value`` and of all that it holds."""
    if value is None or type(value) in (str, int, float, bool, bytes):
        return
    seen.add(type(value))
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list | tuple):
        inside = list(value)
    else:
        inside = [getattr(value, name) for name in getattr(type(value), "__dataclass_fields__", ())]
    for each in inside:
        _kinds(each, seen)


def test_every_file_is_read_and_every_object_has_a_file():
    named = {f"{name}.pickle" for name in (*MODELS, *VALUES, *OTHERS, *ERRORS)} | {f"{name}.json" for name in JSON}
    assert {path.name for path in FILES.iterdir()} == named
