"""Which schemas strict mode takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.simulators.openai.errors import ApiError, bad_value

SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
DEEPEST = 10
MOST_PROPERTIES = 5000
MOST_ENUM_VALUES = 1000
TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
KEYWORDS = frozenset(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "definitions",
        "description",
        "title",
        "default",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    ]
)


class _Walk:
    """One check of one schema, with the counts that have a limit."""

    def __init__(self, name: str, param: str) -> None:
        self.name = name
        self.param = param
        self.properties = 0
        self.enum_values = 0

    def refuse(self, path: tuple[str, ...], reason: str) -> ApiError:
        return bad_value(
            self.param,
            f"Invalid schema for response_format '{self.name}': In context={path!r}, {reason}",
            "invalid_json_schema",
        )

    def node(self, schema: object, path: tuple[str, ...], depth: int) -> None:
        if not isinstance(schema, Mapping):
            raise self.refuse(path, "schema must be an object.")
        if depth > DEEPEST:
            raise self.refuse(path, f"schema has more than {DEEPEST} levels of nesting.")
        for keyword in schema:
            if keyword not in KEYWORDS:
                raise self.refuse(path, f"'{keyword}' is not permitted.")
        kinds = self.kinds(schema, path)
        if "object" in kinds:
            self.object(schema, path, depth)
        if "array" in kinds:
            if "items" not in schema:
                raise self.refuse(path, "array schema missing items.")
            self.node(schema["items"], (*path, "items"), depth + 1)
        self.parts(schema, path, depth)
        self.enum_values += len(schema.get("enum", ()))
        if self.enum_values > MOST_ENUM_VALUES:
            raise self.refuse(path, f"more than {MOST_ENUM_VALUES} enum values.")

    def parts(self, schema: Mapping[str, Any], path: tuple[str, ...], depth: int) -> None:
        for position, branch in enumerate(schema.get("anyOf", ())):
            self.node(branch, (*path, "anyOf", str(position)), depth)
        for group in ("$defs", "definitions"):
            for key, part in schema.get(group, {}).items():
                self.node(part, (*path, group, key), 1)

    def kinds(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> set[str]:
        given = schema.get("type")
        kinds = {given} if isinstance(given, str) else set(given or ())
        if not kinds and not ({"anyOf", "$ref", "enum", "const"} & set(schema)):
            raise self.refuse(path, "schema must have a 'type' key.")
        if unknown := kinds - TYPES:
            raise self.refuse(path, f"{sorted(unknown)[0]!r} is not a type.")
        return kinds

    def object(self, schema: Mapping[str, Any], path: tuple[str, ...], depth: int) -> None:
        if schema.get("additionalProperties") is not False:
            raise self.refuse(
                path, "'additionalProperties' is required to be supplied and to be false."
            )
        properties = schema.get("properties", {})
        self.properties += len(properties)
        if self.properties > MOST_PROPERTIES:
            raise self.refuse(path, f"more than {MOST_PROPERTIES} properties.")
        required = schema.get("required", [])
        for key in properties:
            if key not in required:
                raise self.refuse(
                    path,
                    "'required' is required to be supplied and to be an array including every key "
                    f"in properties. Missing '{key}'.",
                )
        for key in required:
            if key not in properties:
                raise self.refuse(path, f"Extra required key '{key}' supplied.")
        for key, part in properties.items():
            self.node(part, (*path, "properties", key), depth + 1)


def check_schema(schema: object, name: object, param: str) -> dict[str, Any]:
    """The schema, if strict mode takes it. Raises ApiError with the place and the reason."""
    if not isinstance(name, str) or not SCHEMA_NAME.fullmatch(name):
        raise bad_value(
            f"{param}.name",
            f"Invalid '{param}.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.",
        )
    walk = _Walk(name, f"{param}.schema")
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        raise walk.refuse((), "schema must be a JSON Schema of 'type: \"object\"'.")
    walk.node(schema, (), 1)
    return schema
