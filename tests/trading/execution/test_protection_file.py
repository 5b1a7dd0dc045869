"""The file that tells the watchdog what to protect: whole or an error, never silently empty."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.choices import Mode
from exchange.domain import Side
from tests.trading.execution.floor import Floor
from trading.execution.protection_file import (
    DeskProtection,
    ProtectedTrade,
    ProtectionFile,
    ProtectionMissing,
    ProtectionUnreadable,
    protection_of,
    protection_path,
)

D = Decimal
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG = ProtectedTrade(7, "BTCUSDT", Side.BUY, D("0.010"), D("60000.5"), D("70000"))
SHORT = ProtectedTrade(9, "ETHUSDT", Side.SELL, D("1.5"), D("3300"), D("2900"))


@pytest.fixture
def file(tmp_path: Path) -> ProtectionFile:
    return ProtectionFile(tmp_path / "protection-3.json", 3)


def write(file: ProtectionFile, *trades: ProtectedTrade) -> bool:
    return file.write(trades, mode="DEMO", region="bybit.com", now=NOW)


def test_what_was_written_is_read(file: ProtectionFile) -> None:
    assert write(file, LONG, SHORT)
    found = file.read()
    assert found.trades == (LONG, SHORT)
    assert (found.account_id, found.mode, found.region) == (3, "DEMO", "bybit.com")
    assert (found.pid, found.written_at) == (os.getpid(), NOW)
    assert list(file.path.parent.iterdir()) == [file.path]


def test_it_is_written_only_when_something_changed(file: ProtectionFile) -> None:
    assert write(file, LONG)
    first = file.path.stat().st_ino
    assert not write(file, LONG)
    assert file.path.stat().st_ino == first
    assert write(file, replace(LONG, stop_loss=D(61000)))
    assert file.path.stat().st_ino != first


def test_a_new_trader_writes_even_what_was_there(file: ProtectionFile) -> None:
    write(file, LONG)
    assert write(ProtectionFile(file.path, 3), LONG)


def test_nothing_to_protect_is_told_by_an_empty_list(file: ProtectionFile) -> None:
    assert write(file)
    assert file.read().trades == ()


def test_a_missing_file_is_not_an_empty_list(file: ProtectionFile) -> None:
    with pytest.raises(ProtectionMissing, match=r"there is no protection-3\.json"):
        file.read()


def test_every_torn_file_is_an_error(file: ProtectionFile) -> None:
    write(file, LONG, SHORT)
    whole = file.path.read_bytes()
    for length in range(len(whole)):
        file.path.write_bytes(whole[:length])
        with pytest.raises(ProtectionUnreadable, match="torn or not ours"):
            file.read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", "x"),
        ("written_at", "2026-03-01T12:00:00"),
        ("trades", None),
        ("trades", {}),
        ("trades", [{"trade": 1}]),
        ("trades", ["BTCUSDT"]),
    ],
)
def test_a_file_of_another_shape_is_an_error(
    file: ProtectionFile, name: str, value: object
) -> None:
    write(file, LONG)
    content = json.loads(file.path.read_text()) | {name: value}
    file.path.write_text(json.dumps(content))
    with pytest.raises(ProtectionUnreadable):
        file.read()


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "", "1,5", 5, None])
def test_an_amount_that_no_order_could_carry_is_an_error(
    file: ProtectionFile, amount: object
) -> None:
    write(file, LONG)
    content = json.loads(file.path.read_text())
    content["trades"][0]["stop_loss"] = amount
    file.path.write_text(json.dumps(content))
    with pytest.raises(ProtectionUnreadable):
        file.read()


def test_a_newer_version_and_another_account_are_named(file: ProtectionFile) -> None:
    write(file, LONG)
    content = json.loads(file.path.read_text())
    file.path.write_text(json.dumps(content | {"version": 2}))
    with pytest.raises(ProtectionUnreadable, match="has version 2, this watchdog reads 1"):
        file.read()
    file.path.write_text(json.dumps(content | {"account": 4}))
    with pytest.raises(ProtectionUnreadable, match="about account 4, not 3"):
        file.read()


def test_bytes_that_are_no_text_and_a_folder_are_errors(file: ProtectionFile) -> None:
    file.path.write_bytes(b"\xff\xfe{")
    with pytest.raises(ProtectionUnreadable, match="can't be read"):
        file.read()
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(ProtectionUnreadable, match="can't be read"):
        file.read()


def test_the_desk_writes_its_open_trades(floor: Floor) -> None:
    trade = floor.opened()
    floor.account.mode = Mode.DEMO
    desk_protection = DeskProtection(floor.account, floor.clock)
    assert desk_protection.update([trade]) == ""
    found = ProtectionFile(protection_path(floor.account.pk), floor.account.pk).read()
    assert found.trades == (ProtectedTrade(trade.pk, "BTCUSDT", Side.BUY, D(10), D(95), D(110)),)
    assert found.mode == "DEMO"
    assert desk_protection.update([]) == ""
    assert ProtectionFile(protection_path(floor.account.pk), floor.account.pk).read().trades == ()


def test_what_an_entry_may_still_fill_counts_as_ours(floor: Floor) -> None:
    trade = floor.opened()
    trade.entry_qty, trade.exit_qty = D(4), D(1)
    assert protection_of([trade])[0].qty == D(9)
    trade.entry_qty = D(12)
    assert protection_of([trade])[0].qty == D(11)
    trade.released_qty = D(2)
    assert protection_of([trade])[0].qty == D(9)


def test_a_venue_of_our_own_needs_no_file(floor: Floor) -> None:
    trade = floor.opened()
    assert DeskProtection(floor.account, floor.clock).update([trade]) == ""
    assert not protection_path(floor.account.pk).exists()


def test_a_file_that_cannot_be_written_is_a_doubt_not_a_fall(
    floor: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    trade = floor.opened()
    floor.account.mode = Mode.DEMO
    path = protection_path(floor.account.pk)
    path.with_suffix(".tmp").mkdir()
    desk_protection = DeskProtection(floor.account, floor.clock)
    for _ in range(2):
        assert "watchdog can't be told" in desk_protection.update([trade])
    assert caplog.text.count("protection file could not be written") == 1
    path.with_suffix(".tmp").rmdir()
    assert desk_protection.update([trade]) == ""
    assert path.exists()
