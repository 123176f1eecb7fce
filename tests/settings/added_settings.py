"""A program whose settings have a few fields more, each one line in the class; it prints what becomes of them as JSON."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import json
import pickle
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from typing import Any

NAME = "dbx_gateway.settings"
LAST = '    """An ``httpx.AsyncClient`` to send with."""\n'

ADDED = '''
    vault_key: SecretStr | None = setting(Setting(), aliases=("strongbox_key",), elsewhere=("VAULT_KEY",))
    """Opens the vault."""
    vault_words: SecretStr | None = setting(Setting(credential=True))
    """Opens the vault, too."""
    vault_headers: dict[str, str] = setting(Setting(), default_factory=dict)
    """Open the vault together."""
    courier: Any = setting(Setting(shared=True))
    """Brings the answer."""
    password: SecretStr | None = setting(Setting(per_call=True))
    """Is said with one request."""
    seal: SecretStr | None = setting(Setting(per_call=True, in_cache_key=True))
    """Is set under one request."""
    tone: str | None = setting(Setting(shown=True, pickled=True, per_call=True, in_cache_key=True), aliases=("mood",))
    """How the answer sounds."""
    haste: int = setting(Setting(shown=True, pickled=True, per_call=True), 3)
    """How soon it is to be there."""
    region: str | None = setting(Setting(shown=True, pickled=True, in_cache_key=True), variable="DBX_GATEWAY_REGION")
    """Where it is made."""
'''
HIDDEN = ("vault_key", "vault_words", "vault_headers", "courier", "password", "seal")
SHOWN = {"tone": "t0ne-of-the-answer", "haste": 778899, "region": "r3gion-of-the-answer"}


class Changed(SourceFileLoader):
    """Reads the module of the settings with further lines in it."""

    added = ""

    def get_data(self, path: str) -> bytes:
        data = super().get_data(path)
        assert data.count(LAST.encode()) == 1
        return data.replace(LAST.encode(), (LAST + self.added).encode())

    def path_stats(self, path: str) -> Any:
        raise OSError("so that no compiled file is read or written")


class Finder(PathFinder):
    """Finds the module of the settings as it is changed, and no other."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname != NAME:
            return None
        spec = super().find_spec(fullname, path, target)
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=Changed(fullname, spec.origin))


def add(lines: str) -> None:
    """Let the settings have these lines at the end of their fields, whenever they are imported."""
    Changed.added = lines
    sys.meta_path.insert(0, Finder)


class Courier:
    """An object of this process."""

    def __repr__(self) -> str:
        return "s3cret-courier"

    def __reduce__(self) -> Any:
        raise TypeError("no copy and no pickle of this")


COURIER = Courier()
FIELDS: dict[str, Any] = {
    "model": "databricks-claude-sonnet-4-5",
    "host": "https://ws.example.com",
    "vault_key": "s3cret-key",
    "vault_words": "s3cret-words",
    "vault_headers": {"x-vault": "s3cret-header"},
    "courier": COURIER,
    "password": "s3cret-password",
    "seal": "s3cret-seal",
    **SHOWN,
}


def front_ends() -> dict[str, Any]:
    """Return what makes an object of each public class that has settings."""
    from dbx_gateway import Settings
    from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings
    from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

    classes = (ChatDbxGateway, DbxGatewayEmbeddings, DbxGateway, DbxGatewayEmbedding)
    return {"Settings": lambda **fields: Settings.of(fields)} | {one.__name__: one for one in classes}


def forms(thing: Any) -> dict[str, str]:
    """Return every text that an object is shown or stored as."""
    from langchain_core.load import dumps

    found = {
        "repr": repr(thing),
        "str": str(thing),
        "model_dump": repr(thing.model_dump()),
        "model_dump_json": thing.model_dump_json(),
        "pickle": pickle.dumps(thing).decode("latin-1"),
    }
    if hasattr(thing, "lc_secrets"):
        found |= {"dumps": dumps(thing), "asdict": repr(thing.asdict())}
    if hasattr(thing, "to_dict"):
        found |= {"to_dict": repr(thing.to_dict()), "to_json": thing.to_json()}
    return found


def refusal(make: Any) -> str | None:
    """Return the words of the error that a function raises."""
    from dbx_gateway import ConfigurationError

    try:
        make()
    except ConfigurationError as error:
        return str(error)
    return None


def per_call(names: list[str]) -> dict[str, str | None]:
    """Return for each name why one call may not change it."""
    from dbx_gateway import Settings

    settings = Settings.of({"model": "m"})
    return {name: refusal(lambda name=name: settings.with_options({name: FIELDS[name]})) for name in names}


def cache_keys() -> dict[str, str]:
    """Return what LangChain's caches find the answers of a model by, for some settings."""
    from dbx_gateway import client
    from langchain_dbx_gateway import ChatDbxGateway

    known = inspect.signature(client.resolve).parameters
    resolve = client.resolve  # it does not know the added credential
    client.resolve = lambda **fields: resolve(**{name: one for name, one in fields.items() if name in known})
    plain = ChatDbxGateway(model="m")
    keys = {"": plain._get_llm_string()}
    keys |= {
        name: ChatDbxGateway(model="m", **{name: FIELDS[name]})._get_llm_string()
        for name in (*SHOWN, "vault_key", "seal")
    }
    keys["other seal"] = ChatDbxGateway(model="m", seal="s3cret, too")._get_llm_string()
    for name in ("tone", "mood", "haste", "password", "seal"):
        value = FIELDS.get(name, SHOWN["tone"])
        keys[f"call {name}"] = plain._get_llm_string(**{name: value})
        keys[f"trace {name}"] = repr(plain._get_invocation_params(**{name: value}))
    return keys


def loaded(thing: Any) -> dict[str, Any]:
    """Return what an object is that comes out of a pickle, and what it says on its first use."""
    from dbx_gateway import Client
    from dbx_gateway.settings import Lost, Settings

    again = pickle.loads(pickle.dumps(thing))
    settings = again if isinstance(again, Settings) else again._settings()
    gone = [name for name in HIDDEN if isinstance(getattr(again, name), Lost)]
    return {
        "lost": again.lost,
        "gone": gone,
        "shown": {name: getattr(again, name) for name in SHOWN},
        "says": refusal(Client(settings)._credentials.fetch),
    }


def read_again() -> dict[str, Any]:
    """Return what an object is that comes out of a serialised form of a framework."""
    from langchain_core.load import dumpd, load

    from langchain_dbx_gateway import ChatDbxGateway
    from llama_index_dbx_gateway import DbxGateway

    written = dumpd(ChatDbxGateway(**FIELDS))
    model = load(
        written,
        allowed_objects=[ChatDbxGateway],
        valid_namespaces=["langchain_dbx_gateway"],
        secrets_map={"VAULT_KEY": "from elsewhere"},
    )
    other = DbxGateway.from_dict(DbxGateway(**FIELDS).to_dict())
    return {
        "named": written["kwargs"]["vault_key"],
        "vault_key": model.vault_key.get_secret_value(),
        "lost": model.lost,
        "langchain": {name: getattr(model, name) for name in SHOWN},
        "llama-index": {name: getattr(other, name) for name in SHOWN},
        "llama-index hidden": [name for name in HIDDEN if getattr(other, name)],
    }


def main() -> None:
    """Print what becomes of the settings."""
    add(ADDED)
    import os

    from dbx_gateway.settings import ALIASES, CREDENTIALS, Settings, veiled

    things = {name: make(**FIELDS) for name, make in front_ends().items()}
    os.environ["DBX_GATEWAY_REGION"] = "from the environment"
    facts = {
        "forms": {name: forms(thing) for name, thing in things.items()},
        "loaded": {name: loaded(thing) for name, thing in things.items()},
        "shared": {name: copy.deepcopy(thing).courier is COURIER for name, thing in things.items()},
        "help": {name: type(thing).__doc__ for name, thing in things.items()},
        "descriptions": {name: type(thing).model_fields["tone"].description for name, thing in things.items()},
        "per call": per_call([*HIDDEN, *SHOWN]),
        "keys": cache_keys(),
        "read again": read_again(),
        "veiled": repr(veiled({"vault_key": "s3cret", "strongbox_key": "s3cret", "tone": "flat"})),
        "misfit": refusal(lambda: Settings.of({"vault_key": ["s3cret"]})),
        "misspelt": refusal(lambda: Settings.of({"vault_kee": "s3cret"})),
        "by alias": Settings.of({"mood": "flat"}).tone,
        "of the environment": Settings.of({}).region,
        "aliases": {name: ALIASES[name] for name in ("strongbox_key", "mood")},
        "credentials": CREDENTIALS,
    }
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
