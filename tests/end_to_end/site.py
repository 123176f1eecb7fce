"""One served workspace as tests see it: clients for it, and what it was asked."""

from __future__ import annotations

from dbx_gateway import AsyncClient, Client, ToolSpec
from dbx_gateway.testing import Entry, Fault, Workspace

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-2"
GEMINI = "databricks-gemini-3-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"

NATIVE = {"messages": CLAUDE, "responses": GPT, "generate-content": GEMINI, "chat-completions": LLAMA}
"""One model for each api, whose family speaks it before any other."""

PROBE = "/ai-gateway/anthropic/v1/models"
METADATA = "/api/2."
TOKENS = "/oidc/v1/token"

CODES = {
    400: "BAD_REQUEST",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    422: "BAD_REQUEST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
}
"""What the error body of a fault says, so that it agrees with its status."""

ADD = ToolSpec(
    name="add",
    description="Adds two numbers.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)


class Site:
    """A served workspace."""

    def __init__(self, workspace: Workspace, url: str) -> None:
        self.workspace = workspace
        self.url = url

    def fields(self, model: str = CLAUDE, **fields) -> dict:
        return {"model": model, "host": self.url, "token": self.workspace.token, **fields}

    def client(self, model: str = CLAUDE, *, observations=None, **fields) -> Client:
        return Client(observations=observations, **self.fields(model, **fields))

    def async_client(self, model: str = CLAUDE, *, observations=None, **fields) -> AsyncClient:
        return AsyncClient(observations=observations, **self.fields(model, **fields))

    def fail(self, *, where: str = "", times: int | None = 1, **fault) -> None:
        """Let the next requests to ``where`` fail."""
        if fault.get("status") in CODES:
            fault.setdefault("error_code", CODES[fault["status"]])
        self.workspace.inject(Fault(**fault), times=times, where=where)

    def heal(self) -> None:
        self.workspace.clear_faults()

    def asked(self, where: str = "") -> list[Entry]:
        return self.workspace.ledger.entries(where)

    def posts(self, where: str = "") -> list[Entry]:
        """Requests to models, those that a fault answered included."""
        return [entry for entry in self.asked(where) if entry.method == "POST" and "/oidc/" not in entry.path]

    def paths(self) -> list[str]:
        """The paths of the requests to models, in order."""
        return [entry.path for entry in self.posts()]

    def statuses(self) -> list[int]:
        return [entry.status for entry in self.posts()]


class Principal:
    """A service principal's credentials in the environment: OAuth tokens that the workspace itself gives out."""

    ID = "simulated-client"
    SECRET = "simulated-secret"

    @classmethod
    def sign_in(cls, monkeypatch, site: Site) -> None:
        monkeypatch.setenv("DATABRICKS_HOST", site.url)
        monkeypatch.setenv("DATABRICKS_CLIENT_ID", cls.ID)
        monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", cls.SECRET)
