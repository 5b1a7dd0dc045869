"""Refusals in the shape in which the API words them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """One refusal: HTTP status, the body's four fields and extra headers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """What the client receives."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }


def bad_value(param: str, message: str, code: str | None = "invalid_value") -> ApiError:
    """A parameter with a value that can't be."""
    return ApiError(400, message, param=param, code=code)


def bad_type(param: str, wanted: str, got: object) -> ApiError:
    """A parameter of the wrong JSON type."""
    message = f"Invalid type for '{param}': expected {wanted}, but got {_named(got)} instead."
    return ApiError(400, message, param=param, code="invalid_type")


def missing(param: str) -> ApiError:
    """A parameter that must be there and isn't."""
    return ApiError(
        400,
        f"Missing required parameter: '{param}'.",
        param=param,
        code="missing_required_parameter",
    )


def unknown_parameter(param: str) -> ApiError:
    """A parameter that the API does not know."""
    return ApiError(400, f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def unsupported(param: str, message: str) -> ApiError:
    """A known parameter that this model (or this simulator) does not take."""
    return ApiError(400, message, param=param, code="unsupported_parameter")


def rate_limited(model: str, retry_after_s: float) -> ApiError:
    """Too many requests; ``Retry-After`` in whole seconds as HTTP has it, exact in ``-ms``."""
    return ApiError(
        429,
        f"Rate limit reached for {model} in organization org-sim on requests per min (RPM): "
        f"Limit 500, Used 500, Requested 1. Please try again in {retry_after_s:g}s.",
        kind="requests",
        code="rate_limit_exceeded",
        headers={
            "retry-after": str(max(1, round(retry_after_s + 0.499))),
            "retry-after-ms": str(round(retry_after_s * 1000)),
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": f"{retry_after_s:g}s",
        },
    )


def quota_spent() -> ApiError:
    """The account has no money left: a 429 that waiting does not heal."""
    return ApiError(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        kind="insufficient_quota",
        code="insufficient_quota",
    )


def server_error(status: int) -> ApiError:
    """The server's own fault: 500, or 503 when it is overloaded."""
    if status == 503:
        message = "The engine is currently overloaded, please try again later"
        return ApiError(503, message, kind="service_unavailable_error")
    message = "The server had an error while processing your request. Sorry about that!"
    return ApiError(status, message, kind="server_error")


def _named(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    names |= {int: "an integer", float: "a decimal", type(None): "null"}
    return names.get(type(value), "something else")
