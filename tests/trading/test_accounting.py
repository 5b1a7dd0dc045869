"""The books add up: whatever is traded, rows and totals are the change of the wallet."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import (
    Execution,
    FundingEvent,
    LedgerEntry,
    LedgerKind,
    OrderRequest,
    OrderType,
    PriceStep,
    Side,
    quantise,
)
from exchange.models import ExchangeAccount
from exchange.paper.engine import apply
from exchange.paper.state import PaperEvent, PaperState, Place
from tests import factories
from tests.exchange.paper.scripted_market import MINUTE, START, bar, instrument, step
from tests.factories import NOON
from tests.trading.booked import bot_with_account, exported, fill, read_csv, trade_of
from trading import models
from trading.accounting import (
    Line,
    Period,
    ai_costs,
    book_lines,
    days_between,
    first_day,
    midnight,
    period_read,
)
from trading.choices import CashflowKind
from trading.domain.books import Fill, PositionBooks
from trading.models import Bot, Cashflow

D = Decimal
SYMBOLS = ("BTCUSDT", "ETHUSDT")
RULES = {symbol: instrument(symbol) for symbol in SYMBOLS}
WALLET = D(10_000)
DAYS = 3


class Played:
    """What the paper engine made of random orders, prices and funding."""

    def __init__(self, seed: int, rounds: int) -> None:
        self.executions: list[Execution] = []
        self.ledger: list[LedgerEntry] = []
        self.state = PaperState(wallet=WALLET, advanced_to=START)
        chance = random.Random(seed)
        now, span = START, timedelta(days=DAYS) / rounds
        for number in range(rounds):
            symbol = chance.choice(SYMBOLS)
            last = D(chance.randint(500, 1500)) / 10
            self._do(self._order(chance, symbol, number, now, last))
            close = D(chance.randint(500, 1500)) / 10
            move = bar(last, max(last, close), min(last, close), close, volume=5000)
            self._do(step(move, now, symbol))
            now += span
            rate = D(chance.randint(-100, 100)) / 100_000
            self._do(FundingEvent(symbol, now, rate, close))

    def _order(
        self, chance: random.Random, symbol: str, number: int, now: datetime, last: Decimal
    ) -> PaperEvent:
        held = self.state.positions.get(symbol)
        side = Side.BUY if chance.random() < 0.5 else Side.SELL
        if held is not None and chance.random() < 0.5:
            request = OrderRequest(
                f"x{number}", symbol, held.side.opposite, OrderType.MARKET,
                quantise(D(0)), reduce_only=True, close_all=True,
            )  # fmt: skip
        else:
            qty = D(chance.randint(100, 9_000)) / 1000
            request = OrderRequest(f"e{number}", symbol, side, OrderType.MARKET, qty)
        return Place(request, now, last)

    def _do(self, event: PaperEvent | PriceStep) -> None:
        outcome = apply(self.state, event, RULES)
        self.state = outcome.state
        self.executions += outcome.executions
        self.ledger += outcome.ledger


@given(st.integers(0, 10**9))
def test_results_are_those_of_the_paper_venue_to_the_last_place(seed: int) -> None:
    played = Played(seed, rounds=40)
    books = PositionBooks()
    ours = {
        one.exec_id: books.take(Fill(one.symbol, one.side, one.qty, one.price)).amount - one.fee
        for one in played.executions
    }
    theirs = {one.exec_id: one.amount for one in played.ledger if one.kind is LedgerKind.EXECUTION}
    assert ours == theirs
    assert len(ours) > 5


def store(account: ExchangeAccount, played: Played) -> None:
    """The rows that booking would leave, without trades."""
    models.Execution.objects.bulk_create(
        models.Execution(
            account=account,
            exec_id=one.exec_id,
            venue_order_id=one.order_id,
            order_link_id=one.order_link_id,
            symbol=one.symbol,
            side=one.side,
            qty=one.qty,
            price=one.price,
            fee=one.fee,
            is_maker=one.is_maker,
            kind=one.kind,
            time=one.time,
        )
        for one in played.executions
    )
    Cashflow.objects.bulk_create(
        Cashflow(
            account=account,
            entry_id=one.entry_id,
            kind=CashflowKind.FUNDING,
            symbol=one.symbol,
            amount=one.amount,
            time=one.time,
        )
        for one in played.ledger
        if one.kind is LedgerKind.FUNDING
    )
    Cashflow.objects.create(
        account=account,
        entry_id="out",
        kind=CashflowKind.TRANSFER,
        amount=D(-2000),
        time=START + timedelta(hours=30),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_amounts_of_the_csv_are_the_change_of_the_wallet(seed: int) -> None:
    account = factories.AccountFactory.create(start_equity=WALLET)
    played = Played(seed, rounds=60)
    store(account, played)
    end = START + timedelta(days=DAYS + 1)
    rows, totals = read_csv(exported(account, START, end))
    change = played.state.wallet - WALLET - 2000
    assert sum((D(row["amount"]) for row in rows), D(0)) == change == totals["wallet change"]
    assert totals["wallet at start"] + change == totals["wallet at end"]
    assert totals["wallet at end"] == played.state.wallet - 2000
    fees = sum((one.fee for one in played.executions), D(0))
    assert sum((D(row["fee"]) for row in rows if row["fee"]), D(0)) == fees == -totals["fees"]
    kinds = {row["kind"] for row in rows}
    assert kinds == {"execution", "fee", "funding", "transfer"}
    assert len(rows) == 2 * len(played.executions) + Cashflow.objects.count()


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_days_symbols_bots_and_any_cut_add_up_to_the_whole(seed: int) -> None:
    account = factories.AccountFactory.create(start_equity=WALLET)
    played = Played(seed, rounds=60)
    store(account, played)
    whole = period_read(account, START, START + timedelta(days=DAYS + 1))
    assert whole.closing == played.state.wallet - 2000
    for parts in (whole.days, whole.symbols, whole.bots, whole.trades):
        assert sum((one.net for one in parts.values()), D(0)) == whole.total.net
    day = START.date()
    cuts = [
        period_read(account, midnight(each), midnight(each + timedelta(days=1)))
        for each in days_between(day, day + timedelta(days=DAYS))
    ]
    assert [one.opening for one in cuts[1:]] == [one.closing for one in cuts[:-1]]
    assert cuts[-1].closing == whole.closing
    assert sum((one.total.change for one in cuts), D(0)) == whole.total.change


# One account with a trade of a bot.


@pytest.fixture
def bot(db: None) -> Bot:
    return bot_with_account()


def period_of(bot: Bot) -> Period:
    return period_read(bot.account, midnight(NOON.date()), midnight(NOON.date() + DAY))


DAY = timedelta(days=1)


def test_a_period_counts_profit_fees_funding_and_slippage_by_bot(bot: Bot) -> None:
    trade = trade_of(bot, entry_slippage=D("0.3"), exit_slippage=D("0.1"))
    fill(trade, "buy", 100)
    fill(trade, "sell", 110, time=NOON + MINUTE)
    factories.CashflowFactory.create(trade=trade, amount=D("-0.4"))
    trade_of(bot, symbol="ETHUSDT", entry_slippage=D("0.2"))
    period = period_of(bot)
    sums = period.bots[bot.pk]
    assert (sums.realised, sums.fees, sums.funding, sums.net) == (
        D(10),
        D(1),
        D("-0.4"),
        D("8.6"),
    )
    assert (sums.trades, sums.slippage, sums.slippage_unknown) == (2, D("0.4"), 1)
    assert period.trades[trade.pk].net == D("8.6")
    assert (period.opening, period.closing) == (D(1000), D("1008.6"))
    assert period.days[NOON.date()].executions == 2


def test_a_fill_that_is_only_partly_ours_is_split(bot: Bot) -> None:
    trade = trade_of(bot)
    fill(trade, "buy", 100, qty=D(4))
    fill(trade, "sell", 110, qty=D(4), trade_qty=D(1), fee=D("0.8"), time=NOON + MINUTE)
    period = period_of(bot)
    assert period.bots[bot.pk].realised == 10
    assert period.bots[bot.pk].fees == D("0.7")
    assert (period.bots[None].realised, period.bots[None].fees) == (D(30), D("0.6"))
    assert period.total.realised == 40


def test_a_transfer_is_in_the_wallet_and_in_no_result(bot: Bot) -> None:
    for amount, number in ((D(-200), 1), (D(50), 2)):
        Cashflow.objects.create(
            account=bot.account,
            entry_id=f"t{number}",
            kind=CashflowKind.TRANSFER,
            amount=amount,
            time=NOON,
        )
    period = period_of(bot)
    assert (period.total.net, period.total.transfers, period.closing) == (D(0), D(-150), D(850))
    assert period.symbols == {}
    assert period.bots == {}


def test_accounts_never_mix(bot: Bot) -> None:
    fill(trade_of(factories.BotFactory.create()), "buy", 100)
    assert list(book_lines(bot.account, NOON + DAY)) == []


def test_ai_cost_is_told_by_bot_and_day(bot: Bot) -> None:
    factories.MarketSessionFactory.create(account=bot.account, speed=1)
    for key, day, amount in (
        (f"bot:{bot.pk}", 1, "0.2"),
        (f"account:{bot.account_id}", 1, "0.25"),
        (f"bot:{bot.pk}", 9, "7"),
        ("bot:99999", 1, "5"),
    ):
        factories.SpendFactory.create(key=key, day=date(2024, 3, day), amount=D(amount))
    costs = ai_costs(bot.account, date(2024, 3, 1), date(2024, 3, 2))
    assert costs is not None
    assert (costs.total, costs.others) == (D("0.25"), D("0.05"))
    assert (dict(costs.bots), dict(costs.days)) == (
        {bot.pk: D("0.2")},
        {date(2024, 3, 1): D("0.25")},
    )


def test_ai_cost_of_a_faster_market_belongs_to_no_day_of_it(bot: Bot) -> None:
    factories.MarketSessionFactory.create(account=bot.account, speed=60)
    nothing = ai_costs(bot.account, NOON.date(), NOON.date())
    assert nothing is not None
    assert nothing.total == 0
    factories.SpendFactory.create(key=f"bot:{bot.pk}", day=NOON.date(), amount=D(1))
    assert ai_costs(bot.account, NOON.date(), NOON.date()) is None


def test_books_begin_with_the_oldest_entry(bot: Bot) -> None:
    today = NOON.date() + timedelta(days=5)
    assert first_day(bot.account, today) == today
    fill(trade_of(bot), "buy", 100)
    assert first_day(bot.account, today) == NOON.date()


def test_lines_come_in_the_order_of_time(bot: Bot) -> None:
    trade = trade_of(bot)
    fill(trade, "buy", 100, time=NOON + 2 * MINUTE)
    factories.CashflowFactory.create(trade=trade, time=NOON + MINUTE)
    fill(trade, "buy", 100, time=NOON)
    lines: list[Line] = list(book_lines(bot.account, NOON + DAY))
    assert [line.time for line in lines] == [NOON, NOON + MINUTE, NOON + 2 * MINUTE]
