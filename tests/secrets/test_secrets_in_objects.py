"""No token, client secret or header value is in any form of any object that a user holds, before use and after."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.promises import promise
from support.secret_finding import holds, holds_issued_token, shown

from dbx_gateway import Client
from dbx_gateway.settings import Settings
from dbx_gateway.transport.sending import HttpRequest

HEADER = "s3cret-of-a-header"
SAID = "You said: Hello"


def check(forms, secrets) -> None:
    forms = list(forms)
    found = [(name, secret) for name, data in forms for secret in secrets if holds(data, secret)]
    found += [(name, "an OAuth token") for name, data in forms if holds_issued_token(data)]
    assert found == []


def tokens(signed_in) -> list[str]:
    """The secrets without the header: ``vars`` shows a header to whoever looks into the object."""
    return [secret for secret in signed_in.secrets if secret != HEADER]


def use(one) -> None:
    assert one.ask("Hello") == SAID
    assert asyncio.run(one.aask("Hello")) == SAID
    assert one.vectors(["a"])


def test_the_search_finds_what_it_is_to_find():
    """Plain, quoted and in base64, wherever it begins: of the client id and secret that a sign-in sends, too."""
    import base64

    secret = "s3cret of/a kind"
    assert holds(f"x{secret}y", secret)
    assert holds("a=s3cret%20of%2Fa%20kind", secret)
    for before in ("", "i", "id", "id:"):
        assert holds(base64.b64encode((before + secret).encode()), secret)
    assert not holds("s3cret of another kind", secret)


@promise("secret-objects")
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
def test_no_form_of_an_object_shows_a_secret(front, signed_in, used):
    one = front(**signed_in.fields)
    if used:
        use(one)
    for thing in one.objects():
        check([form for form in shown(thing) if "vars" not in form[0]], signed_in.secrets)
        check(shown(thing), tokens(signed_in))


@promise("secret-objects")
def test_no_form_of_settings_or_credentials_shows_a_secret(signed_in):
    client = Client(**signed_in.fields)
    client.chat("Hello")
    granted = client._credentials.fetch()
    check(shown(Settings.of(signed_in.fields)), tokens(signed_in))
    check(shown(client._credentials), [*signed_in.secrets, granted.headers["Authorization"].split()[1]])
    assert granted.headers["Authorization"].split()[1] not in repr(granted) + str(
        client._driver._transport(HttpRequest(method="GET", url="https://ws.example.com/x", headers={}))
    )


def test_a_stream_that_is_open_shows_no_secret_and_no_prompt(front, signed_in):
    one = front(**signed_in.fields)
    stream = one.stream("the geese sleep")
    next(stream)
    check([("repr", repr(stream)), ("str", str(stream))], [*signed_in.secrets, "geese"])
    stream.close()

    async def look() -> None:
        events = await one.astream("the geese sleep")
        await anext(events)
        check([("repr", repr(events)), ("str", str(events))], [*signed_in.secrets, "geese"])
        await events.aclose()

    asyncio.run(look())


@promise("secret-serialised")
def test_langchains_serialised_forms_hold_no_secret(signed_in):
    from langchain_core.load import dumpd, dumps
    from langchain_core.prompts import ChatPromptTemplate

    from langchain_dbx_gateway import ChatDbxGateway

    llm = ChatDbxGateway(**signed_in.fields)
    llm.invoke("Hello")
    chained = ChatPromptTemplate.from_template("{text}") | llm.bind(stop=["x"]).with_retry() | (lambda message: message)
    bound = llm.bind_tools([{"name": "add", "description": "adds", "input_schema": {"type": "object"}}])
    structured = llm.with_structured_output({"title": "a", "type": "object", "properties": {}})
    things = [llm, chained, bound, structured, llm.with_config(tags=["x"])]
    forms = [(type(one).__name__, text) for one in things for text in (dumps(one), repr(dumpd(one)), repr(one))]
    forms += [("params", repr(llm._identifying_params)), ("ls", repr(llm._get_ls_params()))]
    forms += [("asdict", repr(llm.asdict() if hasattr(llm, "asdict") else llm.dict()))]
    forms += [("string", llm._get_llm_string(stop=["x"]))]
    forms += [("graph", json.dumps(chained.get_graph().to_json(with_schemas=True), default=str))]
    check(forms, signed_in.secrets)


@promise("secret-serialised")
def test_llama_indexs_serialised_forms_hold_no_secret(signed_in):
    from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

    for kind, model in ((DbxGateway, signed_in.fields["model"]), (DbxGatewayEmbedding, "databricks-gte-large-en")):
        thing = kind(**signed_in.fields | {"model": model})
        thing.complete("Hello") if kind is DbxGateway else thing.get_text_embedding("Hello")
        forms = [("to_dict", repr(thing.to_dict())), ("to_json", thing.to_json()), ("dict", repr(thing.dict()))]
        forms += [("again", repr(kind.from_dict(thing.to_dict()))), ("json", thing.json())]
        if kind is DbxGateway:
            forms += [("metadata", repr(thing.metadata)), ("payload", repr(thing.to_payload()))]
        check(forms, signed_in.secrets)
