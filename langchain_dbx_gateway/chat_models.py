"""``ChatDbxGateway``: LangChain's chat model for every model a Databricks workspace serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from operator import itemgetter
from typing import Any, Literal

from langchain_core import __version__ as core_version
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import (
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, PrivateAttr, ValidationError, model_validator

from dbx_gateway.client import AsyncClient, Client
from dbx_gateway.profiles import profile_of
from dbx_gateway.settings import Settings, SettingsFields, misfit, named_values
from langchain_dbx_gateway.chunks import Chunks
from langchain_dbx_gateway.errors import translated
from langchain_dbx_gateway.messages import PROVIDER, answer_message, to_core
from langchain_dbx_gateway.model_profile import profile_data
from langchain_dbx_gateway.tools import choice_of, described, format_of, specs_of

__all__ = ["ChatDbxGateway"]

_PRODUCT = f"langchain-core/{core_version}"


class ChatDbxGateway(SettingsFields, BaseChatModel):
    """Chat with any model a Databricks workspace serves, on Model Serving and AI Gateway.

    Constructing one needs no network and no credentials.

    Example:
        >>> llm = ChatDbxGateway(model="databricks-claude-sonnet-4-5")  # doctest: +SKIP
        >>> llm.invoke("What is a lakehouse?").text  # doctest: +SKIP

    Raises:
        ConfigurationError: a setting is unknown (the message names the nearest) or does not fit.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())

    streaming: bool = False
    """Stream also where a whole answer is asked for, so that callbacks see it grow."""

    _clients: tuple[Client, AsyncClient] | None = PrivateAttr(default=None)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise misfit(error) from None

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        return named_values(values, cls.model_fields) if isinstance(values, dict) else values

    @property
    def _llm_type(self) -> str:
        return "dbx-gateway-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self._settings().model_dump(exclude_unset=True)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = PROVIDER
        params["ls_model_name"] = kwargs.get("model") or self.model
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_data(self.model, self.family)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in SettingsFields.model_fields:
            self._clients = None

    def _settings(self) -> Settings:
        own = {name: getattr(self, name) for name in self.model_fields_set if name in SettingsFields.model_fields}
        return Settings.of(own)

    def _both(self) -> tuple[Client, AsyncClient]:
        if self._clients is None:
            settings = self._settings()
            self._clients = (Client(settings, product=_PRODUCT), AsyncClient(settings, product=_PRODUCT))
        return self._clients

    def _asked(self, stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the core's arguments for LangChain's."""
        options = {name: value for name, value in kwargs.items() if value is not None and name != "stream"}
        tools = specs_of(options.pop("tools", None))
        choice = choice_of(options.pop("tool_choice", None), [tool.name for tool in tools])
        output = format_of(options.pop("response_format", None))
        if stop is not None:
            options["stop"] = tuple(stop)
        return {"tools": tools, "tool_choice": choice, "output": output, **options}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain tells its callbacks itself
        **kwargs: Any,
    ) -> ChatResult:
        with translated():
            response = self._both()[0].chat(to_core(messages), **self._asked(stop, kwargs))
        return _result(answer_message(response, kwargs.get("model") or self.model, blocks=self._wants_blocks()))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain tells its callbacks itself
        **kwargs: Any,
    ) -> ChatResult:
        with translated():
            response = await self._both()[1].chat(to_core(messages), **self._asked(stop, kwargs))
        return _result(answer_message(response, kwargs.get("model") or self.model, blocks=self._wants_blocks()))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain tells its callbacks itself
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks = Chunks(kwargs.get("model") or self.model, blocks=self._wants_blocks())
        with translated():
            for event in self._both()[0].stream(to_core(messages), **self._asked(stop, kwargs)):
                yield from chunks.of(event)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  # LangChain tells its callbacks itself
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = Chunks(kwargs.get("model") or self.model, blocks=self._wants_blocks())
        with translated():
            async with aclosing(self._both()[1].stream(to_core(messages), **self._asked(stop, kwargs))) as events:
                async for event in events:
                    for chunk in chunks.of(event):
                        yield chunk

    def _wants_blocks(self) -> bool:
        return self.output_version == "v1"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return this model with tools it may call.

        Args:
            tools: functions, classes, LangChain tools or their schemas; server-side tools as the api's own objects.
            tool_choice: ``auto``, ``any``, ``required``, ``none``, True, a tool's name, or the object of an api.
            strict: have the server hold the model to the tools' schemas.
            parallel_tool_calls: whether it may call several at once.
            **kwargs: further arguments for each call.

        Raises:
            InvalidRequestError: ``tool_choice`` names no tool on offer.
        """
        bound = [described(tool, strict) for tool in tools]
        with translated():
            choice_of(tool_choice, [spec.name for spec in specs_of(bound)])
        more = {"tool_choice": tool_choice, "parallel_tool_calls": parallel_tool_calls, **kwargs}
        return self.bind(tools=bound, **{name: value for name, value in more.items() if value is not None})

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Literal["function_calling", "json_schema", "json_mode"] | None = None,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | Any]:
        """Return this model answering in objects of ``schema``.

        Args:
            schema: a pydantic class, a TypedDict, or a JSON schema with a title.
            include_raw: return the message and any parsing error beside the object.
            method: ``json_schema`` (default where the model takes a schema), ``function_calling`` or ``json_mode``.
            strict: have the server hold the model to the schema.
            tools: further tools the model may call.
            **kwargs: further arguments for each call.
        """
        chosen = method or ("json_schema" if profile_of(self.model).structured_output else "function_calling")
        if chosen == "function_calling":
            model, parser = self._by_tool(schema, strict=strict, tools=tools, kwargs=kwargs)
        else:
            model, parser = self._by_format(schema, chosen, strict=strict, tools=tools, kwargs=kwargs)
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")

    def _by_tool(
        self, schema: Any, *, strict: bool | None, tools: Sequence[Any] | None, kwargs: dict[str, Any]
    ) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
        name = convert_to_openai_tool(schema)["function"]["name"]
        told = {"schema": convert_to_openai_tool(schema), "kwargs": {"method": "function_calling", "strict": strict}}
        choice = "any" if tools else name
        model = self.bind_tools(
            [schema, *(tools or ())], tool_choice=choice, strict=strict, ls_structured_output_format=told, **kwargs
        )
        if isinstance(schema, type) and is_basemodel_subclass(schema):
            return model, PydanticToolsParser(tools=[schema], first_tool_only=True)
        return model, JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)

    def _by_format(
        self, schema: Any, method: str, *, strict: bool | None, tools: Sequence[Any] | None, kwargs: dict[str, Any]
    ) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
        plain = convert_to_json_schema(schema, strict=strict)
        wanted: dict[str, Any] = {"type": "json_object"}
        if method == "json_schema":
            named = {"name": plain.get("title") or "answer", "schema": plain, "strict": strict}
            wanted = {"type": "json_schema", "json_schema": {k: v for k, v in named.items() if v is not None}}
        told = {"schema": convert_to_openai_tool(schema), "kwargs": {"method": method, "strict": strict}}
        bound: Any = self.bind_tools(tools, strict=strict, **kwargs) if tools else self.bind(**kwargs)
        model = bound.bind(response_format=wanted, ls_structured_output_format=told)
        if isinstance(schema, type) and is_basemodel_subclass(schema):
            return model, PydanticOutputParser(pydantic_object=schema)
        return model, JsonOutputParser()


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
