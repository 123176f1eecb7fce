"""Hosts as users write them, and the origins that credentials may be sent to."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.surfaces import APPS_DOMAIN, Surface

__all__ = [
    "HostOrigin",
    "is_app",
    "is_base_address",
    "is_loopback",
    "normalise_host",
    "origin_of",
    "surface_named_by",
]

HostOrigin = tuple[str, str, int]
"""Scheme, host name and port: what must be equal for a credential to be sent."""

_PORTS: Final = {"https": 443, "http": 80}

_APIS: Final = r"(?:anthropic|openai|mlflow|gemini|codex|cursor)"
_CALLS: Final = r"(?:messages|responses|open-responses|chat/completions|embeddings|models)"
_KNOWN_SUFFIX: Final = re.compile(
    rf"/(?P<surface>serving-endpoints|ai-gateway)(?:/{_APIS})?(?:/v1(?:beta)?)?(?P<call>/{_CALLS})?", re.IGNORECASE
)
"""Paths of base URLs that users paste from other clients' settings.

Source: docs/wire/surfaces.md#model-serving, #ai-gateway; docs/wire/auth.md#host-names.
"""

_GATEWAY_SUFFIX: Final = re.compile(rf"/{_APIS}(?:/v1(?:beta)?)?(?:/{_CALLS})?", re.IGNORECASE)
"""The same on the gateway's own host, which has no prefix (docs/wire/surfaces.md#dedicated-gateway-host)."""

_IN_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9._:\s-]")
"""What httpx would write as ``%3C`` or the like, which is then another name; spaces have an error of their own."""


def normalise_host(text: str) -> str:
    """Return a workspace's host as ``https://name`` (with its port where that is unusual), whatever form it came in.

    A missing scheme becomes https; a query (``?o=123``), a fragment and the path of a known API are taken off.

    Args:
        text: a host name or URL, as copied from a browser or another client's settings.

    Raises:
        ConfigurationError: it is empty, has another path, holds a password, or is plain http to another machine.
    """
    whole = text.strip()
    shown = whole.rsplit("@", 1)[-1]  # what errors may show: a password can stand before it
    parts = _split(whole if "://" in whole else f"https://{whole}", shown)
    name = _ascii((parts.hostname or "").lower(), shown)
    if not name or any(character.isspace() for character in parts.netloc):
        raise ConfigurationError(f"the host {shown!r} has no name; give https://<workspace>")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"the host {name!r} has a user name or password in it; give token= instead")
    if parts.scheme not in _PORTS:
        raise ConfigurationError(f"the host {shown!r} is not an http URL; give https://{name}")
    if parts.scheme == "http" and not is_loopback(name):
        raise ConfigurationError(f"the host {shown!r} is plain http, which would show the token; give https://{name}")
    host = f"{parts.scheme}://{_netloc(parts, name)}"
    if not _is_known(parts.path.rstrip("/"), name):
        raise ConfigurationError(
            f"the host {shown!r} has a path, {parts.path!r}; give {host} alone, or the whole URL of one endpoint as "
            "endpoint_url="
        )
    return host


def surface_named_by(text: str) -> Surface | None:
    """Return the surface that the path of a workspace's address names; None where it names none.

    Args:
        text: a host name or URL, as :func:`normalise_host` takes it.

    Raises:
        ConfigurationError: it is no URL.
    """
    whole = text.strip()
    parts = _split(whole if "://" in whole else f"https://{whole}", whole.rsplit("@", 1)[-1])
    path = parts.path.rstrip("/")
    if (found := _KNOWN_SUFFIX.fullmatch(path)) is not None:
        return "ai-gateway" if found["surface"].lower() == "ai-gateway" else "model-serving"
    return "ai-gateway" if path and _is_known(path, (parts.hostname or "").lower()) else None


def is_base_address(path: str) -> bool:
    """Whether the path of a URL is that of a surface, or of one of its prefixes, below which the endpoints are."""
    found = _KNOWN_SUFFIX.fullmatch(path.rstrip("/"))
    return found is not None and found["call"] is None


def origin_of(url: str) -> HostOrigin:
    """Return the origin of ``url``.

    Raises:
        ConfigurationError: it is no URL.
    """
    parts = _split(url, url)
    return parts.scheme, _ascii((parts.hostname or "").lower(), url), _port(parts)


def is_app(url: str) -> bool:
    """Whether ``url`` is at a Databricks App: a program of somebody's own, at ``https://<app>.databricksapps.com``."""
    scheme, name, port = origin_of(url)
    return (scheme, port) == ("https", 443) and name.endswith(APPS_DOMAIN)


def is_loopback(name: str) -> bool:
    """Whether a host name can only mean this machine."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _split(url: str, shown: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port(parts)
        _check_name(parts.hostname or "")
    except ValueError as error:
        raise ConfigurationError(f"the host {shown!r} is no URL: {error}; give https://<workspace>") from None
    return parts


def _ascii(name: str, shown: str) -> str:
    """Return a host name as it is sent: letters beyond ASCII in their ``xn--`` form.

    Raises:
        ConfigurationError: it, or what its ``xn--`` form stands for, is no host name.
    """
    if name.isascii() and "xn--" not in name:
        return name
    try:
        url = httpx.URL(f"https://{name}")
        sent = url.raw_host.decode()
        str(url.host)  # decodes it, as httpx does while it sends
    except (UnicodeError, httpx.InvalidURL):
        raise ConfigurationError(
            f"the host {shown!r} has a name that is none in any language (IDNA); give https://<workspace>"
        ) from None
    return sent


def _check_name(name: str) -> None:
    if not name.isascii():
        return  # :func:`_ascii` refuses what IDNA does not know
    name.encode("idna")  # as the resolver does: no label is empty or longer than 63 letters
    if refused := _IN_NO_NAME.search(name):
        msg = f"a host name cannot hold {refused[0]!r}"
        raise ValueError(msg)


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)


def _netloc(parts: SplitResult, name: str) -> str:
    shown = f"[{name}]" if ":" in name else name
    port = _port(parts)
    return shown if port == _PORTS[parts.scheme] else f"{shown}:{port}"


def _is_known(path: str, name: str) -> bool:
    if not path or _KNOWN_SUFFIX.fullmatch(path):
        return True
    return ".ai-gateway." in name and _GATEWAY_SUFFIX.fullmatch(path) is not None
