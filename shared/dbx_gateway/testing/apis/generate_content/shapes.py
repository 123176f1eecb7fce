"""The shape of a generateContent request, and its vendor's messages for a mismatch.

Sources: the request types of the vendor's Python package, and docs/wire/generate-content.md#request, #errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dbx_gateway.testing.apis.shape import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    Fields,
    Leaf,
    Many,
    Mismatch,
    Path,
    Shape,
    Words,
    first_mismatch,
)
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import entries, inside, is_array, is_object

__all__ = ["bad_request", "canonical", "check_shape", "error", "schema_fault", "spelled", "unknown_name"]

_STATUSES: dict[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def error(status: int, code: str, message: str) -> dict[str, Any]:
    """Return an error body of the generateContent api (docs/wire/generate-content.md#errors).

    Args:
        status: HTTP status, which determines the vendor's status name.
        code: not carried by this vendor's body.
        message: the server's message.
    """
    del code
    return {"error": {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}}


def bad_request(message: str, field: str | None = None) -> Refused:
    """Return the vendor's 400 with this message.

    Args:
        message: of the error.
        field: the field at fault, which the body then names in its details.
    """
    body = error(400, "", message)
    if field is not None:
        violation = {"field": field, "description": message}
        body["error"]["details"] = [
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
        ]
    return Refused(400, message, code="INVALID_ARGUMENT", body=body)


def spelled(path: Path) -> str:
    """Return a path as the vendor writes it: ``tools[0].function_declarations[1].parameters``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = _CAPITAL.sub("_", step).lower()
            text += f".{name}" if text else name
    return text


def unknown_name(path: Path) -> Refused:
    """Return the vendor's refusal of a key that does not exist; ``path`` ends with it."""
    where = spelled(path[:-1])
    at = f" at '{where}'" if where else ""
    return bad_request(f'Invalid JSON payload received. Unknown name "{path[-1]}"{at}: Cannot find field.', where)


def _message(**fields: Shape) -> Fields:
    """Return the shape of a message: every field is optional, and null counts as absent."""
    return Fields(fields, (), tuple(fields))


_SCHEMA_VALUE = Leaf("object", is_object)
"""A value of the vendor's Schema, which :func:`schema_fault` checks."""
_BLOB = _message(mimeType=STRING, data=STRING, displayName=STRING)
_FILE = _message(mimeType=STRING, fileUri=STRING, displayName=STRING)
_PART = _message(
    text=STRING,
    thought=BOOLEAN,
    thoughtSignature=STRING,
    inlineData=_BLOB,
    fileData=_FILE,
    functionCall=_message(id=STRING, name=STRING, args=OBJECT, partialArgs=Many(OBJECT), willContinue=BOOLEAN),
    functionResponse=_message(
        id=STRING,
        name=STRING,
        response=OBJECT,
        parts=Many(_message(inlineData=_BLOB, fileData=_FILE)),
        willContinue=BOOLEAN,
        scheduling=STRING,
    ),
    executableCode=_message(id=STRING, language=STRING, code=STRING),
    codeExecutionResult=_message(id=STRING, outcome=STRING, output=STRING),
    toolCall=OBJECT,
    toolResponse=OBJECT,
    mediaResolution=OBJECT,
    videoMetadata=_message(startOffset=STRING, endOffset=STRING, fps=NUMBER),
    partMetadata=OBJECT,
)
_CONTENT = _message(role=Words(("user", "model", "function")), parts=Many(_PART))
_DECLARATION = _message(
    name=STRING,
    description=STRING,
    behavior=STRING,
    parameters=_SCHEMA_VALUE,
    parametersJsonSchema=OBJECT,
    response=_SCHEMA_VALUE,
    responseJsonSchema=OBJECT,
)
_TOOL = _message(
    functionDeclarations=Many(_DECLARATION),
    googleSearch=OBJECT,
    googleSearchRetrieval=OBJECT,
    codeExecution=OBJECT,
    urlContext=OBJECT,
    computerUse=OBJECT,
    fileSearch=OBJECT,
    googleMaps=OBJECT,
)
_CONFIG = _message(
    temperature=NUMBER,
    topP=NUMBER,
    topK=NUMBER,
    candidateCount=INTEGER,
    maxOutputTokens=INTEGER,
    stopSequences=Many(STRING),
    responseLogprobs=BOOLEAN,
    logprobs=INTEGER,
    presencePenalty=NUMBER,
    frequencyPenalty=NUMBER,
    seed=INTEGER,
    responseMimeType=STRING,
    responseSchema=_SCHEMA_VALUE,
    responseJsonSchema=OBJECT,
    responseModalities=Many(STRING),
    mediaResolution=STRING,
    speechConfig=OBJECT,
    imageConfig=OBJECT,
    audioTimestamp=BOOLEAN,
    enableEnhancedCivicAnswers=BOOLEAN,
    thinkingConfig=_message(
        includeThoughts=BOOLEAN,
        thinkingBudget=INTEGER,
        thinkingLevel=STRING,
    ),
)
_REQUEST = _message(
    contents=Many(_CONTENT),
    systemInstruction=_CONTENT,
    tools=Many(_TOOL),
    toolConfig=_message(
        functionCallingConfig=_message(
            mode=Words(("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")),
            allowedFunctionNames=Many(STRING),
            streamFunctionCallArguments=BOOLEAN,
        ),
        retrievalConfig=OBJECT,
        includeServerSideToolInvocations=BOOLEAN,
    ),
    safetySettings=Many(_message(category=STRING, threshold=STRING, method=STRING)),
    generationConfig=_CONFIG,
    cachedContent=STRING,
    labels=OBJECT,
    serviceTier=STRING,
    store=BOOLEAN,
    continuationToken=STRING,
    model=STRING,
)
_COUNT = Leaf("integer", lambda value: str(value).isdecimal() and not isinstance(value, bool))
"""A 64-bit integer, which this vendor takes as a number or as a string of digits."""
_SCHEMA_FIELDS: dict[str, Shape] = {
    "type": Words(
        tuple(
            word
            for name in ("string", "number", "integer", "boolean", "array", "object", "null")
            for word in (name.upper(), name)
        )
    ),
    "format": STRING,
    "title": STRING,
    "description": STRING,
    "nullable": BOOLEAN,
    "enum": Many(STRING),
    "default": ANY,
    "example": ANY,
    "required": Many(STRING),
    "propertyOrdering": Many(STRING),
    "pattern": STRING,
    "minimum": NUMBER,
    "maximum": NUMBER,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "minProperties": _COUNT,
    "maxProperties": _COUNT,
    "items": OBJECT,
    "properties": OBJECT,
    "anyOf": Many(OBJECT),
    "$ref": STRING,
    "$defs": OBJECT,
}
_SCHEMA = Fields(_SCHEMA_FIELDS, (), tuple(_SCHEMA_FIELDS))
"""The fields of the vendor's Schema; no other keyword of JSON Schema is one.

Source: docs/wire/schemas.md#keywords, column Gemini Schema.
"""
_BESIDE_REF = frozenset({"$ref", "$defs", "description", "title", "nullable"})


def canonical(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with its fields under their camelCase names.

    The vendor takes a field under its JSON name and under its original one (``maxOutputTokens``,
    ``max_output_tokens``), and its own client sends both kinds. Names of the user's, in schemas, arguments and
    responses, stay as they are.
    """
    renamed: dict[str, Any] = _renamed(body, _REQUEST)
    return renamed


def _renamed(value: Any, shape: Shape | None) -> Any:
    match shape:
        case Fields(fields) if is_object(value):
            named = {_json_name(key, fields): one for key, one in value.items()}
            return {key: _renamed(one, fields.get(key)) for key, one in named.items()}
        case Many(item) if is_array(value):
            return [_renamed(one, item) for one in value]
        case Leaf() if shape is _SCHEMA_VALUE and is_object(value):
            return _renamed_schema(value)
        case _:
            return value


def _json_name(key: str, fields: Mapping[str, Shape]) -> str:
    first, *rest = key.split("_")
    name = first + "".join(word.capitalize() for word in rest)
    return name if name in fields else key


def _renamed_schema(schema: dict[str, Any]) -> dict[str, Any]:
    named = {_json_name(key, _SCHEMA_FIELDS): one for key, one in schema.items()}
    for keyword in ("properties", "$defs"):
        if is_object(named.get(keyword)):
            named[keyword] = {name: _renamed(one, _SCHEMA_VALUE) for name, one in named[keyword].items()}
    if is_object(named.get("items")):
        named["items"] = _renamed_schema(named["items"])
    if is_array(named.get("anyOf")):
        named["anyOf"] = [_renamed(one, _SCHEMA_VALUE) for one in named["anyOf"]]
    return named


def check_shape(body: dict[str, Any]) -> None:
    """Refuse a body with a name or a type that the vendor's request types do not have.

    Raises:
        Refused: naming the first such place.
    """
    fault = first_mismatch(body, _REQUEST)
    if fault is not None:
        raise _worded(fault)


def schema_fault(schema: dict[str, Any], path: Path) -> Refused | None:
    """Return the refusal of the first mismatch between a schema and this vendor's Schema, or None.

    Args:
        schema: the value of ``parameters`` or ``responseSchema``.
        path: where it stands.
    """
    fault = first_mismatch(schema, _SCHEMA, path)
    if fault is not None:
        return _worded(fault)
    if "$ref" in schema:
        beside = sorted(set(schema) - _BESIDE_REF)
        if beside:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return bad_request(
                f"Schema.ref '{name}' was set alongside unsupported fields. If a schema node has Schema.ref set, then "
                f"only description and nullable can be set alongside it; they all apply: {', '.join(beside)}",
                spelled(path),
            )
    return next((found for found in (schema_fault(one, at) for at, one in _inner(schema, path)) if found), None)


def _inner(schema: dict[str, Any], path: Path) -> list[tuple[Path, dict[str, Any]]]:
    found: list[tuple[Path, dict[str, Any]]] = []
    for keyword in ("properties", "$defs"):
        named = inside(schema, keyword).values()
        found += [((*path, keyword, at, "value"), one) for at, one in enumerate(named)]
    found += [((*path, "anyOf", at), one) for at, one in enumerate(entries(schema, "anyOf"))]
    if schema.get("items") is not None:
        found.append(((*path, "items"), schema["items"]))
    return found


_PROTO_TYPES = {"string": "TYPE_STRING", "boolean": "TYPE_BOOL", "integer": "TYPE_INT32", "number": "TYPE_FLOAT"}


def _worded(fault: Mismatch) -> Refused:
    where = spelled(fault.path)
    match fault.kind:
        case "unknown":
            return unknown_name(fault.path)
        case "value" if fault.path[-1] == "role":
            return bad_request("Please use a valid role: user, model.", where)
        case "type" if is_array(fault.got):
            return bad_request(
                f"Invalid JSON payload received. Unknown name \"{fault.path[-1]}\" at '{spelled(fault.path[:-1])}': "
                "Proto field is not repeating, cannot start list.",
                where,
            )
        case _:
            kind = _PROTO_TYPES.get(fault.expected[0], "TYPE_ENUM" if isinstance(fault.got, str) else "TYPE_MESSAGE")
            shown = f'"{fault.got}"' if isinstance(fault.got, str) else str(fault.got)
            return bad_request(f"Invalid value at '{where}' ({kind}), {shown}", where)
