"""The paper venue on live prices: what stream and REST tell makes its stops and targets fill."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchange.bybit.market import BybitMarket
from exchange.domain import Execution, ExecutionKind, OrderRequest, OrderType, Side
from exchange.models import ExchangeAccount
from exchange.paper.ledger import PaperExchange, open_ledger
from tests.exchange.bybit.market_bench import SYMBOL, Venue, open_venue

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 5, 3, 10, 37, 21, tzinfo=UTC)
KLINE, TICKERS = f"kline.1.{SYMBOL}", f"tickers.{SYMBOL}"


class Desk:
    """A long position on paper with its stop 5 % below and its target 5 % above the entry."""

    def __init__(self) -> None:
        self.venue: Venue = open_venue(NOW)
        self.market: BybitMarket = self.venue.market()
        account = ExchangeAccount.objects.create(name="p", mode="PAPER", start_equity=10_000)
        open_ledger(account, NOW)
        self.client = PaperExchange(account, self.market)
        self.client.set_leverage(symbol=SYMBOL, leverage=Decimal(5))
        rules, last = self.market.instrument(SYMBOL), self.market.quote(SYMBOL).last
        self.entry = last
        self.stop = rules.floor_price(last * Decimal("0.95"))
        self.target = rules.ceil_price(last * Decimal("1.05"))
        request = OrderRequest(
            order_link_id="at1-entry",
            symbol=SYMBOL,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            qty=Decimal("0.5"),
            stop_loss=self.stop,
            take_profit=self.target,
        )
        self.client.place_order(request)

    def live(self, seconds: int) -> None:
        """Time passes and the stream tells of it."""
        for _ in range(seconds):
            self.venue.clock.sleep(1)
            for _, frame in self.venue.feed.due([KLINE, TICKERS]):
                self.market.feed(frame)
            self.client.positions()

    def closing(self) -> Execution | None:
        found = [one for one in self.client.executions(since=NOW) if one.side is Side.SELL]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_position_is_opened_at_live_prices_and_kept_while_nothing_is_reached(
    desk: Desk,
) -> None:
    desk.live(90)
    (position,) = desk.client.positions()
    assert position.avg_price is not None
    assert abs(position.avg_price / desk.entry - 1) < Decimal("0.01")
    assert desk.closing() is None


def test_a_stop_that_the_stream_shows_fills_within_the_second(desk: Desk) -> None:
    desk.live(20)
    desk.venue.prices.override(SYMBOL, desk.stop * Decimal("0.99"))
    moment = desk.market.now()
    desk.live(3)
    closing = desk.closing()
    assert closing is not None
    assert closing.kind is ExecutionKind.STOP_LOSS
    assert (closing.time - moment).total_seconds() <= 2
    assert not desk.client.positions()


def test_a_target_that_nobody_saw_live_fills_from_the_candles(desk: Desk) -> None:
    desk.live(20)
    desk.venue.clock.sleep(100)
    desk.venue.prices.override(SYMBOL, desk.target * Decimal("1.01"))
    desk.venue.clock.sleep(10)
    desk.venue.prices.override(SYMBOL, desk.entry)
    desk.venue.clock.sleep(120)
    desk.live(2)
    closing = desk.closing()
    assert closing is not None
    assert closing.kind is ExecutionKind.TAKE_PROFIT
    assert closing.price >= desk.target


def test_a_position_without_stop_is_liquidated_by_the_mark_price(desk: Desk) -> None:
    desk.live(20)
    desk.client.set_trading_stop(symbol=SYMBOL, stop_loss=None, take_profit=None)
    wallet = desk.client.balance().wallet
    desk.venue.prices.override(SYMBOL, desk.entry * Decimal("0.7"))
    desk.live(3)
    closing = desk.closing()
    assert closing is not None
    assert closing.kind is ExecutionKind.LIQUIDATION
    margin = desk.entry * Decimal("0.5") / 5
    assert wallet - desk.client.balance().wallet <= margin * Decimal("1.01") + closing.fee
