"""The file for an accountant: what stands in its cells, and the command that writes it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.factories import NOON
from tests.trading.booked import bot_with_account, exported, fill, read_csv, trade_of
from trading.accounting_export import COLUMNS, export_name, number_cell, text_cell
from trading.management.commands.export_ledger import Progress
from trading.models import Bot

D = Decimal
DAY = timedelta(days=1)


@pytest.fixture
def bot(db: None) -> Bot:
    return bot_with_account()


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
