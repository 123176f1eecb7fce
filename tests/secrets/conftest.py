"""Hosts that answer as the test says, and who signs in with what."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lifecycles.front_ends import FRONT_ENDS, front_end

from dbx_gateway.testing import Workspace, serve

TOKEN = "s3cret-token-of-no-known-shape"
CLIENT_ID = "a-service-principal"
CLIENT_SECRET = "s3cret-of-the-service-principal"
HEADER = "s3cret-of-a-header"
PROMPT = "the fox asks where the geese sleep"


@dataclass(frozen=True)
class SignedIn:
    """Who signs in and how.

    Args:
        fields: the settings of the objects.
        secrets: what nobody may see.
    """

    fields: dict[str, Any]
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def server():
    """A workspace whose token looks like nothing in particular."""
    with serve(Workspace(token=TOKEN, clients={CLIENT_ID: CLIENT_SECRET})) as running:
        yield running


@pytest.fixture(params=["token", "environment", "service principal"])
def signed_in(request, server, monkeypatch):
    fields = {"model": "databricks-claude-sonnet-4-5", "surface": "ai-gateway"}
    match request.param:
        case "token":
            headers = {"x-team-key": HEADER}
            given = {"host": server.url, "token": TOKEN, "default_headers": headers}
            return SignedIn(fields | given, (TOKEN, HEADER))
        case "environment":
            monkeypatch.setenv("DATABRICKS_HOST", server.url)
            monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
            return SignedIn(fields, (TOKEN,))
        case _:
            monkeypatch.setenv("DATABRICKS_HOST", server.url)
            monkeypatch.setenv("DATABRICKS_CLIENT_ID", CLIENT_ID)
            monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", CLIENT_SECRET)
            return SignedIn(fields, (CLIENT_SECRET,))


@pytest.fixture(params=FRONT_ENDS)
def front(request):
    """Makes the front end of the test's parameter."""
    return lambda objects=None, **fields: front_end(request.param, objects, **fields)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, which its own file proves, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a host of the tests")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(pem))
    return str(path)


@pytest.fixture(scope="session")
def tls(certificate):
    """How a host of the tests speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
