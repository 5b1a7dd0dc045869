"""The envelope around every answer of Bybit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Envelope:
    """``time_ms`` is None where the venue left it out."""

    ret_code: int
    ret_msg: str
    result: dict[str, Any]
    time_ms: int | None


def read_envelope(body: bytes) -> Envelope | None:
    """The envelope, or None where the body is not one (a proxy's page, cut off, empty)."""
    try:
        # Amounts are text; should one ever come as a number, it does not become a float.
        data = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or type(data.get("retCode")) is not int:
        return None
    result, time_ms = data.get("result"), data.get("time")
    if result is None or result == []:
        result = {}
    if not isinstance(result, dict):
        return None
    known = type(time_ms) is int and time_ms > 0
    return Envelope(
        ret_code=data["retCode"],
        ret_msg=str(data.get("retMsg") or ""),
        result=result,
        time_ms=time_ms if known else None,
    )


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
