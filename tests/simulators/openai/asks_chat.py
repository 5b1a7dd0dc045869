"""Requests to ``/v1/chat/completions``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulators.openai.asks import (
    CHAT,
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
from tests.simulators.openai.errors import bad_type, bad_value, missing, unsupported
from tests.simulators.openai.families import Model
from tests.simulators.openai.schemas import check_schema

PARAMETERS = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
ROLES = ("system", "developer", "user", "assistant")


def chat_ask(body: Mapping[str, Any], models: Mapping[str, Model]) -> Ask:
    """Check a request. Raises ApiError where the API would refuse it."""
    model = model_of(body, models)
    check_parameters(body, PARAMETERS)
    check_temperature(body, model)
    if body.get("n") not in (None, 1):
        raise unsupported("n", "The simulator gives one choice.")
    said = _said(body, model)
    schema, name = _schema(body.get("response_format"))
    return Ask(
        api=CHAT,
        model=model,
        system="\n".join(said.system),
        user="\n".join(said.user),
        answered=tuple(said.answered),
        pictures=tuple(said.pictures),
        schema=schema,
        schema_name=name,
        most_tokens=_token_limit(body, model),
        effort=effort_of(body.get("reasoning_effort"), model, "reasoning_effort"),
        messages=said.messages,
        body=without_pictures(dict(body), said.urls),
    )


def _token_limit(body: Mapping[str, Any], model: Model) -> int | None:
    if body.get("max_tokens") is None:
        return token_limit(body.get("max_completion_tokens"), "max_completion_tokens", 1)
    if model.reasoning:
        raise unsupported(
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
        )
    return token_limit(body["max_tokens"], "max_tokens", 1)


def _said(body: Mapping[str, Any], model: Model) -> Said:
    messages = body.get("messages")
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise bad_type("messages", "an array of objects", messages)
    if not messages:
        raise bad_value(
            "messages",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            "empty_array",
        )
    said = nobody_said()
    for position, message in enumerate(messages):
        _message(message, f"messages[{position}]", model, said)
    return said


def _message(message: object, param: str, model: Model, said: Said) -> None:
    if not isinstance(message, dict):
        raise bad_type(param, "an object", message)
    role = message.get("role")
    if role not in ROLES:
        raise bad_value(f"{param}.role", f"Invalid value: '{role}'.")
    said.messages += 1
    content = message.get("content")
    if isinstance(content, str):
        said.add(role, content)
        return
    if content is None and role == "assistant":
        return
    if not isinstance(content, list):
        raise bad_type(f"{param}.content", "one of a string or an array of objects", content)
    for position, part in enumerate(content):
        _part(part, role, f"{param}.content[{position}]", model, said)


def _part(part: object, role: str, param: str, model: Model, said: Said) -> None:
    if not isinstance(part, dict):
        raise bad_type(param, "an object", part)
    kind = part.get("type")
    if kind == "text":
        said.add(role, text_of(part, "text", param))
    elif kind == "refusal" and role == "assistant":
        said.add(role, text_of(part, "refusal", param))
    elif kind == "image_url" and role == "user":
        given = part.get("image_url")
        if not isinstance(given, dict):
            raise bad_type(f"{param}.image_url", "an object", given)
        if "url" not in given:
            raise missing(f"{param}.image_url.url")
        detail = detail_of(given, model, f"{param}.image_url")
        said.show(given["url"], detail, f"{param}.image_url.url")
    else:
        raise bad_value(
            f"{param}.type",
            f"Invalid value: '{kind}'. Supported values are: 'text', 'image_url' and 'refusal'.",
        )


def _schema(form: object) -> tuple[dict[str, Any] | None, str]:
    if form is None:
        return None, ""
    if not isinstance(form, dict):
        raise bad_type("response_format", "an object", form)
    if form.get("type") in ("text", "json_object"):
        return None, ""
    if form.get("type") != "json_schema":
        raise bad_value("response_format.type", f"Invalid value: '{form.get('type')}'.")
    given = form.get("json_schema")
    if not isinstance(given, dict):
        raise missing("response_format.json_schema")
    if "schema" not in given:
        raise missing("response_format.json_schema.schema")
    if given.get("strict") is not True:
        return dict(given["schema"]), str(given.get("name"))
    param = "response_format.json_schema"
    return check_schema(given["schema"], given.get("name"), param), str(given["name"])
