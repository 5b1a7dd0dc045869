"""Leverage, money and the modes of the account, and what keeps entries back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from exchange.bybit.account import AccountState
from exchange.bybit.client import BybitClient
from exchange.bybit.parse import AccountFacts, MarginMode
from exchange.errors import ExchangeUnavailable, OrderRejected
from tests.exchange.bybit.scripted_wire import (
    ACCOUNT,
    ISOLATED,
    LEVERAGE,
    POSITIONS,
    WALLET,
    Frames,
    ScriptedWire,
    client_on,
    listed,
    position_row,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CROSS = {**ISOLATED, "marginMode": "REGULAR_MARGIN"}
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def flat(leverage: str = "5", **facts: Any) -> dict[str, Any]:
    """The list of one symbol without a position."""
    return listed(position_row(size="0", side="", leverage=leverage, **facts))


def wallet(**facts: str) -> dict[str, Any]:
    coin = {"coin": "USDT", "walletBalance": "1000", "equity": "980", "totalPositionIM": "100"}
    return {"list": [{"totalAvailableBalance": "777", "coin": [{**coin, **facts}]}]}


@pytest.fixture
def wire() -> ScriptedWire:
    wire = ScriptedWire()
    wire.script(ACCOUNT, ISOLATED)
    wire.script(WALLET, wallet())
    return wire


def ask(client: BybitClient, leverage: int) -> None:
    client.set_leverage(symbol="BTCUSDT", leverage=Decimal(leverage))


def refusal(client: BybitClient, leverage: int) -> str:
    with pytest.raises(OrderRejected) as refused:
        ask(client, leverage)
    return refused.value.code


def test_leverage_is_set_and_read_back(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("5"), flat("3"))
    wire.script(LEVERAGE, {})

    ask(client_on(wire), 3)

    assert wire.sent(LEVERAGE) == [
        {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "3", "sellLeverage": "3"}
    ]
    assert wire.sent(POSITIONS)[0]["symbol"] == "BTCUSDT"


def test_leverage_that_stands_already_is_not_set(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("3.00"))

    ask(client_on(wire), 3)

    assert wire.sent(LEVERAGE) == []


def test_leverage_seen_just_now_costs_nothing(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("3"))
    client = client_on(wire)
    ask(client, 3)
    before = len(wire.calls)

    ask(client, 3)

    assert len(wire.calls) == before


def test_leverage_seen_a_while_ago_is_asked_again(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("3"))
    client = client_on(wire)
    ask(client, 3)
    wire.clock.later = 61

    ask(client, 3)

    assert len(wire.sent(POSITIONS)) == 2


def test_leverage_of_a_symbol_that_is_not_told_is_refused(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, listed())
    wire.script(LEVERAGE, {})

    assert refusal(client_on(wire), 3) == "leverage"


def test_leverage_shown_late_is_waited_for(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("5"), flat("5"), flat("3"))
    wire.script(LEVERAGE, {})

    ask(client_on(wire), 3)

    assert len(wire.sent(LEVERAGE)) == 1


def test_leverage_that_does_not_show_is_refused(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("5"))
    wire.script(LEVERAGE, {})

    assert refusal(client_on(wire), 3) == "leverage"


def test_unanswered_leverage_is_judged_by_what_shows(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("5"), flat("3"))
    wire.script(LEVERAGE, requests.exceptions.ReadTimeout("Read timed out."))

    ask(client_on(wire), 3)

    assert len(wire.sent(LEVERAGE)) == 1


def test_leverage_beyond_the_instrument_is_refused_here(wire: ScriptedWire) -> None:
    assert refusal(client_on(wire), 51) == "leverage"
    assert wire.sent(POSITIONS) == []


def test_hedge_mode_is_refused(wire: ScriptedWire) -> None:
    hedged = listed(*(position_row(size="0", side="", positionIdx=side) for side in (1, 2)))
    wire.script(POSITIONS, hedged)
    client = client_on(wire)

    assert refusal(client, 3) == "position_mode"
    assert any("Hedge mode is on for BTCUSDT" in doubt for doubt in client.health().doubts)


@pytest.mark.parametrize("mode", ["REGULAR_MARGIN", "PORTFOLIO_MARGIN", "QUANTUM_MARGIN"])
def test_any_margin_mode_but_isolated_is_refused(wire: ScriptedWire, mode: str) -> None:
    wire.script(ACCOUNT, {**ISOLATED, "marginMode": mode})

    assert refusal(client_on(wire), 3) == "margin_mode"
    assert wire.sent(LEVERAGE) == []


def test_leverage_needs_the_margin_mode(wire: ScriptedWire) -> None:
    wire.script(ACCOUNT, (10016, "System error"))

    with pytest.raises(ExchangeUnavailable):
        ask(client_on(wire), 3)


def test_streamed_position_tells_of_hedge_mode(wire: ScriptedWire) -> None:
    stream = Frames()
    client = client_on(wire, stream)
    client.refresh_account()
    stream.tell({"topic": "position", "data": [position_row(positionIdx=1)]})
    client.drain()

    assert any("Hedge mode" in doubt for doubt in client.health().doubts)


def test_streamed_position_tells_of_a_changed_leverage(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("3"), flat("10"), flat("3"))
    wire.script(LEVERAGE, {})
    stream = Frames()
    client = client_on(wire, stream)
    ask(client, 3)
    stream.tell({"topic": "position", "data": [position_row(leverage="10")]})
    client.drain()

    ask(client, 3)

    assert len(wire.sent(LEVERAGE)) == 1


def test_reopened_stream_makes_leverage_be_asked_again(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, flat("3"))
    stream = Frames()
    client = client_on(wire, stream)
    ask(client, 3)
    stream.tell(opened=1)
    client.drain()

    ask(client, 3)

    assert len(wire.sent(POSITIONS)) == 2


@pytest.mark.parametrize(("facts", "available"), [(ISOLATED, "900"), (CROSS, "777")])
def test_balance_by_margin_mode(wire: ScriptedWire, facts: dict[str, Any], available: str) -> None:
    wire.script(ACCOUNT, facts)

    read = client_on(wire).balance()

    assert (read.wallet, read.equity) == (Decimal(1000), Decimal(980))
    assert read.available == Decimal(available)
    assert wire.sent(WALLET) == [{"accountType": "UNIFIED", "coin": "USDT"}]


def test_balance_asks_for_the_modes_once_a_minute(wire: ScriptedWire) -> None:
    client = client_on(wire)

    client.balance()
    client.balance()

    assert len(wire.sent(ACCOUNT)) == 1


def test_balance_does_with_older_modes(wire: ScriptedWire) -> None:
    client = client_on(wire)
    client.balance()
    wire.clock.later = 61
    wire.script(ACCOUNT, (10016, "System error"))

    with capture_logs() as told:
        assert client.balance().available == Decimal(900)

    assert [one["event"] for one in told] == ["bybit_account_unread"]
    wire.clock.later = 400
    assert any("could not be read for 6 minutes" in one for one in client.health().doubts)


def test_balance_that_was_not_told_is_not_zero(wire: ScriptedWire) -> None:
    wire.script(WALLET, {"list": []})

    with pytest.raises(ExchangeUnavailable, match="wallet-balance"):
        client_on(wire).balance()


def test_balance_needs_the_margin_mode_once(wire: ScriptedWire) -> None:
    wire.script(ACCOUNT, (10016, "System error"))

    with pytest.raises(ExchangeUnavailable):
        client_on(wire).balance()


def test_health_adds_up_what_is_doubted(wire: ScriptedWire) -> None:
    stream = Frames(doubted=("The private stream is not open.",))
    client = client_on(wire, stream)
    before = client.health().doubts
    client.refresh_account()
    after = client.health()

    assert "The account's margin mode has not been read yet." in before
    assert after.doubts == ("The private stream is not open.",)
    assert after.halted == ""
    assert after.clock_offset_ms is not None


def test_refused_key_shows_in_health(wire: ScriptedWire) -> None:
    wire.script(ACCOUNT, (33004, "Your api key has expired."))
    client = client_on(wire)

    with pytest.raises(Exception, match="key"):
        client.refresh_account()

    assert client.health().halted


def test_close_ends_the_stream(wire: ScriptedWire) -> None:
    stream = Frames()

    client_on(wire, stream).close()
    client_on(wire).close()

    assert stream.stopped


def learned(mode: MarginMode = MarginMode.ISOLATED, *, unified: bool = True) -> AccountState:
    state = AccountState()
    state.learn(AccountFacts(mode, unified), NOW)
    return state


def test_good_account_raises_no_doubts() -> None:
    assert learned().doubts(NOW) == ()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (AccountState(), "has not been read"),
        (learned(MarginMode.CROSS), "cross margin"),
        (learned(MarginMode.PORTFOLIO), "portfolio margin"),
        (learned(MarginMode.UNKNOWN), "none that is known"),
        (learned(unified=False), "unified trading account"),
    ],
)
def test_doubts_about_an_account(state: AccountState, words: str) -> None:
    (doubt,) = state.doubts(NOW)

    assert words in doubt


def test_facts_grow_old() -> None:
    state = learned()

    assert not state.due(NOW + MINUTE - SECOND)
    assert state.due(NOW + MINUTE)
    assert state.doubts(NOW + 5 * MINUTE) == ()
    assert "for 6 minutes" in state.doubts(NOW + 6 * MINUTE)[0]


def test_hedge_mode_that_was_left_is_forgotten() -> None:
    state = learned()
    state.see_mode("BTCUSDT", hedged=True)
    state.see_mode("ETHUSDT", hedged=False)
    assert "BTCUSDT" in state.doubts(NOW)[0]
    assert "ETHUSDT" not in state.doubts(NOW)[0]

    state.see_mode("BTCUSDT", hedged=False)
    assert state.doubts(NOW) == ()
