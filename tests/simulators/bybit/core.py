"""The simulated exchange: requests in, answers and pushes out, time driven by a clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.simulators.bybit import changing, placing
from tests.simulators.bybit.accounts import Account, Record
from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.funding import settle_symbol
from tests.simulators.bybit.ledger import Ledger
from tests.simulators.bybit.levels import STOP, TARGET
from tests.simulators.bybit.liquidation import deleverage
from tests.simulators.bybit.liquidation import liquidate as take_over
from tests.simulators.bybit.matching import change_wallet
from tests.simulators.bybit.orders import OPPOSITE, Order
from tests.simulators.bybit.params import Params
from tests.simulators.bybit.payloads_account import transfer_row
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rest_api import PRIVATE, PUBLIC
from tests.simulators.bybit.rules import Answer, Prices, Refused, text
from tests.simulators.bybit.triggers import meet_price, walk
from tests.simulators.bybit.venue import Push, Venue

FIRST_UID = "1001"


class SimExchange:
    """A venue under one lock. Everything happens at the clock's time, in the order of the prices.

    `lag_ms` maps a kind of read (realtime, history, executions, positions, closed_pnl,
    transaction_log) to how long it takes to show what was done. `sl_ignored` makes creates drop
    attached levels; `cancel_race` makes a limit order fill just before its cancel arrives.
    `duplicate_ids` is "reject" (a client order id is used up for ever) or
    "accept_if_closed".
    """

    def __init__(
        self,
        clock: Callable[[], int],
        prices: Prices,
        *,
        profile: str = "demo2026",
        usdt: Decimal | int = 10_000,
        duplicate_ids: str = "reject",
    ) -> None:
        self._lock = threading.RLock()
        self._venue = Venue(clock, prices, profile=profile, usdt=usdt, duplicate_ids=duplicate_ids)
        self.ledger: Ledger = self._venue.ledger
        self.lag_ms: dict[str, int] = self._venue.lag_ms

    @property
    def prices(self) -> Prices:
        return self._venue.prices

    @property
    def on_push(self) -> Push:
        return self._venue.on_push

    @on_push.setter
    def on_push(self, push: Push) -> None:
        self._venue.on_push = push

    @property
    def sl_ignored(self) -> bool:
        return self._venue.sl_ignored

    @sl_ignored.setter
    def sl_ignored(self, ignored: bool) -> None:
        self._venue.sl_ignored = ignored

    @property
    def cancel_race(self) -> bool:
        return self._venue.cancel_race

    @cancel_race.setter
    def cancel_race(self, racing: bool) -> None:
        self._venue.cancel_race = racing

    @property
    def duplicate_ids(self) -> str:
        return self._venue.duplicate_ids

    def account(self, uid: str = FIRST_UID) -> Account:
        """Give an account to look at; change it only through the methods here."""
        with self._lock:
            return self._venue.account(uid)

    def handle(self, method: str, path: str, params: Params, uid: str | None) -> Answer:
        """Answer one request whose transport and signature were already checked."""
        with self._lock:
            self.advance()
            try:
                return Answer(
                    0, self._venue.profile.success, self._answer(method, path, params, uid)
                )
            except Refused as refusal:
                return Answer(refusal.ret_code, refusal.ret_msg, {})

    def _answer(self, method: str, path: str, params: Params, uid: str | None) -> dict[str, Any]:
        route = (method, path)
        if route in PUBLIC:
            return PUBLIC[route](self._venue, params)
        if route not in PRIVATE:
            raise Refused(10017, "Route not found.")
        if uid is None:
            raise Refused(10003, "API key is invalid.")
        account = self._venue.account(uid)
        self._check_key(account, method)
        return PRIVATE[route](self._venue, account, params)

    def _check_key(self, account: Account, method: str) -> None:
        """Refuse an expired key, and a reading one that wants to write."""
        key = account.key
        if not key:
            return
        expires = datetime.fromisoformat(key.get("expiredAt", "1970-01-01T00:00:00Z"))
        if 0 < expires.timestamp() * 1000 <= self._venue.now_ms:
            raise Refused(33004, "Your api key has expired.")
        may_trade = key.get("readOnly") != 1 and account.permissions()["ContractTrade"]
        if method == "POST" and not may_trade:
            raise Refused(10005, "Permission denied, please check your API key permissions.")

    def advance(self) -> None:
        """Let everything happen that prices and time have caused since the last call."""
        with self._lock:
            now = self._venue.clock()
            if now > self._venue.now_ms:
                walk(self._venue, self._venue.now_ms, now)

    def jump(self, symbol: str, price: Decimal | None) -> None:
        """Move the price at once and let it reach every order, without waiting for the clock."""
        with self._lock:
            self.advance()
            self._venue.prices.override(symbol, price)
            for account in list(self._venue.accounts.values()):
                meet_price(self._venue, account, symbol, self._venue.last(symbol))

    def set_funding_rate(self, symbol: str, rate: Decimal) -> None:
        """Fix a symbol's rate, a fraction per interval; positive means longs pay."""
        with self._lock:
            self.advance()
            self._venue.funding_rates[symbol] = rate

    def forget_recent(self, uid: str = FIRST_UID) -> None:
        """Empty the cache of recently closed orders, as a restart of the venue does."""
        with self._lock:
            self.advance()
            self._venue.account(uid).recent_since_ms = self._venue.now_ms + 1

    # What the person does in the app.

    def user_order(
        self,
        symbol: str,
        side: str,
        qty: Decimal,
        *,
        uid: str = FIRST_UID,
        create_type: str = "CreateByUser",
        **fields: Any,
    ) -> Order:
        """Place an order without a client id; `fields` as in order/create, market by default."""
        with self._lock:
            self._note(uid, "order", symbol=symbol, side=side, qty=text(qty))
            request = {
                "category": "linear",
                "symbol": symbol,
                "side": side,
                "orderType": "Market",
                "qty": text(qty),
                **fields,
            }
            return placing.place(self._venue, self._venue.account(uid), request, create_type)

    def user_close(
        self, symbol: str, qty: Decimal | None = None, *, uid: str = FIRST_UID
    ) -> list[Order]:
        """Close what is open in a symbol, or a part of it, with the app's button."""
        with self._lock:
            self.advance()
            return [
                self.user_order(
                    symbol,
                    OPPOSITE[position.side],
                    qty or abs(position.size),
                    uid=uid,
                    create_type="CreateByClosing",
                    positionIdx=position.idx,
                    reduceOnly=True,
                )
                for position in self._venue.account(uid).open_positions(symbol)
            ]

    def user_cancel(self, order_id: str, *, uid: str = FIRST_UID) -> None:
        """Cancel any open order, levels included."""
        with self._lock:
            self._note(uid, "cancel", orderId=order_id)
            account = self._venue.account(uid)
            order = account.open_orders.get(order_id)
            if order is None:
                raise Refused(110001, "order not exists or too late to cancel")
            changing.cancel_order(self._venue, account, order)

    def user_stop(self, symbol: str, price: Decimal | None, *, uid: str = FIRST_UID) -> None:
        """Move the stop of every open position of a symbol; None removes it."""
        self._user_level(symbol, STOP, price, uid)

    def user_target(self, symbol: str, price: Decimal | None, *, uid: str = FIRST_UID) -> None:
        """Move the take-profit of every open position of a symbol; None removes it."""
        self._user_level(symbol, TARGET, price, uid)

    def _user_level(self, symbol: str, kind: str, price: Decimal | None, uid: str) -> None:
        with self._lock:
            self._note(uid, kind, symbol=symbol, price=text(price))
            account = self._venue.account(uid)
            wanted: dict[str, Decimal | None] = {kind: price or Decimal(0)}
            for position in account.open_positions(symbol):
                changing.set_levels(self._venue, account, position, wanted)

    def user_leverage(self, symbol: str, leverage: Decimal, *, uid: str = FIRST_UID) -> None:
        with self._lock:
            self._note(uid, "leverage", symbol=symbol, leverage=text(leverage))
            account = self._venue.account(uid)
            changing.set_leverage(self._venue, account, symbol, leverage, leverage)

    def user_hedge_mode(self, hedge: bool, symbol: str = "", *, uid: str = FIRST_UID) -> None:
        """Switch the position mode of one symbol, or of all."""
        with self._lock:
            self._note(uid, "hedge_mode", symbol=symbol, hedge=hedge)
            changing.switch_mode(self._venue, self._venue.account(uid), symbol, hedge)

    def user_margin_mode(self, mode: str, *, uid: str = FIRST_UID) -> None:
        """Set ISOLATED_MARGIN, REGULAR_MARGIN (cross) or PORTFOLIO_MARGIN."""
        with self._lock:
            self._note(uid, "margin_mode", mode=mode)
            changing.set_margin_mode(self._venue, self._venue.account(uid), mode)

    def transfer(self, amount: Decimal, *, uid: str = FIRST_UID) -> None:
        """Move USDT in, or with a negative amount out."""
        with self._lock:
            self._note(uid, "transfer", amount=text(amount))
            account = self._venue.account(uid)
            batch = Batch(self._venue, account, "USDT")
            kind = "TRANSFER_IN" if amount > 0 else "TRANSFER_OUT"
            change_wallet(batch, None, amount, kind)
            row = transfer_row(self._venue.new_id(), amount, account.wallet, self._venue.now_ms)
            account.log.append(Record(self._venue.next_n(), self._venue.now_ms, row))
            batch.close()

    def set_key(self, *, uid: str = FIRST_UID, **facts: Any) -> None:
        """Change what user/query-api says of the key; readOnly and expiredAt take effect too."""
        with self._lock:
            self._note(uid, "key", facts=facts)
            self._venue.account(uid).key |= facts

    # What the venue does by force.

    def liquidate(self, symbol: str, *, uid: str = FIRST_UID) -> None:
        """Liquidate every open position of a symbol."""
        with self._lock:
            account = self._note(uid, "liquidation", symbol=symbol)
            for position in account.open_positions(symbol):
                take_over(self._venue, account, position)

    def adl(self, symbol: str, qty: Decimal, *, uid: str = FIRST_UID) -> None:
        """Deleverage open positions of a symbol by up to `qty` each."""
        with self._lock:
            account = self._note(uid, "adl", symbol=symbol, qty=text(qty))
            for position in account.open_positions(symbol):
                deleverage(self._venue, account, position, qty)

    def delist(self, symbol: str, at_ms: int | None = None) -> None:
        """Take a symbol off at `at_ms`, now by default; until then it may only be reduced."""
        with self._lock:
            self.advance()
            self.ledger.add(self._venue.now_ms, "user", "", act="delisting", symbol=symbol)
            now = self._venue.now_ms
            self._venue.delisting_ms[symbol] = now if at_ms is None else at_ms
            if self._venue.is_delisted(symbol):
                for account in list(self._venue.accounts.values()):
                    settle_symbol(self._venue, account, symbol)

    def announce(self, kind: str, row: dict[str, Any]) -> None:
        """Publish a row of announcements/index, or of system/status where the kind is status."""
        with self._lock:
            venue = self._venue
            found = venue.announcements.setdefault(kind, [])
            (venue.system_status if kind == "status" else found).insert(0, row)

    def _note(self, uid: str, act: str, **facts: Any) -> Account:
        """Bring everything up to now and write who did what."""
        self.advance()
        self.ledger.add(self._venue.now_ms, "user", uid, act=act, **facts)
        return self._venue.account(uid)

    def open_positions(self, uid: str = FIRST_UID) -> list[Position]:
        with self._lock:
            self.advance()
            return self._venue.account(uid).open_positions()
