"""databricks-sdk's credential chain, with bounds on its waiting and errors a user can act on.

This is the only module that imports databricks-sdk, and it does so inside functions: the import is slow, and a static
token needs none of it. Everything here may block on the network and belongs on a thread of its own.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from dbx_gateway.auth.cli_login import Turns, lock_file
from dbx_gateway.errors import APIConnectionError, AuthenticationError, ConfigurationError, DbxGatewayError
from dbx_gateway.transport.hosts import normalise_host
from dbx_gateway.version import __version__

__all__ = [
    "CREDENTIAL_VARIABLES",
    "SIGN_IN",
    "SdkConfig",
    "explained",
    "explained_of_object",
    "host_in_config_file",
    "open_config",
]

CREDENTIAL_VARIABLES: Final = (
    "DATABRICKS_AUTH_TYPE",
    "DATABRICKS_AZURE_RESOURCE_ID",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_CONFIG_PROFILE",
    "DATABRICKS_GOOGLE_SERVICE_ACCOUNT",
    "DATABRICKS_GROUP_ID",
    "DATABRICKS_METADATA_SERVICE_URL",
    "DATABRICKS_OIDC_TOKEN",
    "DATABRICKS_OIDC_TOKEN_ENV",
    "DATABRICKS_OIDC_TOKEN_FILE",
    "DATABRICKS_OIDC_TOKEN_FILEPATH",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_USERNAME",
    "ARM_CLIENT_ID",
    "ARM_CLIENT_SECRET",
    "ARM_TENANT_ID",
    "ARM_USE_MSI",
)
"""Variables beside DATABRICKS_HOST and DATABRICKS_TOKEN by which databricks-sdk chooses a credential
(docs/wire/auth.md#credential-chain). Variables named after Google are the SDK's alone to read."""

_SECRET_VARIABLES: Final = (
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_OIDC_TOKEN",
    "DATABRICKS_METADATA_SERVICE_URL",
    "ARM_CLIENT_SECRET",
)

_RETRY_SECONDS: Final = 2
_HTTP_SECONDS: Final = 5.0
"""The SDK would try an unreachable host for five minutes (docs/wire/auth.md#network-calls)."""

_SERVING_VARIABLES: Final = ("IS_IN_DATABRICKS_MODEL_SERVING_ENV", "IS_IN_DB_MODEL_SERVING_ENV")
_SERVING_HOST_VARIABLES: Final = ("DATABRICKS_MODEL_SERVING_HOST_URL", "DB_MODEL_SERVING_HOST_URL")
_OF_THE_WORKSPACE: Final = frozenset({"account_id", "cluster_id", "warehouse_id", "workspace_id"})
"""What a profile says beside its host and who signs in."""

_SERVING_FOLDER: Final = "/var/credentials-secret"
_SERVING_FILE: Final = "model-dependencies-oauth-token"
"""Where model serving mounts a token (databricks-sdk 0.162, credentials_provider.py)."""

SIGN_IN: Final = (
    "Give host= and token=, set DATABRICKS_HOST and DATABRICKS_TOKEN (or DATABRICKS_CLIENT_ID and "
    "DATABRICKS_CLIENT_SECRET), or run `databricks auth login --host https://<workspace>`."
)


class SdkConfig(Protocol):
    """What is used of ``databricks.sdk.core.Config``."""

    @property
    def host(self) -> str | None:
        """The workspace, as the SDK has it."""
        ...

    def authenticate(self) -> dict[str, str]:
        """Return the headers that a request needs now."""
        ...


class _ServingToken:
    """The token that model serving mounts, for releases of databricks-sdk that do not read it."""

    def __init__(self, host: str, file: Path) -> None:
        self.host = host
        self._file = file

    def authenticate(self) -> dict[str, str]:
        """Return the header of the token that is mounted now: it is replaced while the process runs."""
        token = json.loads(self._file.read_text(encoding="utf-8"))["OAUTH_TOKEN"][0]["oauthTokenValue"]
        return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure of the chain, by words that its message has, all of them, in the SDK's releases 0.20 to 0.162."""

    words: tuple[str, ...]
    kind: type[DbxGatewayError]
    remedy: str


_FAILURES: Final = (
    _Failure(
        # To older releases (0.30) a host without OAuth endpoints is one for which no credential is configured.
        ("cannot configure default credentials", "Config: host=", ", client_id=", ", client_secret="),
        APIConnectionError,
        "The host did not say where to sign in (/oidc/.well-known/oauth-authorization-server could not be read). Check "
        "the host and the network.",
    ),
    _Failure(
        ("oauth-m2m: request failed",),
        APIConnectionError,
        "The host did not say where to sign in (/oidc/.well-known/oauth-authorization-server could not be read). Check "
        "the host and the network.",
    ),
    _Failure(("cannot configure default credentials",), ConfigurationError, SIGN_IN),
    _Failure(
        ("more than one authorization method",),
        ConfigurationError,
        "Set DATABRICKS_AUTH_TYPE to the one that is meant, unset the others, or give token=.",
    ),
    _Failure(
        ("profile configured",),
        ConfigurationError,
        "Check config_profile= or DATABRICKS_CONFIG_PROFILE against `databricks auth profiles`.",
    ),
    _Failure(("reserved section",), ConfigurationError, "Give the name of a profile as config_profile=."),
    _Failure(
        ("Invalid URL 'None'",),
        APIConnectionError,
        "The host did not say where to sign in (/.well-known/databricks-config could not be read). Check the host and "
        "the network, or set DATABRICKS_DISCOVERY_URL.",
    ),
    _Failure(
        ("azure-cli",), AuthenticationError, "Run `az login`, or choose another credential with DATABRICKS_AUTH_TYPE."
    ),
    _Failure(
        ("cannot get access token",), AuthenticationError, "Run `databricks auth login --host https://<workspace>`."
    ),
    _Failure(("databricks-cli",), AuthenticationError, "Run `databricks auth login --host https://<workspace>`."),
)


def open_config(host: str | None, profile: str | None, *, environment: bool = True) -> SdkConfig:
    """Build a ``Config`` from the environment, the config file and what is given; it may wait some seconds.

    A profile that is given is read alone: no variable changes whom it signs in, or where.

    Args:
        host: of the workspace.
        profile: a section of the config file.
        environment: whether variables may say who signs in.

    Raises:
        ConfigurationError: the credentials that would be taken are another host's.
        Exception: whatever the SDK raises; :func:`explained` makes a typed error of it.
    """
    if profile is not None:
        config = _config(_host_of_profile(profile, host), profile, environment=False)
    else:
        _check_profile_of_environment(host, environment=environment)
        mounted = None if _sdk_reads_serving_tokens() else _serving_token(host)
        config = mounted or _config(host, None, environment=environment)
    _check_mounted(config)
    return config


def _config(host: str | None, profile: str | None, *, environment: bool) -> SdkConfig:
    from databricks.sdk.core import Config  # noqa: PLC0415  # slow, and not needed for a static token

    class ConfigOfArguments(Config):
        """A ``Config`` that takes nothing from variables, which releases from 0.20 on read in this method."""

        def _load_from_env(self) -> None: ...

    if not environment and not hasattr(Config, "_load_from_env"):
        raise ConfigurationError(
            "this release of databricks-sdk cannot be kept from mixing the environment's credentials with others; give token="
        )

    Config.attributes()  # a subclass has those of its parent only once the parent has looked for them
    kind = Config if environment else ConfigOfArguments
    config = kind(
        credentials_strategy=_chain_in_turns(),
        host=host,
        profile=profile,
        config_file=os.environ.get("DATABRICKS_CONFIG_FILE"),
        databricks_cli_path=os.environ.get("DATABRICKS_CLI_PATH"),
        retry_timeout_seconds=_RETRY_SECONDS,
        http_timeout_seconds=_HTTP_SECONDS,
        product="dbx-gateway",
        product_version=__version__,
    )
    if not hasattr(config, "workspace_id"):  # older releases know no such setting; hosts that serve several need it
        config.workspace_id = os.environ.get("DATABRICKS_WORKSPACE_ID", "") if environment else ""
    return config


def _chain_in_turns() -> Any:
    """Return the SDK's chain, in which the command line is asked by one process at a time; None for the chain as it is."""
    from databricks.sdk.credentials_provider import DefaultCredentials  # noqa: PLC0415  # as slow as the rest

    chain = DefaultCredentials()
    members: list[Any] | None = getattr(chain, _MEMBERS, None)
    if members is None:  # releases before 0.57 have no such list, and do not force the command line to renew
        return None
    setattr(chain, _MEMBERS, [_InTurns(one) if one.auth_type() == "databricks-cli" else one for one in members])
    return chain


_MEMBERS: Final = "_auth_providers"
"""Where the SDK's chain has its strategies; it has no public way in."""


class _InTurns:
    """The SDK's strategy of the command line, whose login the processes of a user share.

    Args:
        inner: that strategy.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def auth_type(self) -> str:
        """Return the strategy's name."""
        return str(self._inner.auth_type())

    def oauth_token(self, config: Any) -> Any:
        """Return a token of the strategy."""
        return self._inner.oauth_token(config)

    def __call__(self, config: Any) -> Any:
        """Return what gives the headers; None where there is no command line, or no login."""
        if not (config.databricks_cli_path or shutil.which("databricks")):
            return self._inner(config)
        turns = Turns(lock_file(config.host or ""))
        config.disable_async_token_refresh = True  # in the background it would be out of turn
        provider = turns.take(lambda: self._inner(config))
        return provider if provider is None else _renewed_in_turns(provider, turns)


def _renewed_in_turns(provider: Any, turns: Turns) -> Any:
    """Return ``provider`` such that it asks the command line for a new token in a turn only."""
    from databricks.sdk.credentials_provider import OAuthCredentialsProvider  # noqa: PLC0415  # as slow as the rest

    last = turns.take(provider.oauth_token)

    def token() -> Any:
        nonlocal last
        last = provider.oauth_token() if last.valid else turns.take(provider.oauth_token)
        return last

    def headers() -> dict[str, str]:
        token()
        return dict(provider())

    return OAuthCredentialsProvider(headers, token)


def _host_of_profile(profile: str, host: str | None) -> str | None:
    """Return the one host that the credentials of ``profile`` may go to.

    Raises:
        ConfigurationError: ``host`` is another, or there is none.
    """
    section = _section(profile)
    if section is None:
        return host  # the SDK says what is wrong, with the names that there are
    own = section.get("host")
    if not own:
        if host is None:
            raise ConfigurationError(
                f"the profile {profile!r} names no host; give host= beside config_profile={profile!r}"
            )
        return host
    if host is not None and normalise_host(own) != host:
        raise ConfigurationError(
            f"host= is {host}, but the profile {profile!r} is for {normalise_host(own)}, and its credentials go nowhere "
            "else; leave host= out, or give token= or the profile of that host"
        )
    return normalise_host(own)


def _check_profile_of_environment(host: str | None, *, environment: bool) -> None:
    """Refuse to send the credentials of the environment's profile to a host that is not the profile's.

    Raises:
        ConfigurationError: they would be.
    """
    profile = os.environ.get("DATABRICKS_CONFIG_PROFILE") if environment else None
    section = _section(profile) if profile else None
    own = section.get("host") if section else None
    named = os.environ.get("DATABRICKS_HOST")
    where = host or named
    target = normalise_host(where) if where else None
    if section is None or not own or target is None or target == normalise_host(own):
        return
    if named and target == normalise_host(named) and _leaves_out(section):
        return
    raise ConfigurationError(
        f"the credentials of the profile {profile!r} (DATABRICKS_CONFIG_PROFILE) are for {normalise_host(own)}, and the "
        f"request goes to {target}; give token= or config_profile= for that host, or unset one of them"
    )


def _leaves_out(section: Mapping[str, str]) -> bool:
    """Whether the environment says all by itself who signs in, so that nothing of a profile but its host is left to say."""
    says_token = {"token"} if os.environ.get("DATABRICKS_TOKEN") else frozenset[str]()
    covered = _OF_THE_WORKSPACE | {"host"} | says_token
    return section.keys() <= covered and any(os.environ.get(name) for name in _SECRET_VARIABLES)


def _section(profile: str) -> dict[str, str] | None:
    """Return what the config file says under the name of ``profile``; None where there is no such section."""
    file = _config_file()
    return dict(file[profile]) if file.has_section(profile) else None


def _config_file() -> configparser.ConfigParser:
    path = os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg"
    # With another name for the section of defaults, DEFAULT is a section like others.
    file = configparser.ConfigParser(interpolation=None, default_section="\0")
    file.read(os.path.expanduser(path), encoding="utf-8")  # pathlib raises where there is no home
    return file


def host_in_config_file(profile: str | None) -> str | None:
    """Return the host of a profile as the Databricks config file has it (docs/wire/auth.md#credential-chain).

    Args:
        profile: a section of the file; None takes DATABRICKS_CONFIG_PROFILE, else the file's own default.
    """
    try:
        file = _config_file()
        default = file.get("__settings__", "default_profile", fallback="") or "DEFAULT"
        host = file.get(profile or os.environ.get("DATABRICKS_CONFIG_PROFILE") or default, "host", fallback="")
        return normalise_host(host) if host else None
    except (configparser.Error, UnicodeDecodeError, OSError, ConfigurationError):
        return None  # signing in says what is wrong with the file


def _check_mounted(config: SdkConfig) -> None:
    """Refuse to send the token that model serving mounts to another host than its own.

    Raises:
        ConfigurationError: it would be.
    """
    is_mounted = isinstance(config, _ServingToken) or getattr(config, "auth_type", None) == "model-serving"
    named = [name for name in map(os.environ.get, ("DATABRICKS_HOST", *_SERVING_HOST_VARIABLES)) if name]
    if is_mounted and named and normalise_host(config.host or "") not in map(normalise_host, named):
        raise ConfigurationError(
            f"the token that model serving mounts is for {normalise_host(named[0])}, and the request goes to {config.host}; "
            "give token= or config_profile= for that host"
        )


def _sdk_reads_serving_tokens() -> bool:
    from databricks.sdk import credentials_provider  # noqa: PLC0415  # as slow as the rest

    return hasattr(credentials_provider, "model_serving_auth")  # since 0.33


def _serving_token(host: str | None) -> _ServingToken | None:
    """Return the mounted token inside model serving, where nothing else is configured."""
    chosen = any(os.environ.get(name) for name in ("DATABRICKS_TOKEN", *CREDENTIAL_VARIABLES))
    inside = any(os.environ.get(name) == "true" for name in _SERVING_VARIABLES)
    where = host or next(filter(None, map(os.environ.get, _SERVING_HOST_VARIABLES)), None)
    file = Path(os.environ.get("SERVING_CREDENTIALS_DIR") or _SERVING_FOLDER, _SERVING_FILE)
    if chosen or not inside or where is None or not file.is_file():
        return None
    return _ServingToken(where, file)


def explained(error: Exception, tried: str) -> DbxGatewayError:
    """Return the typed error for what the SDK raised: what was tried, the SDK's words without secrets, and a remedy.

    Args:
        error: what was raised.
        tried: the credential that was asked for, in words.
    """
    text = _words(error)
    kind, remedy = _judged(error, text) or (AuthenticationError, SIGN_IN)
    return kind(f"{tried} gave no credentials: {text.rstrip('.')}. {_variables_set()}{remedy}")


def explained_of_object(error: Exception, tried: str, *, elsewhere: bool) -> DbxGatewayError:
    """Return the typed error for what an object of the caller raised when it was asked for credentials.

    Args:
        error: what was raised.
        tried: the setting that the object was given as.
        elsewhere: whether it was asked on another thread than its caller's.
    """
    text = _words(error)
    kind, remedy = _judged(error, text) or (AuthenticationError, _OF_ANOTHER_THREAD if elsewhere else _OF_THIS_THREAD)
    return kind(f"{tried} gave no credentials: {text.rstrip('.')}. {remedy}")


_OF_ANOTHER_THREAD: Final = (
    "An async call asks it on a fresh thread, which has the caller's context variables and no thread-locals. If it finds "
    "its user by the thread, call within `with dbx_gateway.acting_as(token):`, or give token= to an object of that request."
)
_OF_THIS_THREAD: Final = (
    "It was asked on the thread of the call. If it finds its user by the thread or by a context variable, call where that "
    "is set, or within `with dbx_gateway.acting_as(token):`."
)


def _words(error: Exception) -> str:
    return _without_secrets(str(error) or type(error).__name__)


def _judged(error: Exception, text: str) -> tuple[type[DbxGatewayError], str] | None:
    """Return the kind of a failure and its remedy; None where it says nothing that we know."""
    known = next((failure for failure in _FAILURES if all(word in text for word in failure.words)), None)
    if known is not None:
        return known.kind, known.remedy
    if any(isinstance(cause, OSError) and not hasattr(cause, "error_code") for cause in _causes(error)):
        return APIConnectionError, "Check the host, the network and the proxy."
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _variables_set() -> str:
    names = ("DATABRICKS_HOST", "DATABRICKS_TOKEN", *CREDENTIAL_VARIABLES)
    found = [name for name in names if os.environ.get(name)]
    return f"Set in the environment: {', '.join(found)}. " if found else "No credential variable is set. "


def _without_secrets(text: str) -> str:
    for name in _SECRET_VARIABLES:
        secret = os.environ.get(name)
        if secret:
            text = text.replace(secret, "***")
    return " ".join(text.split())
