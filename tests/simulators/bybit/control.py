"""What tests may do to the exchange over HTTP, below ``/__sim/``: faults, prices, people, facts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from tests.simulators.bybit import ledger
from tests.simulators.bybit.auth import DEFAULT_UID
from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.prices import SeededPrices
from tests.simulators.bybit.respond import Responder
from tests.simulators.bybit.rules import text

Params = dict[str, Any]
ACTS = {
    "close": "user_close",
    "order": "user_order",
    "cancel": "user_cancel",
    "stop": "user_stop",
    "target": "user_target",
    "leverage": "user_leverage",
    "hedge": "user_hedge_mode",
    "margin": "user_margin_mode",
    "liquidate": "liquidate",
    "adl": "adl",
    "delist": "delist",
    "transfer": "transfer",
    "funding": "set_funding_rate",
    "forget_recent": "forget_recent",
}
AMOUNTS = {"qty", "price", "amount", "leverage", "rate"}


class NoSuchControl(Exception):
    """There is nothing at this address."""


class MovableClock(Protocol):
    """A clock that can be put wrong."""

    speed: float
    skew_ms: int

    def now_ms(self) -> int: ...


class Control:
    """One method per address. Thread-safe; unknown addresses raise NoSuchControl."""

    def __init__(
        self,
        responder: Responder,
        exchange: SimExchange,
        prices: SeededPrices,
        clock: MovableClock,
    ) -> None:
        self._responder = responder
        self._exchange = exchange
        self._prices = prices
        self._clock = clock
        self.sockets: Callable[[], dict[str, int]] = dict
        self._handlers: dict[tuple[str, str], Callable[[Params], Any]] = {
            ("POST", "knob"): self._knob,
            ("GET", "knobs"): self._knobs,
            ("DELETE", "knobs"): self._clear_knobs,
            ("POST", "low_rates"): self._low_rates,
            ("GET", "ledger"): self._ledger,
            ("GET", "summary"): self._summary,
            ("GET", "state"): self._state,
            ("POST", "price"): self._price,
            ("POST", "liquidity"): self._liquidity,
            ("POST", "clock"): self._skew,
            ("POST", "ban"): self._ban,
            ("POST", "user/key"): self._key,
        }

    def act(self, method: str, address: str, params: Params) -> Any:
        """Do what ``/__sim/<address>`` asks and give what it answers."""
        with self._responder.lock:
            handler = self._handlers.get((method, address))
            if handler is not None:
                return handler(params)
            group, _, act = address.partition("/")
            if method == "POST" and group == "user" and act in ACTS:
                return self._user(act, params)
        raise NoSuchControl(f"nothing at {method} /__sim/{address}")

    def _knob(self, params: Params) -> Any:
        wanted = dict(params)
        self._responder.knobs.add(wanted.pop("endpoint"), wanted.pop("fault"), **wanted)
        return self._knobs({})

    def _knobs(self, _: Params) -> Any:
        return [
            {"endpoint": each.endpoint, "fault": each.fault, "times": each.times}
            | {"match": each.match, "rate": each.rate, **each.args}
            for each in self._responder.knobs.active()
        ]

    def _clear_knobs(self, _: Params) -> Any:
        self._responder.knobs.clear()
        return []

    def _low_rates(self, params: Params) -> Any:
        self._responder.knobs.low_rates(
            float(params["rate"]), int(params.get("seed", 0)), without=params.get("without", ())
        )
        return self._knobs({})

    def _ledger(self, params: Params) -> Any:
        return self._exchange.ledger.since(int(params.get("since", 0)))

    def _summary(self, _: Params) -> Any:
        rows, longest = self._exchange.ledger.rows, dict[str, int]()
        for gap in ledger.naked_gaps(rows, self._clock.now_ms()):
            longest[gap.symbol] = max(longest.get(gap.symbol, 0), gap.length_ms)
        return {
            "duplicates": ledger.duplicate_link_ids(rows),
            "naked_ms": longest,
            "positions": {k: text(v) for k, v in ledger.positions_at(rows).items()},
            "rows": len(rows),
            "requests": dict(self._responder.counts),
            "sockets": self.sockets(),
        }

    def _state(self, _: Params) -> Any:
        now_ms = self._clock.now_ms()
        return {
            "now_ms": now_ms,
            "speed": self._clock.speed,
            "skew_ms": self._clock.skew_ms,
            "accounts": self._responder.keyring.uids(),
            "prices": {
                rules.symbol: text(self._prices.last(rules.symbol, now_ms))
                for rules in self._prices.symbols()
            },
            "knobs": self._knobs({}),
            "sockets": self.sockets(),
        }

    def _price(self, params: Params) -> Any:
        symbol, price = params["symbol"], params.get("price")
        self._exchange.jump(symbol, None if price is None else Decimal(str(price)))
        now_ms = self._clock.now_ms()
        return {"symbol": symbol, "price": text(self._prices.last(symbol, now_ms))}

    def _liquidity(self, params: Params) -> Any:
        qty = params.get("qty")
        self._prices.set_liquidity(params["symbol"], None if qty is None else Decimal(str(qty)))
        return dict(params)

    def _skew(self, params: Params) -> Any:
        self._clock.skew_ms = int(params["skew_ms"])
        return {"now_ms": self._clock.now_ms(), "skew_ms": self._clock.skew_ms}

    def _ban(self, params: Params) -> Any:
        ip = params.get("ip", "127.0.0.1")
        for_ms = int(params.get("for_ms", 600_000))
        self._responder.limits.ban(ip, for_ms)
        return {"ip": ip, "for_ms": for_ms}

    def _key(self, params: Params) -> Any:
        """Spoil or mend an account's keys: revoked, expired, read_only, ips."""
        wanted = dict(params)
        uid = wanted.pop("uid", DEFAULT_UID)
        for each in self._responder.keyring.of(uid):
            each.revoked = bool(wanted.get("revoked", each.revoked))
            each.expired = bool(wanted.get("expired", each.expired))
            each.read_only = bool(wanted.get("read_only", each.read_only))
            each.ips = tuple(wanted.get("ips", each.ips))
        self._exchange.set_key(uid=uid, **_key_facts(wanted))
        return {"uid": uid, **wanted}

    def _user(self, act: str, params: Params) -> Any:
        wanted = {
            name: Decimal(str(value)) if name in AMOUNTS and value is not None else value
            for name, value in params.items()
        }
        done = getattr(self._exchange, ACTS[act])(**wanted)
        orders = done if isinstance(done, list) else [done] if isinstance(done, Order) else []
        return {"act": act, "orders": [order.order_id for order in orders]}


def _key_facts(wanted: Params) -> Params:
    """The same facts as the exchange tells them of a key."""
    facts = {k: v for k, v in wanted.items() if k not in ("revoked", "expired", "read_only", "ips")}
    if "read_only" in wanted:
        facts["readOnly"] = int(bool(wanted["read_only"]))
    if "ips" in wanted:
        facts["ips"] = list(wanted["ips"]) or ["*"]
    return facts
