"""The books add up: whatever is traded, rows and totals are the change of the wallet."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
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
from trading.accounting_export import (
    COLUMNS,
    export_chunks,
    export_name,
    export_rows,
    number_cell,
    text_cell,
)
from trading.choices import CashflowKind
from trading.domain.books import Fill, PositionBooks
from trading.management.commands.export_ledger import Progress
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


def read_csv(text: str) -> tuple[list[dict[str, str]], dict[str, Decimal]]:
    """Rows, and the totals at the end by their name."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    totals = {row["kind"]: D(row["total"]) for row in rows if row["total"]}
    return [row for row in rows if not row["total"]], totals


def exported(account: ExchangeAccount, start: datetime, end: datetime) -> str:
    return "".join(export_chunks(export_rows(account, start, end)))


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
    account = factories.AccountFactory.create(start_equity=D(1000), name="=SUM(A1)")
    made: Bot = factories.BotFactory.create(account=account, name="@bot")
    return made


def trade_of(bot: Bot, **changes: object) -> models.Trade:
    cycle = factories.CycleFactory.create(bot=bot)
    signal = factories.SignalFactory.create(cycle=cycle)
    return factories.TradeFactory.create(signal=signal, closed=True, **changes)


def fill(trade: models.Trade, side: str, price: int, **changes: object) -> models.Execution:
    order = trade.orders.first() or factories.OrderFactory.create(trade=trade)
    fields = {"qty": D(1), "price": D(price), "fee": D("0.5"), "side": side, **changes}
    return factories.ExecutionFactory.create(order=order, trade=trade, **fields)


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
    assert (sums.trades, sums.slippage, sums.slippage_unknown) == (2, D("0.6"), 1)
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


# The file.


def test_no_cell_is_a_formula(bot: Bot) -> None:
    fill(trade_of(bot), "buy", 100, exec_id="-1+cmd|' /C calc'!A0")
    text = exported(bot.account, NOON - DAY, NOON + DAY)
    rows, _ = read_csv(text)
    assert {row["account"] for row in rows} == {"'=SUM(A1)"}
    assert {row["bot"] for row in rows} == {"'@bot"}
    assert rows[0]["entry_id"].startswith("'-1+cmd")


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1", "'=1"), (" =1", "' =1"), ("\t1", "'\t1"), ("BTCUSDT", "BTCUSDT"), ("", "")],
)
def test_text_cells(value: str, cell: str) -> None:
    assert text_cell(value) == cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [("0E-8", "0"), ("1E+3", "1000"), ("0.00000001", "0.00000001"), ("-2.50000000", "-2.5")],
)
def test_numbers_keep_every_digit(value: str, cell: str) -> None:
    assert number_cell(D(value)) == cell


def test_a_fee_rebate_has_no_negative_zero(bot: Bot) -> None:
    fill(trade_of(bot), "buy", 100, fee=D(0))
    rows, _ = read_csv(exported(bot.account, NOON - DAY, NOON + DAY))
    assert [row["amount"] for row in rows] == ["0", "0"]


def test_every_row_says_whose_it_is(bot: Bot) -> None:
    trade = trade_of(bot)
    execution = fill(trade, "buy", 100)
    rows, _ = read_csv(exported(bot.account, NOON - DAY, NOON + DAY))
    assert tuple(rows[0]) == COLUMNS
    row = rows[0]
    assert (row["mode"], row["time_utc"]) == ("SIM", "2024-03-01T12:00:00.000Z")
    assert (row["market"], row["side"], row["qty"], row["price"]) == ("BTCUSDT", "buy", "1", "100")
    assert (row["entry_id"], row["trade_id"]) == (execution.exec_id, str(trade.pk))
    assert (row["order_id"], row["currency"]) == (execution.venue_order_id, "USDT")
    assert export_name(bot.account, NOON, NOON + DAY) == (
        "ledger-sim--SUM-A1--20240301-20240302.csv"
    )


def run(tmp_path: Path, *words: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("export_ledger", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_writes_a_file_and_says_so(bot: Bot, tmp_path: Path) -> None:
    fill(trade_of(bot), "buy", 100)
    target = tmp_path / "ledger.csv"
    days = ("--account", str(bot.account_id), "--from", "2024-03-01", "--to", "2024-03-01")
    _, told = run(tmp_path, *days, "--out", str(target))
    assert "1 entries read, written to" in told
    text = target.read_text(encoding="utf-8")
    assert read_csv(text)[1]["wallet at end"] == D("999.5")
    assert run(tmp_path, *days)[0].replace("\r\n", "\n") == text
    with pytest.raises(CommandError, match="can't be written"):
        run(tmp_path, *days, "--out", str(target))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--account", "0", "--from", "2024-03-01", "--to", "2024-03-01"), "no account"),
        (("--account", "0", "--from", "soon", "--to", "2024-03-01"), "is no day"),
    ],
)
@pytest.mark.django_db
def test_the_command_refuses_what_makes_no_sense(
    words: Sequence[str], why: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=why):
        run(tmp_path, *words)


def test_a_long_export_says_how_far_it_is() -> None:
    ticks: Iterator[float] = iter([0.0, 0.4, 1.1, 1.2])
    out = io.StringIO()
    progress = Progress(out, lambda: next(ticks))
    for _ in range(3):
        progress(datetime(2026, 3, 1, tzinfo=UTC))
    assert out.getvalue() == "2 entries read, up to 2026-03-01"


def test_lines_come_in_the_order_of_time(bot: Bot) -> None:
    trade = trade_of(bot)
    fill(trade, "buy", 100, time=NOON + 2 * MINUTE)
    factories.CashflowFactory.create(trade=trade, time=NOON + MINUTE)
    fill(trade, "buy", 100, time=NOON)
    lines: list[Line] = list(book_lines(bot.account, NOON + DAY))
    assert [line.time for line in lines] == [NOON, NOON + MINUTE, NOON + 2 * MINUTE]
