"""JSON Schemas of every sort for hypothesis: right ones, odd ones, and ones that are none."""

from hypothesis import strategies as st

KEYWORDS = [
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "else",
    "enum",
    "example",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "propertyOrdering",
    "required",
    "title",
    "type",
    "uniqueItems",
    "x-y",
]
TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"]
REFS = [
    "#",
    "#/$defs/a",
    "#/definitions/b",
    "#/properties/a",
    "#/$defs/a/anyOf/0",
    "https://example.com/s",
    "#/no",
    "#a",
]

names = st.sampled_from(["a", "b", "title", "$schema", "$ref", "type"])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["", "a", "object", "date-time"])
)


def _schemas(inner):
    maps = st.dictionaries(names, inner, max_size=3)
    lists = st.lists(inner, max_size=3)
    likely = {
        "type": st.one_of(st.sampled_from(TYPES), st.lists(st.sampled_from(TYPES), max_size=3)),
        "$ref": st.sampled_from(REFS),
        "enum": st.lists(scalars, max_size=3),
        "required": st.lists(names, max_size=3),
        "propertyOrdering": st.lists(names, max_size=3),
        "description": st.sampled_from(["", "what it is"]),
        **dict.fromkeys(["$defs", "definitions", "properties", "patternProperties"], maps),
        **dict.fromkeys(["allOf", "anyOf", "oneOf", "prefixItems"], lists),
        **dict.fromkeys(["items", "additionalProperties", "not", "if", "contains"], st.one_of(inner, lists)),
    }
    pairs = st.sampled_from(KEYWORDS).flatmap(
        lambda key: st.tuples(st.just(key), st.one_of(likely.get(key, scalars), likely.get(key, scalars), scalars))
    )
    return st.lists(pairs, max_size=5).map(dict)


schema_like = st.recursive(st.one_of(st.booleans(), _schemas(st.booleans())), _schemas, max_leaves=12).filter(
    lambda schema: isinstance(schema, dict)
)
