"""What runs, and what does not because of the program itself: the rows of docs/programs.md."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIMITS", "PROGRAMS", "Limit", "Program"]


@dataclass(frozen=True)
class Program:
    """A program of another package that is run with models of this one.

    Args:
        package: the package, as the pinned list names it.
        runs: what of it runs.
        tests: the file of its tests, below ``tests/programs``.
    """

    package: str
    runs: str
    tests: str


@dataclass(frozen=True)
class Limit:
    """Something that does not work, in one version of a program, whatever the model.

    Args:
        package: the package, as the pinned list names it.
        version: the version that was tried.
        what: what does not work, and why.
    """

    package: str
    version: str
    what: str


PROGRAMS = (
    Program(
        "langchain",
        "`create_agent` with its middlewares for todo lists, summaries, human approval, limits of model and tool calls, "
        "fallback, retries of models and tools, refusals, personal data, selection and emulation of tools, context "
        "editing, errors of tools, file search and a shell",
        "test_middleware.py",
    ),
    Program(
        "deepagents",
        "`create_deep_agent` with tools, files and `DbxPromptCachingMiddleware`",
        "test_langgraph_programs.py",
    ),
    Program("langgraph-supervisor", "a supervisor that hands over to an agent", "test_langgraph_programs.py"),
    Program("trustcall", "an extractor that fills a class, and one that patches it", "test_langgraph_programs.py"),
    Program(
        "langmem",
        "memories made of a conversation; an agent with tools that search them by embeddings",
        "test_langgraph_programs.py",
    ),
    Program(
        "langchain-mcp-adapters",
        "an agent with tools of an MCP server over stdio: references, unions, patterns, no properties, odd names",
        "test_mcp.py",
    ),
    Program("llama-index-tools-mcp", "a `FunctionAgent` with the same tools", "test_mcp.py"),
    Program(
        "llama-index-core",
        "`AgentWorkflow` with a handoff; `PropertyGraphIndex` with its extractors by schema, by lines and dynamic; "
        "sub-question and router engines; evaluators of correctness, faithfulness, relevancy, guidelines and pairs",
        "test_llama_index_programs.py",
    ),
    Program(
        "langsmith", "traces sent to an endpoint: model, provider and tokens, no token of yours", "test_tracers.py"
    ),
    Program(
        "opentelemetry-instrumentation-langchain",
        "GenAI spans of an agent: model and tokens as billed",
        "test_tracers.py",
    ),
    Program(
        "openinference-instrumentation-langchain", "spans of an agent: model and tokens as billed", "test_tracers.py"
    ),
    Program(
        "openinference-instrumentation-llama-index", "spans of a chat: model and tokens as billed", "test_tracers.py"
    ),
    Program(
        "ragas", "a critic, faithfulness and relevancy, judged by LangChain's model and embeddings", "test_ragas.py"
    ),
)

LIMITS = (
    Limit(
        "ragas",
        "0.4.3",
        "cannot be imported beside langchain-community 0.4, which has no `chat_models.vertexai`: it runs with 0.3",
    ),
    Limit(
        "llama-index-tools-mcp",
        "0.4.8",
        "makes a class of each tool's schema, in which a `pattern` is lost: the model is not sent it",
    ),
    Limit(
        "opentelemetry-instrumentation-langchain",
        "0.62.4",
        "records nothing when it is started once more in the same process after `uninstrument`",
    ),
    Limit(
        "langchain",
        "1.5.2",
        "`ProviderToolSearchMiddleware` knows Anthropic's and OpenAI's own models only: with any other it raises a "
        "`ValueError` before anything is sent",
    ),
    Limit(
        "langchain",
        "1.5.2",
        "`ModelRouterMiddleware` and `AutoModeMiddleware` need a decision model, which is a class of its own and no chat "
        "model: they are not run",
    ),
)
