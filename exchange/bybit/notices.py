"""Ask Bybit what it announces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from exchange.bybit.parse_notices import Notice, delisting, maintenance, system_status
from exchange.bybit.parse_values import UnreadablePayload
from exchange.bybit.rest import BybitRest, Endpoint
from exchange.errors import ExchangeError

logger = logging.getLogger(__name__)

LOCALE = "en-US"
NEWEST = 50
DEADLINE_S = 5.0
Parse = Callable[[Mapping[str, Any]], Notice | None]


def notices_read(rest: BybitRest) -> list[Notice]:
    """Maintenance and delistings as announced now. A source that does not answer, and a row that
    can't be read, are left out and logged: the others still count."""
    return [
        *_read(rest, Endpoint.SYSTEM_STATUS, {}, system_status),
        *_read(rest, Endpoint.ANNOUNCEMENTS, _of("maintenance_updates"), maintenance),
        *_read(rest, Endpoint.ANNOUNCEMENTS, _of("delistings"), delisting),
    ]


def _of(kind: str) -> dict[str, Any]:
    return {"locale": LOCALE, "type": kind, "limit": NEWEST}


def _read(
    rest: BybitRest, endpoint: Endpoint, params: dict[str, Any], parse: Parse
) -> list[Notice]:
    try:
        rows = rest.read(endpoint, deadline_s=DEADLINE_S, **params).result.get("list")
    except ExchangeError as error:
        logger.warning("Bybit's %s %s: %s", endpoint.name, params.get("type", ""), error)
        return []
    found = []
    for row in rows if isinstance(rows, list) else []:
        try:
            notice = parse(row)
        except UnreadablePayload as error:
            logger.warning("a notice of Bybit is left out: %s", error)
            continue
        if notice is not None:
            found.append(notice)
    return found
