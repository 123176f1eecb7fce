"""``DbxGateway``: LlamaIndex's LLM for every model a Databricks workspace serves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, Final

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # there, but not in an __all__
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools.types import BaseTool
from llama_index.core.types import Model, PydanticProgramMode
from pydantic import ConfigDict

from dbx_gateway.adapters.vendor_forms import choice_of, format_of
from dbx_gateway.chat import ToolChoice
from dbx_gateway.errors import ExtractionError
from dbx_gateway.events import Event
from dbx_gateway.markers import documented
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.names import check_family
from dbx_gateway.transport.async_streams import Derived
from llama_index_dbx_gateway.answers import chat_response, completion, first_call_only
from llama_index_dbx_gateway.gateway_fields import GatewayFields
from llama_index_dbx_gateway.messages import to_core
from llama_index_dbx_gateway.streaming import Snapshots, aopened, closed_when_left, closed_when_left_async, opened
from llama_index_dbx_gateway.structured import Structure
from llama_index_dbx_gateway.tools import described, executable_calls, finish_reason, specs_of

__all__ = ["DbxGateway"]

_WINDOW: Final = 128_000
"""Context window assumed for a model without a known one: no chat model in the table of profiles has less."""
_ROOM: Final = 8_192
"""Tokens reserved for an answer where ``max_tokens`` is not set; the core's own default where an api needs one."""

_dispatcher = get_dispatcher(__name__)


@documented
class DbxGateway(GatewayFields, FunctionCallingLLM):
    """Any model a Databricks workspace serves, on Model Serving and AI Gateway.

    Constructing one needs no network and no credentials, and neither does ``metadata``.

    Args:
        model: name of the serving endpoint or model service: ``databricks-…``, ``system.ai.…`` or your own.
        temperature: sent only if set, like every option that shapes an answer (``top_p``, ``stop``, ``seed``, …).
        max_tokens: tokens of the answer at most, reasoning included.
        reasoning_effort: ``none``, ``minimal``, ``low``, ``medium``, ``high``, ``xhigh`` or ``max``.
        thinking: True, False, ``"auto"`` or a budget in tokens.
        host, token, config_profile, workspace_client: where to sign in and as whom; by default as every Databricks tool.
        surface: ``auto``, ``ai-gateway`` or ``model-serving``.
        context_window, is_function_calling_model: override what is known about the model.
        **others: the other settings of ``dbx_gateway.Settings``, and LlamaIndex's own (``system_prompt``,
            ``callback_manager``, ``pydantic_program_mode``, …).

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest) or does not fit.

    Examples:
        `pip install 'dbx-gateway[llama-index]'`

        ```python
        from llama_index.core.agent.workflow import FunctionAgent
        from llama_index_dbx_gateway import DbxGateway

        llm = DbxGateway(model="databricks-claude-sonnet-4-5")
        print(llm.complete("What is a lakehouse?"))

        def add(a: int, b: int) -> int:
            return a + b

        agent = FunctionAgent(llm=llm, tools=[add])
        print(await agent.run("What is 2 plus 3?"))
        ```
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=(), defer_build=False)

    context_window: int | None = None
    """Tokens of prompt and answer together; None uses what is known about the model."""
    is_function_calling_model: bool | None = None
    """Whether the model calls tools; None uses what is known about it."""

    @classmethod
    def class_name(cls) -> str:
        """Return the name that stands for this class in serialised forms."""
        return "DbxGateway"

    @property
    def metadata(self) -> LLMMetadata:
        """What is known about the model, without a request."""
        profile = self._profile()
        window = self.context_window or profile.context_window or _WINDOW
        room = min(profile.max_output or _ROOM, _ROOM, window // 4)
        calls = profile.tools if self.is_function_calling_model is None else self.is_function_calling_model
        return LLMMetadata(
            context_window=window,
            num_output=self.max_tokens or room,
            is_chat_model=True,
            is_function_calling_model=calls,
            model_name=self.model,
            system_role=MessageRole.SYSTEM,
        )

    def _profile(self) -> Profile:
        return profile_of(self.model, check_family(self.family) if self.family is not None else None)

    def to_payload(self) -> dict[str, Any]:
        """Return what traces show of this object: the model and its options, no secret."""
        inherited = getattr(super(), "to_payload", dict)  # LlamaIndex's older versions have none
        own = {"class_name": self.class_name(), "model": self.model, "temperature": self.temperature}
        return {**inherited(), **own}

    # --- the eight methods ---------------------------------------------------------------------------------------

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Return the model's answer.

        Args:
            messages: the conversation so far; not changed.
            **kwargs: ``tools``, ``tool_choice``, ``response_format``, and settings for this call only.

        Raises:
            InvalidRequestError: the request is invalid; nothing was sent.
            DbxGatewayError: the call failed.
        """
        return self._chat(messages, **kwargs)

    @closed_when_left
    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Yield the answer as it arrives: ``delta`` is what is new, ``message`` is all so far.

        Tool calls may be executed only once the stream has ended. Arguments and errors are those of ``chat``.
        """
        return opened(self._stream_chat(messages, **kwargs))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Return the model's answer without blocking the event loop; see :meth:`chat`."""
        return await self._achat(messages, **kwargs)

    @closed_when_left_async
    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Return a stream of the answer as it arrives; see :meth:`stream_chat`."""
        return aopened(self._astream_chat(messages, **kwargs))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002
        """Return the model's answer to one text; see :meth:`chat`."""
        return completion(self._chat(self._user_messages(prompt, formatted=formatted), **kwargs))

    @closed_when_left
    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: FBT001, FBT002
        """Yield the answer to one text as it arrives; see :meth:`stream_chat`."""
        return opened(self._stream_complete(self._user_messages(prompt, formatted=formatted), **kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002
        """Return the model's answer to one text without blocking the event loop; see :meth:`chat`."""
        return completion(await self._achat(self._user_messages(prompt, formatted=formatted), **kwargs))

    @closed_when_left_async
    @llm_completion_callback()
    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002  # LlamaIndex's own argument
        **kwargs: Any,
    ) -> CompletionResponseAsyncGen:
        """Return a stream of the answer to one text as it arrives; see :meth:`stream_chat`."""
        return aopened(self._astream_complete(self._user_messages(prompt, formatted=formatted), **kwargs))

    # --- the same without callbacks, so that one call is counted once --------------------------------------------

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        single, options = self._options(kwargs)
        answer = self._client.chat(to_core(messages), **options)
        response = chat_response(answer, options.get("model") or self.model)
        return first_call_only(response) if single else response

    async def _achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        single, options = self._options(kwargs)
        answer = await self._async_client.chat(to_core(messages), **options)
        response = chat_response(answer, options.get("model") or self.model)
        return first_call_only(response) if single else response

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        single, options = self._options(kwargs)
        snapshots = Snapshots(options.get("model") or self.model, single=single)
        with closing(self._client.stream(to_core(messages), **options)) as events:
            for event in events:
                if (response := snapshots.of(event)) is not None:
                    yield response

    def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        single, options = self._options(kwargs)
        snapshots = Snapshots(options.get("model") or self.model, single=single)

        def snapshot(event: Event) -> list[ChatResponse]:
            return [response] if (response := snapshots.of(event)) is not None else []

        return Derived(lambda: self._async_client.stream(to_core(messages), **options), snapshot)

    def _stream_complete(self, messages: Sequence[ChatMessage], **kwargs: Any) -> CompletionResponseGen:
        with closing(self._stream_chat(messages, **kwargs)) as responses:
            for response in responses:
                yield completion(response)

    def _astream_complete(self, messages: Sequence[ChatMessage], **kwargs: Any) -> CompletionResponseAsyncGen:
        return Derived(lambda: self._astream_chat(messages, **kwargs), lambda response: [completion(response)])

    def _user_messages(self, prompt: str, *, formatted: bool) -> list[ChatMessage]:
        """Return one user message; a prompt that is not formatted yet goes through ``completion_to_prompt``."""
        text = prompt if formatted or self.completion_to_prompt is None else self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=text)]

    def _options(self, kwargs: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        """Return whether to return one tool call at most, and the core's arguments for LlamaIndex's."""
        options = {name: value for name, value in kwargs.items() if value is not None}
        single = options.pop("allow_parallel_tool_calls", True) is False
        required = options.pop("tool_required", False)
        tools = specs_of(options.pop("tools", None))
        choice = choice_of(options.pop("tool_choice", None), [tool.name for tool in tools])
        if required and (choice is None or choice.mode == "required"):
            choice = replace(choice or ToolChoice("required"), outranks_thinking=True)
        output = format_of(options.pop("response_format", None))
        return single, {"tools": tools, "tool_choice": choice, "output": output, **options}

    # --- tools ---------------------------------------------------------------------------------------------------

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002, FBT001, FBT002  # LlamaIndex's own argument; nothing here prints
        allow_parallel_tool_calls: bool = False,  # noqa: FBT001, FBT002  # LlamaIndex's own argument
        tool_required: bool = False,  # noqa: FBT001, FBT002  # LlamaIndex's own argument
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the arguments of a chat with tools.

        One call at a time (LlamaIndex's default) is applied to the answer and not sent to the model: few models take such
        an option, and the caller may not have meant it. The setting ``parallel_tool_calls`` is sent to the model.
        """
        messages = list(chat_history or [])
        if user_msg is not None:
            message = ChatMessage(role=MessageRole.USER, content=user_msg) if isinstance(user_msg, str) else user_msg
            messages.append(message)
        if not tools:
            return {"messages": messages, **kwargs}
        choice: dict[str, Any] = {"tool_required": True} if tool_required else {}
        if tool_choice is not None:
            choice["tool_choice"] = tool_choice
        single = {} if allow_parallel_tool_calls else {"allow_parallel_tool_calls": False}
        return {"messages": messages, "tools": [described(tool) for tool in tools], **choice, **single, **kwargs}

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],  # noqa: ARG002  # LlamaIndex's own argument
        allow_parallel_tool_calls: bool = False,  # noqa: FBT001, FBT002  # LlamaIndex's own argument
        **kwargs: Any,  # noqa: ARG002  # LlamaIndex's own argument
    ) -> ChatResponse:
        return response if allow_parallel_tool_calls else first_call_only(response)

    def predict_and_call(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """Let the model choose a tool, call it, and return its result; a model without tool calling is prompted in text."""
        return super().predict_and_call(tools, *args, **self._in_words(kwargs))

    async def apredict_and_call(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """Do the same without blocking the event loop; see :meth:`predict_and_call`."""
        return await super().apredict_and_call(tools, *args, **self._in_words(kwargs))

    def _in_words(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with the formatter and parser that LlamaIndex's text prompting needs."""
        if self.metadata.is_function_calling_model:
            return kwargs
        # The import reads the framework's templates, so it waits until they are needed.
        from llama_index.core.agent.react import ReActChatFormatter, ReActOutputParser  # noqa: PLC0415

        return {"react_chat_formatter": ReActChatFormatter(), "output_parser": ReActOutputParser(), **kwargs}

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,  # noqa: FBT001, FBT002  # LlamaIndex's own argument
        **kwargs: Any,  # noqa: ARG002  # LlamaIndex's own argument
    ) -> list[ToolSelection]:
        """Return the tool calls of an answer that may be executed.

        Calls of an answer that is still streaming are not among them.

        Raises:
            ExtractionError: the answer has ended, and a call in it is cut, names no tool, or has no JSON object.
            ValueError: there are none, and ``error_on_no_tool_call`` is set.
        """
        found, cut = executable_calls(response.message)
        if cut and (reason := finish_reason(response)) is not None:
            number = f"{cut} of {cut + len(found)} tool calls of {self.model!r} must not be run"
            raise ExtractionError(f"{number}: cut (finish reason {reason}), without a name, or without one JSON object")
        if error_on_no_tool_call and not found:
            others = f"; {cut} cut or malformed, which are not to be executed" if cut else ""
            raise ValueError(f"Expected at least one tool call, but got 0 tool calls{others}.")
        return found

    # --- structured prediction -----------------------------------------------------------------------------------

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Return the answer to a prompt as an object of ``output_cls``.

        Args:
            output_cls: a pydantic class.
            prompt: a template.
            llm_kwargs: arguments of the chat.
            **prompt_args: values for the template.

        Raises:
            ExtractionError: the answer is no such object.
        """
        structure = self._structure(output_cls)
        if structure is None:
            predicted: Model = super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return predicted
        _dispatcher.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        response = self.chat(self._prompted(prompt, prompt_args), **structure.options(llm_kwargs))
        found = structure.parsed(response)
        _dispatcher.event(LLMStructuredPredictEndEvent(output=found))
        return found

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Return the answer as an object without blocking the event loop; see :meth:`structured_predict`."""
        structure = self._structure(output_cls)
        if structure is None:
            predicted: Model = await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return predicted
        _dispatcher.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        response = await self.achat(self._prompted(prompt, prompt_args), **structure.options(llm_kwargs))
        found = structure.parsed(response)
        _dispatcher.event(LLMStructuredPredictEndEvent(output=found))
        return found

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        structure = self._structure(output_cls)
        if structure is None:
            return super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._grow(structure, self._prompted(prompt, prompt_args), structure.options(llm_kwargs))

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        structure = self._structure(output_cls)
        if structure is None:
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._agrow(structure, self._prompted(prompt, prompt_args), structure.options(llm_kwargs))

    def _grow(
        self, structure: Structure[Any], messages: list[ChatMessage], options: dict[str, Any]
    ) -> Generator[Any, None, None]:
        response: ChatResponse | None = None
        with closing(self.stream_chat(messages, **options)) as responses:
            for response in responses:
                if (found := structure.grown(response)) is not None:
                    yield found
        if response is not None:
            yield structure.parsed(response)

    async def _agrow(
        self, structure: Structure[Any], messages: list[ChatMessage], options: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        response: ChatResponse | None = None
        async with aclosing(await self.astream_chat(messages, **options)) as responses:
            async for response in responses:
                if (found := structure.grown(response)) is not None:
                    yield found
        if response is not None:
            yield structure.parsed(response)

    def _prompted(self, prompt: PromptTemplate, prompt_args: dict[str, Any]) -> list[ChatMessage]:
        return self._extend_messages(prompt.format_messages(llm=self, **prompt_args))

    def _structure(self, output_cls: type[Model]) -> Structure[Model] | None:
        """Return how to request an object; None where LlamaIndex's own programs were chosen.

        A JSON schema where the model supports one; else a forced tool. A model that cannot be forced, or that thinks,
        which forbids forcing, gets the schema in its prompt from the core.
        """
        profile = self._profile()
        match self.pydantic_program_mode:
            case PydanticProgramMode.DEFAULT:
                thinks = self.thinking not in (None, False) or self.reasoning_effort is not None
                forced = self.metadata.is_function_calling_model and profile.forced_tool_choice and not thinks
                return Structure(output_cls, by_tool=not profile.structured_output and forced)
            case PydanticProgramMode.FUNCTION:
                return Structure(output_cls, by_tool=True)
            case _:
                return None
