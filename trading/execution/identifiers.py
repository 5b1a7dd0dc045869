"""Order ids: sortable by time, never reused, recognisable as ours."""

from __future__ import annotations

import base64
import os
import time

from trading.choices import OrderRole
from trading.domain.ownership import PREFIX


def new_order_link_id(role: OrderRole) -> str:
    """``at1-<26 letters of a version 7 UUID>-<role>``: 32 of the 36 characters Bybit allows.

    Layout of the UUID: RFC 9562, section 5.7.
    """
    stamp = int(time.time() * 1000).to_bytes(6, "big")
    body = bytearray(stamp + os.urandom(10))
    body[6] = (body[6] & 0x0F) | 0x70
    body[8] = (body[8] & 0x3F) | 0x80
    text = base64.b32encode(bytes(body)).decode("ascii").rstrip("=").lower()
    return f"{PREFIX}{text}-{role.value}"
