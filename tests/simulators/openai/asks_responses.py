"""Requests to ``/v1/responses``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulators.openai.asks import (
    RESPONSES,
    Ask,
    Said,
    check_parameters,
    check_temperature,
    detail_of,
    effort_of,
    model_of,
    nobody_said,
    text_of,
    token_limit,
    without_pictures,
)
from tests.simulators.openai.errors import bad_type, bad_value, missing, unknown_parameter
from tests.simulators.openai.families import Model
from tests.simulators.openai.schemas import check_schema

PARAMETERS = frozenset(
    [
        "background",
        "conversation",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ]
)
LEAST_TOKENS = 16
ROLES = ("user", "assistant", "system", "developer")


def responses_ask(body: Mapping[str, Any], models: Mapping[str, Model]) -> Ask:
    """Check a request. Raises ApiError where the API would refuse it."""
    model = model_of(body, models)
    check_parameters(body, PARAMETERS)
    check_temperature(body, model)
    said = _said(body, model)
    schema, name = _schema(body.get("text"))
    reasoning = body.get("reasoning") or {}
    if not isinstance(reasoning, dict):
        raise bad_type("reasoning", "an object", reasoning)
    return Ask(
        api=RESPONSES,
        model=model,
        system="\n".join(said.system),
        user="\n".join(said.user),
        answered=tuple(said.answered),
        pictures=tuple(said.pictures),
        schema=schema,
        schema_name=name,
        most_tokens=token_limit(body.get("max_output_tokens"), "max_output_tokens", LEAST_TOKENS),
        effort=effort_of(reasoning.get("effort"), model, "reasoning.effort"),
        messages=said.messages,
        body=without_pictures(dict(body), said.urls),
    )


def _said(body: Mapping[str, Any], model: Model) -> Said:
    said = nobody_said()
    instructions = body.get("instructions")
    if instructions is not None:
        if not isinstance(instructions, str):
            raise bad_type("instructions", "a string", instructions)
        said.add("system", instructions)
        said.messages += 1
    given = body.get("input")
    if given is None:
        raise missing("input")
    if isinstance(given, str):
        said.add("user", given)
        said.messages += 1
        return said
    if not isinstance(given, list):
        raise bad_type("input", "one of a string or an array", given)
    for position, item in enumerate(given):
        _message(item, f"input[{position}]", model, said)
    return said


def _message(item: object, param: str, model: Model, said: Said) -> None:
    if not isinstance(item, dict):
        raise bad_type(param, "an object", item)
    if item.get("type", "message") != "message":
        raise bad_value(f"{param}.type", f"Invalid value: '{item['type']}'.")
    role = item.get("role")
    if role not in ROLES:
        raise bad_value(f"{param}.role", f"Invalid value: '{role}'.")
    said.messages += 1
    content = item.get("content")
    if isinstance(content, str):
        said.add(role, content)
        return
    if not isinstance(content, list):
        raise bad_type(f"{param}.content", "one of a string or an array", content)
    for position, part in enumerate(content):
        _part(part, role, f"{param}.content[{position}]", model, said)


def _part(part: object, role: str, param: str, model: Model, said: Said) -> None:
    if not isinstance(part, dict):
        raise bad_type(param, "an object", part)
    kind = part.get("type")
    allowed = ("output_text", "refusal") if role == "assistant" else ("input_text", "input_image")
    if kind not in allowed:
        listed = " and ".join(f"'{name}'" for name in allowed)
        raise bad_value(
            f"{param}.type", f"Invalid value: '{kind}'. Supported values are: {listed}."
        )
    if kind != "input_image":
        said.add(role, text_of(part, "refusal" if kind == "refusal" else "text", param))
        return
    for key in part:
        if key not in ("type", "image_url", "detail", "file_id", "prompt_cache_breakpoint"):
            raise unknown_parameter(f"{param}.{key}")
    if "image_url" not in part:
        raise missing(f"{param}.image_url")
    detail = detail_of(part, model, param)
    said.show(part["image_url"], detail, f"{param}.image_url")


def _schema(text: object) -> tuple[dict[str, Any] | None, str]:
    if text is None:
        return None, ""
    if not isinstance(text, dict):
        raise bad_type("text", "an object", text)
    form = text.get("format", {"type": "text"})
    if not isinstance(form, dict):
        raise bad_type("text.format", "an object", form)
    if form.get("type") in ("text", "json_object"):
        return None, ""
    if form.get("type") != "json_schema":
        raise bad_value("text.format.type", f"Invalid value: '{form.get('type')}'.")
    if "schema" not in form:
        raise missing("text.format.schema")
    if form.get("strict") is not True:
        return dict(form["schema"]), str(form.get("name"))
    return check_schema(form["schema"], form.get("name"), "text.format"), str(form["name"])
