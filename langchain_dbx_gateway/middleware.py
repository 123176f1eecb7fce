"""Middleware for LangChain's agents.

It needs ``langchain``, which the extra does not bring: ``pip install 'dbx-gateway[langchain]' langchain``.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from typing import Any, Final, Literal, TypeVar

if find_spec("langchain") is None:
    raise ImportError("langchain_dbx_gateway.middleware needs langchain; install it with: pip install langchain")

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime

from dbx_gateway.adapters.vendor_forms import cache_hint_of, with_cache_mark
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.names import check_family
from langchain_dbx_gateway.chat_models import ChatDbxGateway
from langchain_dbx_gateway.errors import translated
from langchain_dbx_gateway.history import without_attachments

__all__ = ["DbxLightHistoryMiddleware", "DbxPromptCachingMiddleware"]

M = TypeVar("M", bound=BaseMessage)

_MARKED_MESSAGES: Final = 2
"""The last message of this request, and the last one of the request before: what was cached then is found again even
when a turn added many blocks. With the system prompt and the tools that makes four marks, the most that are accepted."""


class DbxPromptCachingMiddleware(AgentMiddleware[Any, Any, Any]):
    """Have the system prompt, the tools and the conversation so far cached, where the model accepts cache marks.

    From the second turn on, what was sent before is then read from the cache, at a fraction of its price. Only requests
    are marked; the agent's state and the caller's tools and messages are not changed.

    A model that accepts no marks gets requests without any: other vendors cache by themselves, or not at all.

    Example:
        >>> create_agent(llm, tools, middleware=[DbxPromptCachingMiddleware()])  # doctest: +SKIP

    Args:
        ttl: how long the cache lives after its last use: ``"5m"`` or ``"1h"``.
        min_messages: leave shorter conversations alone; the system message counts.
        unsupported: what to do with a model that accepts no marks: ``"ignore"`` it, ``"warn"``, or ``"raise"``.
    """

    def __init__(
        self,
        ttl: Literal["5m", "1h"] = "5m",
        *,
        min_messages: int = 0,
        unsupported: Literal["ignore", "warn", "raise"] = "warn",
    ) -> None:
        super().__init__()
        self.ttl = ttl
        self.min_messages = min_messages
        self.unsupported = unsupported

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Mark a request before it is sent.

        Raises:
            InvalidRequestError: the model accepts no cache marks, and ``unsupported`` is ``"raise"``.
        """
        return handler(self._marked(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Mark a request before it is sent; see :meth:`wrap_model_call`."""
        return await handler(self._marked(request))

    def _marked(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        if not self._takes_marks(request.model):
            return request
        count = len(request.messages) + (request.system_message is not None)
        if count < self.min_messages:
            return request
        system = request.system_message
        return request.override(
            system_message=_marked_message(system, self.ttl) if system is not None else None,
            tools=_marked_tools(request.tools, self.ttl),
            messages=_marked_messages(request.messages, self.ttl),
        )

    def _takes_marks(self, model: object) -> bool:
        why = _why_not(model)
        if why is None:
            return True
        match self.unsupported:
            case "raise":
                with translated():
                    raise InvalidRequestError(
                        f"{why}; leave DbxPromptCachingMiddleware out, or set unsupported='ignore'"
                    )
            case "warn":
                warnings.warn(f"{why}: the request is sent without cache marks", stacklevel=4)
            case "ignore":
                pass
        return False


def _why_not(model: object) -> str | None:
    if not isinstance(model, ChatDbxGateway):
        return f"a {type(model).__name__} is not a ChatDbxGateway"
    family = check_family(model.family) if model.family is not None else None
    if profile_of(model.model, family).prompt_caching:
        return None
    return f"{model.model!r} accepts no cache marks"


def _marked_messages(messages: Sequence[Any], ttl: str) -> list[Any]:
    """Mark the ends of this request and of the one before: the messages in front of an answer, or at the very end."""
    marked = list(messages)
    ends = [at for at in range(len(marked)) if at + 1 == len(marked) or isinstance(marked[at + 1], AIMessage)]
    takers = [at for at in ends if isinstance(marked[at], HumanMessage | ToolMessage)]
    for at in takers[-_MARKED_MESSAGES:]:
        marked[at] = _marked_message(marked[at], ttl)
    return marked


def _marked_message(message: M, ttl: str) -> M:
    """Return ``message`` with a mark on its last block; one that is empty or marked already stays as it is."""
    content: Any = message.content
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) and content else content
    if not blocks or any(isinstance(block, dict) and cache_hint_of(block) for block in blocks):
        return message
    last = {"type": "text", "text": blocks[-1]} if isinstance(blocks[-1], str) else blocks[-1]
    return message.model_copy(update={"content": [*blocks[:-1], with_cache_mark(last, ttl)]})


def _marked_tools(tools: Sequence[Any], ttl: str) -> list[Any]:
    """Mark the last tool: one mark at the end has them all cached."""
    if not tools:
        return []
    *others, last = tools
    if isinstance(last, BaseTool):
        return [*others, last.model_copy(update={"extras": with_cache_mark(last.extras or {}, ttl)})]
    return [*others, with_cache_mark(last, ttl)]


class DbxLightHistoryMiddleware(AgentMiddleware[Any, Any, Any]):
    """Keep an agent's history light: an attached file is sent in full in the turn it comes with, then stored as a note.

    When the agent has answered, each image, PDF, audio, video or other file in its state is replaced by a text block with
    its name, media type and size, so that a checkpointer stores no bytes and later turns send none.

    Example:
        >>> create_agent(llm, tools, checkpointer=saver, middleware=[DbxLightHistoryMiddleware()])  # doctest: +SKIP
    """

    def after_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:  # noqa: ARG002  # LangChain's hook
        """Replace the messages that carry files; a message keeps its id, so it keeps its place."""
        messages = state["messages"]
        pairs = zip(messages, without_attachments(messages), strict=True)
        changed = [light for heavy, light in pairs if light is not heavy]
        return {"messages": changed} if changed else None
