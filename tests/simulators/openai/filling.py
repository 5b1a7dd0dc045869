"""Answers in the schema that was given: known values by name, the emptiest ones elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

EMPTIEST = ("none", "unclear", "flat", "no", "unknown")


def fill(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """A value that fits ``schema``. ``known`` maps field names at any depth to their values."""
    return _filled(_resolved(schema, schema), schema, known, known.get(""))


def _filled(
    schema: Mapping[str, Any], root: Mapping[str, Any], known: Mapping[str, Any], value: Any
) -> Any:
    schema = _resolved(schema, root)
    if "properties" in schema:
        if value is None and _nullable(schema, root):
            return None
        inner = {**known, **value} if isinstance(value, Mapping) else known
        return {
            name: _filled(part, root, inner, inner.get(name))
            for name, part in schema["properties"].items()
        }
    for branch in schema.get("anyOf", ()):
        resolved = _resolved(branch, root)
        if value is not None and (_fits(resolved, value) or "properties" in resolved):
            return _filled(resolved, root, known, value)
    if "items" in schema:
        return _row(schema, root, known, value)
    if value is not None and (plain := _plain(schema, value)) is not None:
        return plain
    return _emptiest(schema, root, known)


def _row(
    schema: Mapping[str, Any], root: Mapping[str, Any], known: Mapping[str, Any], value: Any
) -> list[Any]:
    values = list(value) if isinstance(value, list | tuple) else [] if value is None else [value]
    values = values[: schema.get("maxItems", len(values))]
    values += [None] * (schema.get("minItems", 0) - len(values))
    return [_filled(schema["items"], root, known, item) for item in values]


def _plain(schema: Mapping[str, Any], value: Any) -> Any:
    """``value`` as JSON has it if it fits, else None."""
    if isinstance(value, Decimal):
        value = int(value) if "number" not in _kinds(schema) else float(value)
    if isinstance(value, list | tuple) and "string" in _kinds(schema):
        value = "; ".join(str(item) for item in value)
    return value if _fits(schema, value) else None


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    kinds = _kinds(schema)
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int):
        return bool(kinds & {"integer", "number"})
    if isinstance(value, float | Decimal):
        return "number" in kinds
    if isinstance(value, str):
        return "string" in kinds
    return "array" in kinds if isinstance(value, list | tuple) else False


def _emptiest(schema: Mapping[str, Any], root: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    if _nullable(schema, root):
        return None
    if "anyOf" in schema:
        return _filled(schema["anyOf"][0], root, known, None)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next((name for name in EMPTIEST if name in schema["enum"]), schema["enum"][0])
    kinds = _kinds(schema)
    if kinds & {"number", "integer"}:
        least, most = schema.get("minimum", 0), schema.get("maximum", 0)
        return least if least > 0 else min(0, most)
    return False if "boolean" in kinds else ""


def _nullable(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if "null" in _kinds(schema) or None in schema.get("enum", ()):
        return True
    return any(_nullable(_resolved(branch, root), root) for branch in schema.get("anyOf", ()))


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    given = schema.get("type", ())
    return {given} if isinstance(given, str) else set(given)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found: Any = root
    for key in reference.removeprefix("#").strip("/").split("/"):
        found = found[key] if key else found
    return found if isinstance(found, Mapping) else schema
