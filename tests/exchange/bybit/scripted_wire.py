"""A network on which every path has answers that a test wrote down, below pybit's session."""

from __future__ import annotations

import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

from exchange.bybit import parse
from exchange.bybit.client import BybitClient
from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.rest import BybitRest, Credentials
from exchange.bybit.stream import StreamBatch
from exchange.domain import Instrument
from exchange.errors import UnknownSymbol
from exchange.market.clock import WallClock

Result = dict[str, Any] | tuple[int, str] | Exception

CREATE, CANCEL, AMEND = "/v5/order/create", "/v5/order/cancel", "/v5/order/amend"
REALTIME, HISTORY = "/v5/order/realtime", "/v5/order/history"
EXECUTIONS, POSITIONS = "/v5/execution/list", "/v5/position/list"
STOP, LEVERAGE = "/v5/position/trading-stop", "/v5/position/set-leverage"
WALLET, ACCOUNT = "/v5/account/wallet-balance", "/v5/account/info"
LEDGER, CLOSED, TIME = "/v5/account/transaction-log", "/v5/position/closed-pnl", "/v5/market/time"

ISOLATED = {"marginMode": "ISOLATED_MARGIN", "unifiedMarginStatus": 5}
NOW_MS = time.time_ns() // 1_000_000
NOW = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=NOW_MS)


@dataclass(frozen=True)
class Call:
    """One request as it left."""

    path: str
    params: dict[str, Any]
    window_ms: int


class LaterClock(WallClock):
    """Wall time, and the ``later`` seconds that a test lets pass."""

    later = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.later)

    def monotonic(self) -> float:
        return super().monotonic() + self.later


class ScriptedWire(BaseAdapter):
    """Gives the answers of a path in turn, and the last one for ever; none is a refusal."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[str, list[Result]] = defaultdict(list)
        self.calls: list[Call] = []
        self.clock = LaterClock()
        self.on_sleep: Callable[[float], None] = lambda _: None
        self.script(TIME, {"timeSecond": str(NOW_MS // 1000)})

    def script(self, path: str, *results: Result) -> None:
        """A result, a pair of retCode and retMsg, or what the network raises."""
        self._answers[path] = list(results)

    def sent(self, path: str) -> list[dict[str, Any]]:
        """The parameters of every request for this path."""
        return [call.params for call in self.calls if call.path == path]

    def window_of(self, path: str) -> int:
        """The recv_window of the last request for this path."""
        return [call.window_ms for call in self.calls if call.path == path][-1]

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        parts = urlsplit(request.url or "")
        params = json.loads(request.body) if request.body else dict(parse_qsl(parts.query))
        window = request.headers.get("X-BAPI-RECV-WINDOW", 0)
        self.calls.append(Call(parts.path, params, int(window)))
        answers = self._answers[parts.path]
        result = answers[0] if len(answers) == 1 else answers.pop(0) if answers else (10017, "none")
        if isinstance(result, Exception):
            raise result
        return _response(request, result, self.clock.now())

    def close(self) -> None:
        """Nothing is open."""


def _response(
    request: requests.PreparedRequest, result: Result, now: datetime
) -> requests.Response:
    code, text = result if isinstance(result, tuple) else (0, "OK")
    body = {
        "retCode": code,
        "retMsg": text,
        "result": {} if isinstance(result, tuple) else result,
        "retExtInfo": {},
        "time": parse.stamp(now),
    }
    response = requests.Response()
    response.status_code = 200
    response.raw = io.BytesIO(json.dumps(body).encode())
    response.url = request.url or ""
    response.request = request
    return response


@dataclass
class Frames:
    """A private stream that has received what a test puts in."""

    batches: list[StreamBatch] = field(default_factory=list)
    doubted: tuple[str, ...] = ()
    stopped: bool = False

    def tell(self, *messages: dict[str, Any], opened: int = 0) -> None:
        self.batches.append(StreamBatch(messages, opened))

    def take(self) -> StreamBatch:
        return self.batches.pop(0) if self.batches else StreamBatch((), 0)

    def doubts(self) -> tuple[str, ...]:
        return self.doubted

    def stop(self) -> None:
        self.stopped = True


def instrument(symbol: str) -> Instrument:
    """The rules of the one symbol there is."""
    if symbol != "BTCUSDT":
        raise UnknownSymbol(f"There is no {symbol}.")
    return Instrument(
        symbol=symbol,
        tick_size=Decimal("0.1"),
        qty_step=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(100),
        min_notional=Decimal(5),
        max_leverage=Decimal(50),
    )


def client_on(
    wire: ScriptedWire,
    stream: Frames | None = None,
    *,
    connected_at: datetime = NOW - timedelta(days=3),
    instruments: Callable[[str], Instrument] | None = None,
) -> BybitClient:
    """A client whose requests go to ``wire``; nothing ever waits."""
    hosts = Hosts("http://127.0.0.1:9", "ws://127.0.0.1:9", "ws://127.0.0.1:9")
    rest = BybitRest(
        hosts,
        Credentials("key", "secret"),
        clock=wire.clock,
        link=Link("", None, hosts.rest),
        session_adapter=wire,
        sleep=lambda seconds: wire.on_sleep(seconds),
    )
    return BybitClient(rest, stream, instruments or instrument, connected_at=connected_at)


def listed(*rows: dict[str, Any], cursor: str = "") -> dict[str, Any]:
    """The result of a list."""
    return {"list": list(rows), "nextPageCursor": cursor, "category": "linear"}


def stamp(age: timedelta = timedelta()) -> str:
    """Milliseconds of the present less ``age``, as Bybit writes them."""
    return str(NOW_MS - int(age.total_seconds() * 1000))


def order_row(**facts: Any) -> dict[str, Any]:
    """A working limit order."""
    return {
        "orderId": "o-1",
        "orderLinkId": "at1-a-e",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "orderStatus": "New",
        "qty": "0.010",
        "price": "50000",
        "cumExecQty": "0",
        "createdTime": stamp(),
        "updatedTime": stamp(),
        **facts,
    }


def fill_row(number: int, age: timedelta = timedelta(), **facts: Any) -> dict[str, Any]:
    """An execution of 0.001 BTC."""
    return {
        "execId": f"e-{number}",
        "orderId": "o-1",
        "orderLinkId": "at1-a-e",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "execQty": "0.001",
        "execPrice": "50000",
        "execFee": "0.0275",
        "execType": "Trade",
        "execTime": stamp(age),
        "seq": number,
        **facts,
    }


def position_row(**facts: Any) -> dict[str, Any]:
    """A long position of 0.010 BTC."""
    return {
        "symbol": "BTCUSDT",
        "positionIdx": 0,
        "side": "Buy",
        "size": "0.010",
        "avgPrice": "50000",
        "markPrice": "50100",
        "leverage": "5",
        "stopLoss": "49000",
        "takeProfit": "0",
        "updatedTime": stamp(),
        "seq": 10,
        **facts,
    }
