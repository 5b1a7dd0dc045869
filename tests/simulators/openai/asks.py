"""Requests of both interfaces, checked and brought to one form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.openai.errors import ApiError, bad_type, bad_value, missing, unknown_parameter
from tests.simulators.openai.families import (
    REASONING_TOKENS,
    TOKENS_PER_MESSAGE,
    Model,
    text_tokens,
)
from tests.simulators.openai.pictures import SentPicture, picture_of

RESPONSES = "responses"
CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a model is asked, whichever interface carried it.

    ``user`` is the text of all user messages, ``answered`` what the request says that the model
    answered before. ``schema`` is None where none was sent; ``most_tokens`` bounds reasoning and
    answer together. ``body`` is the request as sent with its pictures named by their SHA-256.
    """

    api: str
    model: Model
    system: str
    user: str
    answered: tuple[str, ...]
    pictures: tuple[SentPicture, ...]
    schema: dict[str, Any] | None
    schema_name: str
    most_tokens: int | None
    effort: str
    messages: int
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """Everything that was said in words."""
        return "\n".join((self.system, self.user, *self.answered))

    @property
    def input_tokens(self) -> int:
        words = text_tokens(self.text) + TOKENS_PER_MESSAGE * self.messages
        if self.schema is not None:
            words += text_tokens(json.dumps(self.schema))
        seen = (
            self.model.image_tokens(picture.width, picture.height, picture.detail)
            for picture in self.pictures
        )
        return words + sum(seen)

    @property
    def reasoning_tokens(self) -> int:
        return REASONING_TOKENS[self.effort] if self.model.reasoning else 0


@dataclass(slots=True)
class Said:
    """The messages of a request, gathered while they are read."""

    system: list[str]
    user: list[str]
    answered: list[str]
    pictures: list[SentPicture]
    urls: dict[str, str]
    messages: int = 0

    def show(self, url: Any, detail: str, param: str) -> None:
        """Take in one picture."""
        picture = picture_of(url, detail, param)
        self.pictures.append(picture)
        self.urls[url] = picture.sha256

    def add(self, role: str, text: str) -> None:
        if role in ("system", "developer"):
            self.system.append(text)
        elif role == "assistant":
            self.answered.append(text)
        else:
            self.user.append(text)


def nobody_said() -> Said:
    return Said([], [], [], [], {})


def check_parameters(body: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse what the API does not know, and what the simulator does not do."""
    for name in body:
        if name not in known:
            raise unknown_parameter(name)
    if body.get("stream"):
        raise ApiError(400, "The simulator does not stream.", param="stream", code="unsupported")
    for name in ("tools", "functions"):
        if body.get(name):
            raise ApiError(400, "The simulator has no tools.", param=name, code="unsupported")


def model_of(body: Mapping[str, Any], models: Mapping[str, Model]) -> Model:
    """The model that is asked for."""
    name = body.get("model")
    if name is None:
        raise ApiError(400, "you must provide a model parameter")
    if not isinstance(name, str) or name not in models:
        raise ApiError(
            404,
            f"The model `{name}` does not exist or you do not have access to it.",
            param="model",
            code="model_not_found",
        )
    return models[name]


def effort_of(given: object, model: Model, param: str) -> str:
    """The reasoning effort; models that don't reason take none."""
    if given is None:
        return "medium" if model.reasoning else "none"
    if not model.reasoning:
        raise ApiError(
            400,
            f"Unsupported parameter: '{param}' is not supported with this model.",
            param=param,
            code="unsupported_parameter",
        )
    if given not in REASONING_TOKENS:
        raise bad_value(
            param,
            f"Invalid value: '{given}'. Supported values are: {_listed(REASONING_TOKENS)}.",
        )
    return str(given)


def check_temperature(body: Mapping[str, Any], model: Model) -> None:
    """Reasoning models take no temperature; others one from 0 to 2."""
    for name, most in (("temperature", 2), ("top_p", 1)):
        given = body.get(name)
        if given is None:
            continue
        if model.reasoning:
            raise ApiError(
                400,
                f"Unsupported parameter: '{name}' is not supported with this model.",
                param=name,
                code="unsupported_parameter",
            )
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise bad_type(name, "a decimal", given)
        if not 0 <= given <= most:
            raise bad_value(name, f"Invalid '{name}': must be from 0 to {most}.")


def token_limit(given: object, param: str, least: int) -> int | None:
    """The most tokens that may be generated."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int):
        raise bad_type(param, "an integer", given)
    if given < least:
        raise bad_value(
            param,
            f"Invalid '{param}': integer below minimum value. Expected a value >= {least}, but "
            f"got {given} instead.",
            "integer_below_min_value",
        )
    return given


def detail_of(part: Mapping[str, Any], model: Model, param: str) -> str:
    """The picture's detail; ``original`` is known to few models."""
    detail = part.get("detail", "auto")
    allowed = ["low", "high", "auto"] + (["original"] if model.original else [])
    if detail not in allowed:
        raise bad_value(
            f"{param}.detail",
            f"Invalid value: '{detail}'. Supported values are: {_listed(allowed)}.",
        )
    return str(detail)


def text_of(part: Mapping[str, Any], key: str, param: str) -> str:
    """The words of one content part."""
    if key not in part:
        raise missing(f"{param}.{key}")
    if not isinstance(part[key], str):
        raise bad_type(f"{param}.{key}", "a string", part[key])
    return str(part[key])


def without_pictures(value: Any, pictures: Mapping[str, str]) -> Any:
    """A copy of the body in which each data URL is the SHA-256 of its picture."""
    if isinstance(value, dict):
        return {key: without_pictures(item, pictures) for key, item in value.items()}
    if isinstance(value, list):
        return [without_pictures(item, pictures) for item in value]
    if isinstance(value, str) and value.startswith("data:"):
        return f"sha256:{pictures.get(value, 'unreadable')}"
    return value


def _listed(values: Mapping[str, Any] | list[str]) -> str:
    *most, last = [f"'{value}'" for value in values]
    return f"{', '.join(most)}, and {last}"
