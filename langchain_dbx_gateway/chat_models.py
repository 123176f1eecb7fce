"""``ChatDbxGateway``: LangChain's chat model for every model a Databricks workspace serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, ClassVar, Self

from langchain_core import __version__ as core_version
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, model_validator

from dbx_gateway.adapters.client_fields import ClientFields
from dbx_gateway.adapters.vendor_forms import JSON_FORMAT, choice_of, is_one_call_at_a_time, schema_format, schema_tool
from dbx_gateway.chat import ChatResponse
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.markers import documented, settings_of
from dbx_gateway.notices import warn_once
from dbx_gateway.settings import Lost, named_values, reasoning_config
from dbx_gateway.transport.async_streams import Derived
from dbx_gateway.version import __version__
from langchain_dbx_gateway.acting import ActingChatModel, each_within
from langchain_dbx_gateway.answers import PROVIDER, answer_messages, combined_outputs, llm_output
from langchain_dbx_gateway.cache_keys import keyed, traced
from langchain_dbx_gateway.call_arguments import arguments_of, check_options
from langchain_dbx_gateway.chunks import Chunks
from langchain_dbx_gateway.errors import translated
from langchain_dbx_gateway.message_events import MessageEvents
from langchain_dbx_gateway.messages import to_core
from langchain_dbx_gateway.model_profile import OwnProfile, profile_data
from langchain_dbx_gateway.structured import AnswerParser, Method, ParsedChunks, form_of, with_parsed, with_raw
from langchain_dbx_gateway.tools import (
    class_of,
    described,
    described_format,
    schema_of,
    specs_of,
)

__all__ = ["ChatDbxGateway"]

_OF_PROFILE = ("model", "family")


@documented
class ChatDbxGateway(ClientFields, ActingChatModel):
    """Chat with any model a Databricks workspace serves, on Model Serving and AI Gateway.

    Constructing one needs no network and no credentials. One object may be used from many threads and from one event
    loop after another, and survives fork, pickle and copies.

    Example:
        >>> llm = ChatDbxGateway(model="databricks-claude-sonnet-4-5")  # doctest: +SKIP
        >>> llm.invoke("What is a lakehouse?").text  # doctest: +SKIP

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest) or does not fit.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        defer_build=False,
    )

    product: ClassVar[str] = f"langchain-core/{core_version}"

    streaming: bool | None = None
    """Stream also where a complete answer is requested, so that callbacks receive it in pieces."""

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if isinstance(values.get("profile"), str):
            raise ConfigurationError(
                "profile holds what LangChain knows about the model; for the section of the Databricks config file give "
                f"config_profile={values['profile']!r}"
            )
        markers = settings_of(cls)
        lost = {name: Lost() for name in values.get("lost", ()) if name in markers and not markers[name].shown}
        # Another object's: LangChain makes objects of the fields of others, maybe for another model.
        stale = isinstance(values.get("profile"), OwnProfile)
        fields = {name: value for name, value in values.items() if name != "lost" and not (stale and name == "profile")}
        return named_values(fields, cls.model_fields) | lost

    @model_validator(mode="after")
    def _set_dbx_gateway_version(self) -> Self:
        self._add_version("dbx-gateway", __version__)
        return self

    # Identity, caching and serialisation

    @property
    def _llm_type(self) -> str:
        return "dbx-gateway-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self._settings().model_dump(exclude_defaults=True)

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return super()._get_invocation_params(stop=stop, **traced(kwargs, settings_of(type(self))))

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return the key of LangChain's caches: every option that shapes the answer, where it comes from and for whom.

        Values that are not shown have their fingerprint in it.
        """
        markers = settings_of(type(self))
        hidden = [name for name, marker in markers.items() if marker.in_cache_key and not marker.shown]
        own = {name: value for name in hidden if (value := getattr(self, name))}
        left_out = [name for name, marker in markers.items() if marker.shown and not marker.in_cache_key]
        fields = type(self).model_fields
        plain = self.model_copy(update={name: fields[name].get_default(call_default_factory=True) for name in left_out})
        with self._reading():
            scope = self._client.cache_scope()
        key = keyed(own | kwargs, markers) | {"dbx_gateway_scope": scope}
        return super(ChatDbxGateway, plain)._get_llm_string(stop=stop, **key)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or [*self.stop], **kwargs)
        params["ls_provider"] = PROVIDER
        params["ls_model_name"] = kwargs.get("model") or self.model
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_data(self.model, self.family)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: ``langchain_core.load.dumps`` and ``loads`` work, and no secret is in what they make."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The environment variable that stands for a token in the serialised form."""
        markers = settings_of(type(self))
        return {name: one.elsewhere[0] for name, one in markers.items() if one.is_secret_text and one.elsewhere}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What the serialised form holds beside the fields.

        ``lost`` names the settings that no serialised form holds: a loaded model raises on its first call, until they are
        set again.
        """
        lost = [name for name in self._stand_ins() if name not in self.lc_secrets]
        return {"lost": lost} if lost else {}

    def get_token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text, by ``custom_get_token_ids``.

        Raises:
            ConfigurationError: ``custom_get_token_ids`` is not set; a workspace has no api for it.
        """
        if self.custom_get_token_ids is None:
            raise ConfigurationError(
                "the tokens of a text are not known outside the workspace; use get_num_tokens for an estimate of their number, "
                "or give custom_get_token_ids="
            )
        return self.custom_get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """Return an estimate of the tokens in a text, offline: about four characters a token."""
        if self.custom_get_token_ids is not None:
            return len(self.custom_get_token_ids(text))
        _warn_of_estimate()
        return -(-len(text) // 4)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Return an estimate of the tokens that messages and tools cost, offline.

        The exact number is in ``usage_metadata`` of an answer.
        """
        _warn_of_estimate()
        offered: list[BaseTool | dict[str, Any]] = [described(tool) for tool in tools or ()]
        return count_tokens_approximately(messages, tools=offered or None)

    # Calls

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_serialized", None)  # LangChain's, of the settings before
        if name in _OF_PROFILE and isinstance(self.profile, OwnProfile):
            self.profile = self._resolve_model_profile()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, with the settings in ``update``, whose profile is that of its model."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_serialized", None)  # LangChain's, of the settings before
        if isinstance(copied.profile, OwnProfile):
            copied.profile = copied._resolve_model_profile()  # noqa: SLF001  # of a copy of this object
        return copied

    def _arguments(self, stop: list[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the core's arguments for LangChain's."""
        return arguments_of(stop, kwargs)

    def _wants_blocks(self) -> bool:
        return self.output_version == "v1"

    def _chunks(self, kwargs: Mapping[str, Any]) -> Chunks | ParsedChunks:
        chunks = Chunks(kwargs.get("model") or self.model, blocks=self._wants_blocks())
        form = class_of(kwargs.get("response_format"))
        return chunks if form is None else ParsedChunks(chunks, form)

    def _result(self, response: ChatResponse, kwargs: Mapping[str, Any]) -> ChatResult:
        model = kwargs.get("model") or self.model
        messages = answer_messages(response, model, blocks=self._wants_blocks())
        form = class_of(kwargs.get("response_format"))
        generations = [ChatGeneration(message=with_parsed(message, form)) for message in messages]
        return ChatResult(generations=generations, llm_output=llm_output(response, model))

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        return combined_outputs(llm_outputs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain calls its callbacks itself
        **kwargs: Any,
    ) -> ChatResult:
        with translated():
            response = self._client.chat(to_core(messages), **self._arguments(stop, kwargs))
        return self._result(response, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain calls its callbacks itself
        **kwargs: Any,
    ) -> ChatResult:
        with translated():
            response = await self._async_client.chat(to_core(messages), **self._arguments(stop, kwargs))
        return self._result(response, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain calls its callbacks itself
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks = self._chunks(kwargs)
        with (
            translated(),
            closing(self._client.stream(to_core(messages), **self._arguments(stop, kwargs))) as events,
        ):
            for event in events:
                yield from chunks.of(event)

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain calls its callbacks itself
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        return Derived(
            lambda: self._async_client.stream(to_core(messages), **self._arguments(stop, kwargs)),
            self._chunks(kwargs).of,
            translated,
        )

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Yield the events of ``stream_events(version="v3")``, which LangChain calls by this name."""
        converter = MessageEvents(kwargs.get("model") or self.model, run_manager)
        with (
            translated(),
            closing(self._client.stream(to_core(messages), **self._arguments(stop, kwargs))) as events,
        ):
            for event in each_within(events, self._block):
                yield from converter.of(event)

    def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Yield the events of ``astream_events(version="v3")``."""
        return Derived(
            lambda: self._async_client.stream(to_core(messages), **self._arguments(stop, kwargs)),
            MessageEvents(kwargs.get("model") or self.model, run_manager).of,
            self._reading,
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with translated(), self._block:
            yield

    # Tools and output formats

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: dict[str, Any] | type | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return this model with tools it may call.

        Args:
            tools: functions, classes, LangChain tools or their schemas; server-side tools as the api's own objects.
            tool_choice: ``auto``, ``any``, ``required``, ``none``, True, a tool's name, or the object of an api.
            strict: have the server hold the model to the tools' schemas.
            parallel_tool_calls: whether it may call several at once.
            response_format: the form of its final answer: a class, a JSON schema, or the object of an api.
            **kwargs: further arguments for each call.

        Raises:
            InvalidRequestError: ``tool_choice`` names no tool on offer, or one of ``tools`` is none.
        """
        with translated():
            check_options(kwargs, "strict")
            bound = [described(tool, strict) for tool in tools]
            choice_of(tool_choice, [spec.name for spec in specs_of(bound)])
            form = described_format(response_format, strict)
        if parallel_tool_calls is None and is_one_call_at_a_time(tool_choice):
            parallel_tool_calls = False
        more = {
            "tool_choice": tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
            "response_format": form,
            **kwargs,
        }
        return self.bind(tools=bound, **{name: value for name, value in more.items() if value is not None})

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        include_raw: bool = False,
        method: Method | None = None,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | Any]:
        """Return this model answering in objects of ``schema``.

        Args:
            schema: a pydantic class, a TypedDict, or a JSON schema; None, with ``json_mode``, for whatever JSON the prompt
                describes.
            include_raw: return the message and any parsing error beside the object.
            method: ``json_schema`` (default where the model takes a schema, or reasons), ``function_calling`` or
                ``json_mode``, for which the prompt has to say what the object looks like.
            strict: have the server hold the model to the schema.
            tools: further tools the model may call first; the object is then None, and the calls are in the raw message.
            **kwargs: further arguments for each call.

        Raises:
            InvalidRequestError: the schema is none, or no answer can have its form.
        """
        with translated():
            check_options(kwargs, "include_raw", "method", "strict")
            if schema is None and method != "json_mode":
                raise ConfigurationError(
                    f"method is {method!r} without a schema; give a class or a JSON schema, or method='json_mode' for whatever "
                    "JSON the prompt describes"
                )
            plain = None if schema is None else schema_of(schema, strict)
            bound = self._structured(plain, schema, method, strict=strict, tools=tools)
        model, tool = bound
        parser = AnswerParser(form=form_of(schema), tool=tool)
        model = model.bind(**kwargs) if kwargs else model
        return with_raw(model, parser) if include_raw else model | parser

    def _structured(
        self,
        plain: dict[str, Any] | None,
        schema: Any,
        method: Method | None,
        *,
        strict: bool | None,
        tools: Sequence[Any] | None,
    ) -> tuple[Any, str | None]:
        """Return the model bound for a method, and the tool whose arguments are then the object."""
        offered = list(tools or ())
        model = self.bind_tools(offered, strict=strict) if offered else self
        if plain is None:
            return model.bind(response_format=dict(JSON_FORMAT)), None
        chosen = method or self._usual_method()
        # LangChain's own conversion, which traces use, does not know every TypedDict.
        traced = plain if form_of(schema) is None else schema
        traced_format = {"schema": traced, "kwargs": {"method": chosen, "strict": strict}}
        if chosen == "function_calling":
            answer = schema_tool(plain, strict)
            name = specs_of([answer])[0].name
            choice = "any" if offered else name
            bound: Any = self.bind_tools([answer, *offered], tool_choice=choice, strict=strict)
            return bound.bind(ls_structured_output_format=traced_format), name
        if chosen not in ("json_schema", "json_mode"):
            raise ConfigurationError(
                f"method is {chosen!r}; give 'json_schema', 'function_calling' or 'json_mode', or leave it out"
            )
        form = schema_format(plain, strict) if chosen == "json_schema" else dict(JSON_FORMAT)
        return model.bind(response_format=form, ls_structured_output_format=traced_format), None

    def _usual_method(self) -> Method:
        """Return the default method: not every model that reasons can be forced to call a tool."""
        known: Mapping[str, Any] = self.profile or profile_data(self.model, self.family)
        reasoning = reasoning_config(self.reasoning_effort, self.thinking)
        reasons = reasoning is not None and not reasoning.is_off
        return "json_schema" if known.get("structured_output") or reasons else "function_calling"


def _warn_of_estimate() -> None:
    warn_once(
        "token estimate",
        "the number of tokens is estimated from the number of characters; usage_metadata of an answer has the exact number",
    )
