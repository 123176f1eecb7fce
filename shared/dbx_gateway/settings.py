"""Everything a user can set, once for the core's clients and for both adapters."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, Self, cast
from urllib.parse import urlsplit

import httpx
from pydantic import (
    BaseModel,
    ConfigDict,
    JsonValue,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from dbx_gateway.chat import ChatRequest, JsonObject, Message, OutputFormat, ReasoningConfig, ToolChoice, ToolSpec
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.foreign_settings import unknown_setting
from dbx_gateway.markers import Setting, documented, names_of, setting, settings_of
from dbx_gateway.names import check_api, check_family, check_surface
from dbx_gateway.quirks.catalogue import check_disabled
from dbx_gateway.transport.hosts import is_base_address, normalise_host, surface_named_by

__all__ = [
    "ALIASES",
    "CALL_OPTIONS",
    "CREDENTIALS",
    "Lost",
    "Settings",
    "SettingsFields",
    "by_name",
    "canonical_names",
    "fitted",
    "misfit",
    "named_values",
    "reasoning_config",
    "timeout_of",
    "veiled",
]

PROTECTED_HEADERS: Final = frozenset(
    {
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-api-key",
        "x-goog-api-key",
        "x-databricks-ai-gateway-token",
        "databricks-model-service-parent-schema",
        "databricks-smart-router-recipe",
    }
)
"""Headers a user cannot set: ours, the transport's and the workspace's own (docs/wire/surfaces.md#headers)."""

_THINKING_WORDS: Final[Mapping[str, Literal["off", "auto", "on"]]] = {
    "off": "off",
    "disabled": "off",
    "auto": "auto",
    "adaptive": "auto",
    "on": "on",
    "enabled": "on",
}

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")

_SHOWN: Final[Mapping[str, Literal["none", "summary"]]] = {"omitted": "none", "summarized": "summary"}

CONNECT_TIMEOUT: Final = 10.0
SILENCE_TIMEOUT: Final = 600.0


class Lost(SecretStr):
    """Placeholder of a value that no pickle and no serialised form holds, until that setting is set again."""

    def __init__(self) -> None:
        super().__init__("")

    def __reduce__(self) -> tuple[type[Lost], tuple[()]]:
        return (Lost, ())


_OPTION: Final = Setting(shown=True, pickled=True, per_call=True, in_cache_key=True)
"""Shapes the answer."""
_TIMING: Final = Setting(shown=True, pickled=True, per_call=True)
"""How long to wait and how often to try again; the answer is the same."""
_TARGET: Final = Setting(shown=True, pickled=True, in_cache_key=True, says_where=True)
"""Where requests go, for all calls of an object."""
_CREDENTIAL: Final = Setting(credential=True, says_where=True)
"""Signs the user in."""
_HANDLE: Final = Setting(shared=True)
"""An object that requests are sent with."""


@documented
class _Fields(BaseModel):
    """Every setting: its type and default, its marker, and the text that help and docs/settings.md show of it."""

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        defer_build=True,  # it has no objects of its own; the classes that are used set False
    )

    model: str = setting(_OPTION, "", aliases=("model_name", "endpoint"), elsewhere=("DBX_GATEWAY_MODEL",))
    """Name of the serving endpoint or model service, sent verbatim."""
    host: str | None = setting(_TARGET, elsewhere=("DATABRICKS_HOST",))
    """``https://…`` of the workspace, and ``surface`` with it where its path names one (``/serving-endpoints``,
    ``/ai-gateway/…``); None takes DATABRICKS_HOST or the SDK's chain."""
    token: SecretStr | None = setting(
        _CREDENTIAL, aliases=("api_key",), elsewhere=("DATABRICKS_TOKEN", "DBX_GATEWAY_API_KEY")
    )
    """A personal access token or OAuth token, used as it is."""
    config_profile: str | None = setting(_TARGET, elsewhere=("DATABRICKS_CONFIG_PROFILE",))
    """Section of the Databricks config file."""
    workspace_client: Any = setting(replace(_CREDENTIAL, shared=True))
    """A ``databricks.sdk.WorkspaceClient`` to take host and credentials from."""
    sdk_config: Any = setting(replace(_CREDENTIAL, shared=True))
    """A ``databricks.sdk.core.Config`` to take host and credentials from."""
    acting_as_required: bool = setting(Setting(shown=True, pickled=True, in_cache_key=True), default=False)
    """Whether to refuse a call outside of every ``acting_as`` block, instead of sending it with the object's own
    credentials."""
    surface: str = setting(replace(_TARGET, per_call=True), "auto", variable="DBX_GATEWAY_SURFACE")
    """Where the model is served: ``auto``, ``ai-gateway`` or ``model-serving``."""
    api: str = setting(replace(_TARGET, per_call=True), "auto")
    """The wire format: ``auto``, ``chat-completions``, ``responses``, ``messages`` or ``generate-content``."""
    family: str | None = setting(_OPTION)
    """The model's family, where neither its name nor the endpoint's metadata shows it: ``claude``, ``gpt``, ``other``, …"""
    endpoint_url: str | None = setting(_TARGET, elsewhere=("DBX_GATEWAY_API_URL",))
    """The whole URL to post to; nothing is probed or appended."""
    temperature: float | None = setting(_OPTION)
    """How freely the model chooses its words: 0 takes the likeliest ones; the highest value is 1 or 2, as models have it."""
    max_tokens: int | None = setting(_OPTION)
    """Tokens of the answer at most, reasoning included."""
    top_p: float | None = setting(_OPTION)
    """Choose among the likeliest tokens that together have this probability, from 0 to 1."""
    top_k: int | None = setting(_OPTION)
    """Choose among this many of the likeliest tokens."""
    stop: tuple[str, ...] = setting(_OPTION, (), aliases=("stop_sequences",))
    """Texts at which the answer ends; they are not part of it. One text, or several. What the api does not take is cut here."""
    seed: int | None = setting(_OPTION)
    """A number with which the same request gives the same answer, as far as the model can."""
    presence_penalty: float | None = setting(_OPTION)
    """Above 0, tokens that the text has already are less likely; from -2 to 2."""
    frequency_penalty: float | None = setting(_OPTION)
    """Above 0, tokens are less likely the more often the text has them already; from -2 to 2."""
    logprobs: bool | None = setting(_OPTION)
    """Whether to return the logarithm of each token's probability."""
    top_logprobs: int | None = setting(_OPTION)
    """How many other tokens to return with their probabilities at each place; it needs ``logprobs``."""
    n: int | None = setting(_OPTION)
    """How many answers to give to the one request. Where the api gives one, as many calls are made at once; not for streams."""
    reasoning_effort: str | None = setting(_OPTION)
    """How much the model thinks: ``none``, ``minimal``, ``low``, ``medium``, ``high``, ``xhigh`` or ``max``, as it takes them."""
    thinking: bool | int | str | dict[str, JsonValue] | None = setting(_OPTION)
    """Whether the model thinks: True or ``"on"``, ``"auto"`` (it decides), False or ``"off"``; a budget in tokens; or the
    object of the messages api."""
    parallel_tool_calls: bool | None = setting(_OPTION)
    """Whether the model may call several tools at once."""
    service_tier: str | None = setting(_OPTION)
    """The api's own name of how quickly, and for what price, to answer."""
    timeout: float | httpx.Timeout | None = setting(_TIMING, SILENCE_TIMEOUT)
    """Seconds of silence between two bytes at most; an ``httpx.Timeout``; or None to wait for ever."""
    stream_idle_timeout: float | None = setting(_TIMING, gt=0, allow_inf_nan=False)
    """Seconds to the first event of a stream, and between two of its events, at most: keep-alives do not count. None
    takes the silence of ``timeout``."""
    total_timeout: float | None = setting(_TIMING, gt=0, allow_inf_nan=False)
    """Seconds from the start of a call to the end of its answer at most, retries included; None sets no limit."""
    max_retries: int = setting(_TIMING, 2, ge=0)
    """How many times a request is sent again after a passing failure. Of 429 and 503 they are not counted: the callers of an
    endpoint are paced then. With 0 a call is sent once, and at once."""
    max_in_flight: int | None = setting(_TIMING, ge=1)
    """Calls of this endpoint and identity in the process that may be under way, this one included, when it is sent; until
    then it waits. A stream is under way until it is closed. None sets no limit."""
    coalesce_deltas: bool = setting(_TIMING, default=True)
    """Join neighbouring deltas that arrived in one read."""
    disabled_quirks: tuple[str, ...] = setting(_OPTION, (), variable="DBX_GATEWAY_DISABLED_QUIRKS")
    """Names of quirks (docs/quirks.md) that are not to be handled, or ``("all",)`` to send and read the bare wire."""
    custom_inputs: dict[str, JsonValue] | None = setting(_OPTION)
    """What an agent endpoint takes beside the conversation."""
    extra_body: dict[str, JsonValue] = setting(_OPTION, default_factory=dict, aliases=("model_kwargs",))
    """Fields merged into the body last and verbatim. Of ``model_kwargs``, what is called as a setting is that setting."""
    default_headers: dict[str, str] = setting(Setting(per_call=True, in_cache_key=True), default_factory=dict)
    """Headers to send with every request; their names are read without regard to case."""
    verify: Any = setting(replace(_HANDLE, pickled=True), elsewhere=("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    """TLS: a path to certificates, an ``ssl.SSLContext``, or False; None for the environment's or httpx's default."""
    http_client: Any = setting(_HANDLE)
    """An ``httpx.Client`` to send with."""
    http_async_client: Any = setting(_HANDLE)
    """An ``httpx.AsyncClient`` to send with."""


def _checked(markers: Mapping[str, Setting]) -> Mapping[str, Setting]:
    """Return the markers of all settings; without one, nothing says where a setting may be shown or stored."""
    for name in _Fields.model_fields:
        if name not in markers:
            raise TypeError(
                f"the setting {name!r} has no marker; write it as setting(…), which says where it may be shown and stored"
            )
    return markers


_MARKERS: Final = _checked(settings_of(_Fields))

ALIASES: Final[Mapping[str, str]] = {alias: name for name, one in _MARKERS.items() for alias in one.aliases}
"""Other names under which users of the frameworks know a setting. ``base_url`` is resolved by its path."""

CALL_OPTIONS: Final = frozenset(names_of(_Fields, lambda one: one.per_call))
"""Settings that one call may change; the others are about sign-in and connections, and belong to an object."""

CREDENTIALS: Final = names_of(_Fields, lambda one: one.credential)
"""Settings that sign the user in; one of them is enough."""

_TARGET_SETTINGS: Final = names_of(_Fields, lambda one: one.says_where)
"""Settings beside which the DBX_GATEWAY_API_URL and _KEY pair is not used, nor the model that belongs to it."""

_DATA: Final = (str, bytes, int, float, os.PathLike)
"""Types of plain data, in settings that may also hold an object of this process; bool is an int."""


class SettingsFields(_Fields):
    """The fields that the core's clients and both adapters share, and their validation.

    A copy or deep copy has the credentials and client objects of its original. A pickle has none of them and no header:
    the settings loaded from it name them in ``lost``, and a client of such settings raises
    :class:`ConfigurationError` on its first use.
    """

    @field_validator("stop", mode="before")
    @classmethod
    def _stops(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else () if value is None else value

    @field_validator("disabled_quirks", mode="before")
    @classmethod
    def _quirk_names(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return () if value is None else value

    @field_validator("disabled_quirks")
    @classmethod
    def _quirks_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_disabled(value)
        return value

    @field_validator("host")
    @classmethod
    def _host(cls, value: str | None) -> str | None:
        return None if value is None else normalise_host(value)

    @field_validator("endpoint_url")
    @classmethod
    def _endpoint_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if not parts.scheme or not parts.netloc or parts.path in ("", "/"):
            shown = value.rsplit("@", 1)[-1]  # a password can be before it
            raise ConfigurationError(
                f"endpoint_url is {shown!r}; give the whole URL that requests go to, or set host= to the workspace"
            )
        normalise_host(f"{parts.scheme}://{parts.netloc}")
        if is_base_address(parts.path):
            raise ConfigurationError(
                f"endpoint_url has the path of a whole surface, {parts.path!r}, where nothing answers; write base_url= for it, or "
                "give the whole URL of one endpoint"
            )
        return value

    @field_validator("default_headers")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        return _checked_headers(value)

    @field_validator(*names_of(_Fields, lambda one: not one.pickled or one.shared), mode="wrap")
    @classmethod
    def _lost_fits(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        return value if isinstance(value, Lost) else handler(value)

    @field_serializer("timeout", when_used="json")
    def _timeout_as_json(self, value: float | httpx.Timeout | None) -> Any:
        return value.as_dict() if isinstance(value, httpx.Timeout) else value

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        if self.surface != "auto":
            check_surface(self.surface)
            if self.endpoint_url is not None:
                raise ConfigurationError(
                    f"endpoint_url and surface={self.surface!r} both say where requests go; give one of them"
                )
        if self.api != "auto":
            check_api(self.api)
        if self.family is not None:
            check_family(self.family)
        reasoning_config(self.reasoning_effort, self.thinking)
        timeout_of(self.timeout)
        return self

    @property
    def lost(self) -> tuple[str, ...]:
        """The settings that were set before pickling and have to be set again; one credential is enough."""
        signed_in = any(
            value is not None and not isinstance(value, Lost) for value in (getattr(self, name) for name in CREDENTIALS)
        )
        markers = settings_of(type(self))
        names = [name for name in markers if isinstance(getattr(self, name), Lost)]
        names.sort(key=lambda name: not (markers[name].credential or markers[name].shared))
        return tuple(name for name in names if not (signed_in and markers[name].credential))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        known = {} if memo is None else memo
        for name in names_of(type(self), lambda one: one.shared):
            if (value := getattr(self, name)) is not None:
                known[id(value)] = value
        return super().__deepcopy__(known)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], **self._stand_ins()}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Restore the values of a pickle; a field that is newer than the pickle gets its default."""
        super().__setstate__(state)
        held = dict(vars(self))
        vars(self).clear()
        for name, field in type(self).model_fields.items():  # in their order, which reprs show
            vars(self)[name] = held.pop(name) if name in held else field.get_default(call_default_factory=True)
        vars(self).update(held)

    def _stand_ins(self) -> dict[str, Lost]:
        """Return what a pickle holds in place of secrets, client objects and headers."""
        held = {name: getattr(self, name) for name in settings_of(type(self))}
        markers = settings_of(type(self))
        return {name: Lost() for name, value in held.items() if not _is_picklable(value, markers[name])}


def _is_picklable(value: Any, marker: Setting) -> bool:
    """Whether a pickle may hold the value of a setting; an empty value it always may."""
    if value is None or value in ({}, ()):
        return True
    return marker.pickled and (not marker.shared or isinstance(value, _DATA))


@documented
class Settings(SettingsFields):
    """The settings of a client: the model, its options, the workspace and the sign-in.

    Only ``model`` is needed where the environment has the rest (as databricks-sdk reads it).
    """

    model_config = ConfigDict(frozen=True, defer_build=False)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Settings:
        """Return the settings in ``fields``, aliases and environment included.

        Raises:
            ConfigurationError: a name is unknown (the message names the nearest) or a value does not fit.
        """
        return _validated(cls, named_values(fields, cls.model_fields))

    def with_options(self, options: Mapping[str, Any]) -> Settings:
        """Return these settings with the changes of one call; an option that is None changes nothing.

        Raises:
            ConfigurationError: an option is unknown or cannot change per call.
        """
        names = canonical_names(options, type(self).model_fields)
        changed = {name: value for name, value in names.items() if value is not None}
        fixed = changed.keys() - CALL_OPTIONS
        if fixed:
            raise ConfigurationError(
                f"{min(fixed)} cannot change per call; it belongs to the client, so make another one with it"
            )
        if not changed:
            return self
        current = {name: getattr(self, name) for name in self.model_fields_set}
        return _validated(type(self), current | changed)

    def at_endpoint(self, endpoint_url: str) -> Settings:
        """Return these settings with requests going exactly to ``endpoint_url``."""
        current = {name: getattr(self, name) for name in self.model_fields_set}
        return _validated(type(self), current | {"endpoint_url": endpoint_url})

    def request(
        self,
        messages: tuple[Message, ...],
        *,
        tools: tuple[ToolSpec, ...] = (),
        tool_choice: ToolChoice | None = None,
        output: OutputFormat | None = None,
        stream: bool = False,
        metadata: JsonObject | None = None,
    ) -> ChatRequest:
        """Return the request for a conversation under these settings."""
        return ChatRequest(
            model=self.model,
            messages=messages,
            tools=tools,
            tool_choice=tool_choice,
            parallel_tool_calls=self.parallel_tool_calls,
            output=output,
            reasoning=reasoning_config(self.reasoning_effort, self.thinking),
            max_tokens=self.max_tokens,
            stop=self.stop,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            seed=self.seed,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logprobs=self.logprobs,
            top_logprobs=self.top_logprobs,
            n=self.n,
            service_tier=self.service_tier,
            metadata=metadata,
            custom_inputs=self.custom_inputs,
            stream=stream,
            extra_body=self.extra_body,
        )


_MIXED: Final = "model_kwargs"
"""What users of the frameworks put settings into, and fields of the body."""

_COMPLETE_PATHS: Final = ("/invocations", "/completions", "/responses", "/messages", ":generateContent")


def veiled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``fields`` with a plain-text token as a SecretStr, which no traceback shows."""
    return {name: _veiled_value(name, value) for name, value in fields.items()}


def _veiled_value(name: str, value: Any) -> Any:
    if name == _MIXED and (mixed := _mapping(value)) is not None:
        return veiled(mixed)
    return SecretStr(value) if isinstance(value, str) and _is_secret_text(name) else value


def _is_secret_text(name: str) -> bool:
    marker = _MARKERS.get(ALIASES.get(name, name))
    return marker is not None and marker.is_secret_text


def canonical_names(fields: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return ``fields`` under their proper names. An address whose path names a surface is the host and that surface.

    Of ``model_kwargs``, the keys that are settings are those settings, and the rest is ``extra_body``.

    Raises:
        ConfigurationError: a name is unknown (the message names the nearest), a setting is given twice, or the address
            names another surface than ``surface`` does.
    """
    names = set(known)
    values: dict[str, Any] = {}
    for used, value in _unmixed(fields, names).items():
        name = used if used in names else ALIASES.get(used, used)
        if name == "base_url":
            name = _name_of_base_url(value)
        if name not in names:
            raise unknown_setting(used, sorted({*names, "base_url", *(a for a, n in ALIASES.items() if n in names)}))
        if name in values and value is not None and values[name] is not None:
            raise ConfigurationError(f"{name} is given twice, once as {used!r}; give it once")
        if name not in values or value is not None:
            values[name] = value
    if "surface" in names:
        _take_surface(values)
    return values


def _unmixed(fields: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Return ``fields`` with the settings that are in ``model_kwargs`` beside them, and the rest of it in ``extra_body``.

    Raises:
        ConfigurationError: one is given there and beside it too.
    """
    mixed = _mapping(fields.get(_MIXED))
    if mixed is None or _MIXED in names:
        return dict(fields)
    beside = {name: value for name, value in fields.items() if name != _MIXED}
    body = {name: value for name, value in mixed.items() if not _is_setting(name, names)}
    settings = {name: value for name, value in mixed.items() if name not in body and value is not None}
    for name in settings:
        if beside.get(name) is not None:
            raise ConfigurationError(f"{name} is given twice, once in 'model_kwargs'; give it once")
    if not body and mixed:
        return beside | settings
    given = settings.get("extra_body", beside.get("extra_body"))
    own = _mapping({} if given is None else given)
    if own is None:  # it does not fit, and is refused
        return beside | settings | {_MIXED: body}
    if twice := sorted(map(str, own.keys() & body.keys())):
        raise ConfigurationError(f"{twice[0]} is given twice, in extra_body and in model_kwargs; give it once")
    return beside | settings | {"extra_body": {**own, **body}}


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _is_setting(name: str, names: set[str]) -> bool:
    """Whether a key of ``model_kwargs`` is one of our settings, of those in ``names``; a framework's own fields are not."""
    proper = "host" if name == "base_url" else ALIASES.get(name, name)
    return name != _MIXED and proper in SettingsFields.model_fields and proper in names


def _take_surface(values: dict[str, Any]) -> None:
    """Add the surface that the path of the host names; a path that no surface has is refused later."""
    host = values.get("host")
    if not isinstance(host, str) or values.get("endpoint_url") is not None:
        return
    named, chosen = surface_named_by(host), values.get("surface")
    if named is None:
        return
    if chosen not in (None, "auto", named):
        raise ConfigurationError(
            f"surface is {chosen!r}, and the path of the address, {urlsplit(host).path or host!r}, is that of {named!r}; "
            f"give {normalise_host(host)} alone, or leave surface= out"
        )
    values["surface"] = named


def named_values(fields: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return ``fields`` under their proper names, with the environment's values where they have none.

    None means not set, except for ``timeout``, where it means no limit.

    Raises:
        ConfigurationError: a name is unknown or given twice.
    """
    values = {
        name: value
        for name, value in canonical_names(fields, known).items()
        if value is not None or name == "timeout" or name not in SettingsFields.model_fields
    }
    for name, value in _environment_defaults(os.environ, values).items():
        values.setdefault(name, value)
    return values


def reasoning_config(
    effort: str | None,
    thinking: bool | int | str | Mapping[str, JsonValue] | None,  # noqa: FBT001  # a user's setting
) -> ReasoningConfig | None:
    """Return the reasoning configuration of ``reasoning_effort`` and ``thinking``; None where neither is set.

    Raises:
        ConfigurationError: ``thinking`` is in none of its forms.
    """
    match thinking:
        case None:
            return ReasoningConfig(effort=effort) if effort is not None else None
        case bool():
            return ReasoningConfig(effort=effort, mode="on" if thinking else "off")
        case 0:
            return ReasoningConfig(effort=effort, mode="off")
        case int() if thinking > 0:
            return ReasoningConfig(effort=effort, mode="on", budget=thinking)
        case str() if thinking in _THINKING_WORDS:
            return ReasoningConfig(effort=effort, mode=_THINKING_WORDS[thinking])
        case Mapping():
            return _of_thinking_object(effort, thinking)
        case _:
            raise ConfigurationError(
                f"thinking is {thinking!r}; give True, False, 'auto', a budget in tokens, or an object with a 'type'"
            )


def timeout_of(value: float | httpx.Timeout | None) -> httpx.Timeout:
    """Return the four timeouts of a ``timeout`` setting.

    Raises:
        ConfigurationError: it is not a positive finite number.
    """
    if isinstance(value, httpx.Timeout):
        return value
    if value is None:
        return httpx.Timeout(None, connect=CONNECT_TIMEOUT)
    if not math.isfinite(value) or value <= 0:
        raise ConfigurationError(f"timeout is {value}; give a positive number of seconds, an httpx.Timeout or None")
    connect = min(CONNECT_TIMEOUT, value)
    return httpx.Timeout(value, connect=connect, pool=max(connect, CONNECT_TIMEOUT))


def _of_thinking_object(effort: str | None, thinking: Mapping[str, JsonValue]) -> ReasoningConfig:
    kind, budget, display = thinking.get("type"), thinking.get("budget_tokens"), thinking.get("display")
    mode = _THINKING_WORDS.get(kind) if isinstance(kind, str) else None
    show = _SHOWN.get(display) if isinstance(display, str) else None
    fits = budget is None or (isinstance(budget, int) and not isinstance(budget, bool) and budget > 0)
    unknown = set(thinking) - {"type", "budget_tokens", "display"}
    if unknown or mode is None or not fits or (show is None and display is not None):
        raise ConfigurationError(
            f"thinking is {dict(thinking)!r}; it takes type ('enabled', 'adaptive', 'disabled'), budget_tokens (at least "
            "1) and display ('omitted', 'summarized'); put anything else into extra_body"
        )
    return ReasoningConfig(effort=effort, mode=mode, budget=budget if isinstance(budget, int) else None, show=show)


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return ``headers`` with names in lower case; an error does not show a header's value."""
    for name, value in headers.items():
        if name.lower() in PROTECTED_HEADERS:
            raise ConfigurationError(f"default_headers sets {name!r}, which the transport sets itself; leave it out")
        if _HEADER_NAME.fullmatch(name) is None or _HEADER_VALUE.fullmatch(value) is None:
            raise ConfigurationError(
                f"default_headers sets {name!r} to something that HTTP cannot carry; give a name without blanks and a "
                "value of printable ASCII"
            )
    return {name.lower(): value for name, value in headers.items()}


def _name_of_base_url(value: Any) -> str:
    text = str(value or "")
    path = urlsplit(text if "://" in text else f"https://{text}").path
    if path in ("", "/"):
        return "host"
    if path.endswith(_COMPLETE_PATHS):
        return "endpoint_url"
    try:
        normalise_host(text)
    except ConfigurationError:
        return "endpoint_url"
    return "host"


def _environment_defaults(environ: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        name: environ[one.variable]
        for name, one in _MARKERS.items()
        if one.variable is not None and environ.get(one.variable)
    }
    if values.get("endpoint_url") is not None:
        found.pop("surface", None)
    pair = environ.get("DBX_GATEWAY_API_URL") and environ.get("DBX_GATEWAY_API_KEY")
    elsewhere = any(values.get(name, found.get(name)) not in (None, "auto") for name in _TARGET_SETTINGS)
    if pair and environ.get("DBX_GATEWAY_MODEL") and not elsewhere:
        found["model"] = environ["DBX_GATEWAY_MODEL"]
    return found


def _validated(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        wrong = misfit(error)
    raise wrong  # here, so that it has no context: the ValidationError holds the values


def fitted(name: str, value: Any) -> dict[str, Any]:
    """Return the validated value of one setting, by its name: a token as a SecretStr, a single stop as a tuple.

    Beside a host whose path names a surface, that is in it too.

    Raises:
        ConfigurationError: it does not fit; the message names the setting.
    """
    fields = veiled({name: value})
    settings = Settings.of(fields)
    return {each: getattr(settings, each) for each in canonical_names(fields, Settings.model_fields)}


def by_name(where: str) -> ConfigurationError:
    """Return the error for a setting without its name; it shows no value, which may be a token.

    Args:
        where: the class.
    """
    return ConfigurationError(
        f"{where} takes its settings by their names; write {where}(model=…) with the model's name"
    )


def misfit(error: ValidationError) -> ConfigurationError:
    """Return a one-sentence error that names the invalid setting; it shows no value."""
    first = error.errors(include_url=False, include_input=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ConfigurationError):
        return cause
    where = ".".join(str(step) for step in first["loc"])
    return ConfigurationError(f"the setting {where!r} does not fit: {first['msg']}")
