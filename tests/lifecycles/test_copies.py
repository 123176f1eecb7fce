"""Pickles and copies of every object a user holds, before its first use and after."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest
from lifecycles.front_ends import front_end
from support.promises import promise

from dbx_gateway import ConfigurationError
from dbx_gateway.settings import Settings

USED = pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])


@pytest.fixture
def signed_in(monkeypatch, fields):
    """The credentials are in the environment; what is returned are the other settings."""
    monkeypatch.setenv("DATABRICKS_HOST", fields["host"])
    monkeypatch.setenv("DATABRICKS_TOKEN", fields["token"])
    return {name: value for name, value in fields.items() if name not in ("host", "token")}


def use(one) -> None:
    """Call every method, sync and async, and check what comes."""
    assert one.ask("Hello") == "You said: Hello"
    assert "".join(one.said(item) for item in one.stream("Hello")) == "You said: Hello"
    assert len(one.vectors(["a"])) == 1

    async def main() -> None:
        assert await one.aask("Hello") == "You said: Hello"
        assert len(await one.avectors(["a"])) == 1

    asyncio.run(main())


@promise("pickles")
@USED
def test_a_pickle_is_loaded_and_signs_in_from_the_environment(front, signed_in, used):
    one = front(**signed_in)
    if used:
        use(one)
    use(front(pickle.loads(pickle.dumps(one.objects()))))
    use(one)


@promise("copies")
@USED
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_the_credentials_and_leaves_the_original_as_it_was(front, fields, used, copied):
    one = front(**fields)
    if used:
        use(one)
    use(front([copied(each) for each in one.objects()]))
    use(one)


@USED
def test_a_pickle_of_what_was_given_a_token_says_at_the_first_call_what_to_give(front, fields, used):
    one = front(**fields)
    if used:
        use(one)
    pickled = pickle.dumps(one.objects())
    assert fields["token"].encode() not in pickled
    loaded = front(pickle.loads(pickled))
    with pytest.raises(ConfigurationError, match="token"):
        loaded.ask("Hello")
    with pytest.raises(ConfigurationError, match="token"):
        loaded.vectors(["Hello"])


@USED
def test_a_pickle_is_as_good_with_every_protocol(front, signed_in, used):
    one = front(**signed_in)
    if used:
        one.ask("Hello")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert front(pickle.loads(pickle.dumps(one.objects(), protocol))).ask("Hello") == "You said: Hello"


@promise("pickles")
@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("core", False),
        ("langchain", True),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("core", True), ("langchain", False))),
        *(pytest.param("llama-index", used, marks=pytest.mark.slow) for used in (False, True)),
    ],
)
def test_an_object_goes_to_another_process_and_works_there(name, used, signed_in, tmp_path, run):
    one = front_end(name, **signed_in)
    if used:
        one.ask("Hello")
    path = tmp_path / "objects"
    path.write_bytes(pickle.dumps(one.objects()))
    program = (
        "import pickle, sys, pathlib\n"
        "from lifecycles.front_ends import front_end\n"
        "front = front_end(sys.argv[2], pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()))\n"
        "print(front.ask('Hello'))\n"
    )
    done = run(program, str(path), one.name)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "You said: Hello", "")


def test_settings_are_copied_whole_and_pickled_without_their_token(fields):
    settings = Settings.of(fields)
    assert copy.deepcopy(settings) == settings == copy.copy(settings)
    assert fields["token"].encode() not in pickle.dumps(settings)
    assert pickle.loads(pickle.dumps(settings)).lost == ("token",)


async def test_a_copy_made_while_a_stream_is_open_works_and_so_does_the_stream(front, fields):
    one = front(**fields)
    stream = await one.astream("a story " * 200)
    said = one.said(await anext(stream))
    copied = front([copy.deepcopy(each) for each in one.objects()])
    assert await copied.aask("Hello") == "You said: Hello"
    said += "".join([one.said(item) async for item in stream])
    assert said == "You said: " + "a story " * 200
