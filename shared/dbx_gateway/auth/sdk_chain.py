"""databricks-sdk's credential chain, with bounds on its waiting and errors a user can act on.

This is the only module that imports databricks-sdk, and it does so inside functions: the import is slow, and a static
token needs none of it. Everything here may block on the network and belongs on a thread of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from dbx_gateway.errors import APIConnectionError, AuthenticationError, ConfigurationError, DbxGatewayError
from dbx_gateway.version import __version__

__all__ = ["CREDENTIAL_VARIABLES", "SIGN_IN", "SdkConfig", "explained", "open_config"]

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


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure of the chain, by words of the SDK's message (databricks-sdk 0.162, config.py, credentials_provider.py)."""

    words: str
    kind: type[DbxGatewayError]
    remedy: str


_FAILURES: Final = (
    _Failure("cannot configure default credentials", ConfigurationError, SIGN_IN),
    _Failure(
        "more than one authorization method",
        ConfigurationError,
        "Set DATABRICKS_AUTH_TYPE to the one that is meant, unset the others, or give token=.",
    ),
    _Failure(
        "profile configured",
        ConfigurationError,
        "Check config_profile= or DATABRICKS_CONFIG_PROFILE against `databricks auth profiles`.",
    ),
    _Failure("reserved section", ConfigurationError, "Give the name of a profile as config_profile=."),
    _Failure(
        "Invalid URL 'None'",
        APIConnectionError,
        "The host did not say where to sign in (/.well-known/databricks-config could not be read). Check the host and "
        "the network, or set DATABRICKS_DISCOVERY_URL.",
    ),
    _Failure(
        "azure-cli", AuthenticationError, "Run `az login`, or choose another credential with DATABRICKS_AUTH_TYPE."
    ),
    _Failure("cannot get access token", AuthenticationError, "Run `databricks auth login --host https://<workspace>`."),
    _Failure("databricks-cli", AuthenticationError, "Run `databricks auth login --host https://<workspace>`."),
)


def open_config(host: str | None, profile: str | None) -> SdkConfig:
    """Build a ``Config`` from the environment, the config file and what is given; it may wait some seconds.

    Args:
        host: of the workspace.
        profile: a section of the config file.

    Raises:
        Exception: whatever the SDK raises; :func:`explained` makes a typed error of it.
    """
    from databricks.sdk.core import Config  # noqa: PLC0415  # slow, and not needed for a static token

    config: SdkConfig = Config(
        host=host,
        profile=profile,
        retry_timeout_seconds=_RETRY_SECONDS,
        http_timeout_seconds=_HTTP_SECONDS,
        product="dbx-gateway",
        product_version=__version__,
    )
    return config


def explained(error: Exception, tried: str) -> DbxGatewayError:
    """Return the typed error for what the SDK raised: what was tried, the SDK's words without secrets, and a remedy.

    Args:
        error: what was raised.
        tried: the credential that was asked for, in words.
    """
    text = _without_secrets(str(error) or type(error).__name__)
    known = next((failure for failure in _FAILURES if failure.words in text), None)
    if known is not None:
        kind, remedy = known.kind, known.remedy
    elif any(isinstance(cause, OSError) and not hasattr(cause, "error_code") for cause in _causes(error)):
        kind, remedy = APIConnectionError, "Check the host, the network and the proxy."
    else:
        kind, remedy = AuthenticationError, SIGN_IN
    return kind(f"{tried} gave no credentials: {text.rstrip('.')}. {_variables_set()}{remedy}")


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
