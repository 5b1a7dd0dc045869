"""Failures told apart by what to do about them: from HTTP statuses, headers and error bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from analysis.calls.values import MESSAGE_LENGTH, CallFailed, FailureCode

SHORTEST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 600.0
RAW_LENGTH = 4000
# Shorter ones are no secrets but placeholders of local servers.
SHORTEST_KEY = 8

NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
# Larger figures are moments since 1970, in seconds or in milliseconds.
EPOCH_S = 1e9
EPOCH_MS = 1e12
KEY_LIKE = re.compile(r"\bsk-[\w*.-]{3,}|\bBearer\s+\S+", re.IGNORECASE)

# The server says "too many requests", yet no pause will help.
NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
# A bad request by its status, yet about this picture or text only.
CONTENT_REFUSED = {
    "content_policy_violation",
    "content_filter",
    "image_content_policy_violation",
    "moderation_blocked",
    "invalid_prompt",
}
UNPAID_STATUSES = range(400, 500)


def storable(text: str) -> str:
    """The text without what no database takes: NUL and halves of surrogate pairs."""
    if "\0" not in text and text.isascii():
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def scrubbed(text: str, api_key: str) -> str:
    """The text without this key, anything that looks like a key, and line breaks."""
    return _one_line(KEY_LIKE.sub("[key]", without_key(text, api_key)))[:MESSAGE_LENGTH]


def without_key(text: str, api_key: str) -> str:
    return text.replace(api_key, "[key]") if len(api_key) >= SHORTEST_KEY else text


def failure_of_status(
    status: int, body: Any, headers: Mapping[str, str], now: datetime
) -> CallFailed:
    """What an HTTP status other than success means. ``headers`` are in lower case."""
    error_code, said = _error_of(body)
    code = _code_of(status, error_code)
    return CallFailed(
        code,
        f"HTTP {status}{_explanation(status, code)}{': ' if said else ''}{said}",
        # Servers don't charge for what they turn away; after an error of their own nobody knows.
        charged=False if status in UNPAID_STATUSES and status != 408 else None,
        retry_after_s=retry_after(headers, now),
    )


def _code_of(status: int, error_code: str) -> FailureCode:
    if error_code in NO_CREDIT:
        return FailureCode.AUTHENTICATION
    if error_code in CONTENT_REFUSED and status in UNPAID_STATUSES:
        return FailureCode.REFUSED
    by_status = {
        401: FailureCode.AUTHENTICATION,
        402: FailureCode.AUTHENTICATION,
        403: FailureCode.AUTHENTICATION,
        408: FailureCode.TIMEOUT,
        409: FailureCode.SERVER,
        425: FailureCode.SERVER,
        429: FailureCode.RATE_LIMITED,
    }
    if status in by_status:
        return by_status[status]
    return FailureCode.BAD_REQUEST if 300 <= status < 500 else FailureCode.SERVER


def _explanation(status: int, code: FailureCode) -> str:
    if 300 <= status < 400:
        return " (the server sends elsewhere, which is not followed)"
    if code is FailureCode.AUTHENTICATION and status in (402, 429):
        return " (no credit left)"
    return ""


def _error_of(body: Any) -> tuple[str, str]:
    """Code and message of an error body, whichever of the usual shapes it has."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return "", error if isinstance(error, str) else ""
    message = error.get("message") or error.get("detail") or ""
    code = error.get("code") or error.get("type") or ""
    return str(code), message if isinstance(message, str) else str(message)


def failure_in_body(body: Mapping[str, Any]) -> CallFailed | None:
    """The failure that some servers hide in an answer with status 200."""
    error = body.get("error")
    if not error:
        return None
    status = error.get("code") if isinstance(error, Mapping) else None
    if not isinstance(status, int) or not 400 <= status < 600:
        code, _ = _error_of(body)
        status = 429 if code == "rate_limit_exceeded" else 500
    return failure_of_status(status, body, {}, datetime.now(UTC))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the server asks to wait, within bounds; None if it does not ask."""
    asked = _retry_after_header(headers, now)
    if asked is None:
        asked = _reset_headers(headers, now)
    return None if asked is None else min(max(asked, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)


def _retry_after_header(headers: Mapping[str, str], now: datetime) -> float | None:
    milliseconds = headers.get("retry-after-ms", "").strip()
    if NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if NUMBER.fullmatch(value):
        return float(value)
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    # A date without a zone is meant in UTC.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()


def _reset_headers(headers: Mapping[str, str], now: datetime) -> float | None:
    """The longest wait among the budgets that are used up."""
    waits = []
    for suffix in ("", "-requests", "-tokens"):
        if headers.get(f"x-ratelimit-remaining{suffix}", "0").strip() != "0":
            continue
        wait = _wait_of(headers.get(f"x-ratelimit-reset{suffix}", "").strip(), now)
        if wait is not None:
            waits.append(wait)
    return max(waits, default=None)


def _wait_of(value: str, now: datetime) -> float | None:
    if NUMBER.fullmatch(value):
        figure = float(value)
        if figure >= EPOCH_MS:
            return figure / 1000 - now.timestamp()
        return figure - now.timestamp() if figure >= EPOCH_S else figure
    parts = DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        return None
    return sum(float(number) * DURATION_UNITS[unit] for number, unit in parts)


def _one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())
