"""A valid signal for the other side ends an open trade whose settings say so."""

from __future__ import annotations

from decimal import Decimal

import pytest

from analysis.domain import Direction
from tests.factories import TradeFactory
from tests.trading.cycle.conftest import Desk
from trading.choices import CommandKind, SignalState, TradeState
from trading.cycle.run import cycle_run
from trading.models import Bot, Command, Cycle, RiskLimits, Signal, Trade

pytestmark = pytest.mark.django_db


def hold(desk: Desk, rule: str, symbol: str = "BTCUSDT", side: str = "buy") -> Trade:
    """An open trade of the bot, entered a while ago with ``rule``."""
    before = Cycle.objects.create(
        bot=desk.bot, timeframe="15m", boundary=desk.clock.now(), attempt=9
    )
    signal = Signal.objects.create(
        cycle=before,
        bot=desk.bot,
        account=desk.account,
        symbol=symbol,
        direction="long" if side == "buy" else "short",
        decided_at=desk.clock.now(),
        state=SignalState.EXECUTING,
    )
    last = desk.market.quote(symbol).last
    unit = desk.market.instrument(symbol).floor_price(last / 100)
    sign = 1 if side == "buy" else -1
    trade: Trade = TradeFactory.create(
        account=desk.account,
        bot=desk.bot,
        signal=signal,
        symbol=symbol,
        side=side,
        state=TradeState.OPEN,
        entry_qty=Decimal("0.01"),
        entry_value=Decimal("0.01") * last,
        initial_stop=last - 2 * sign * unit,
        stop_loss=last - 2 * sign * unit,
        take_profit=last + 6 * sign * unit,
        exit_settings=desk.bot.exit_settings | {"opposite": rule},
    )
    desk.next_bar()
    return trade


def run(desk: Desk) -> dict[str, Signal]:
    cycle = cycle_run(desk.cycle().pk, desk.ports())
    return {signal.symbol: signal for signal in cycle.signals.all()}


def test_an_opposite_signal_asks_for_a_close(desk: Desk) -> None:
    trade = hold(desk, "close")
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    signal = run(desk)["BTCUSDT"]
    command = Command.objects.get(kind=CommandKind.CLOSE)
    assert command.target == trade.pk
    assert command.payload["reason"] == "opposite_signal"
    assert (signal.state, signal.rule) == (SignalState.REJECTED, "occupied")
    assert signal.state_reason == "An opposite signal: the open long is closed."


@pytest.mark.parametrize("says", [Direction.LONG, Direction.NONE])
def test_the_same_side_or_none_closes_nothing(desk: Desk, says: Direction) -> None:
    hold(desk, "reverse")
    desk.analyst.says["BTCUSDT"] = says
    run(desk)
    assert not Command.objects.exists()


def test_off_the_symbol_is_not_even_read(desk: Desk) -> None:
    hold(desk, "off")
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    run(desk)
    assert "BTCUSDT" not in desk.analyst.asked
    assert not Command.objects.exists()


def test_full_slots_do_not_stop_it(desk: Desk) -> None:
    RiskLimits.objects.update(max_slots=1, max_same_direction=1)
    hold(desk, "close", side="sell")
    signals = run(desk)
    assert desk.analyst.asked == ["BTCUSDT"]
    assert Command.objects.filter(kind=CommandKind.CLOSE).count() == 1
    assert signals["ETHUSDT"].rule == "slots"


def test_a_signal_that_fails_another_rule_closes_nothing(desk: Desk) -> None:
    RiskLimits.objects.update(min_confidence=Decimal("0.99"))
    hold(desk, "close")
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    signal = run(desk)["BTCUSDT"]
    assert signal.rule == "confidence"
    assert not Command.objects.exists()


def test_a_second_look_at_a_candle_closes_nothing(desk: Desk) -> None:
    hold(desk, "close")
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    cycle_run(desk.cycle(attempt=1).pk, desk.ports())
    assert not Command.objects.exists()


def test_a_trade_of_another_bot_is_left_alone(desk: Desk) -> None:
    trade = hold(desk, "close")
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    other = Bot.objects.get()
    other.pk, other.name = None, "Other"
    other.save()
    Trade.objects.filter(pk=trade.pk).update(bot=other)
    run(desk)
    assert not Command.objects.exists()


def test_a_reversal_is_sized_as_if_the_trade_were_gone(desk: Desk) -> None:
    hold(desk, "reverse")
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    signal = run(desk)["BTCUSDT"]
    assert Command.objects.get(kind=CommandKind.CLOSE)
    assert (signal.state, signal.rule) == (SignalState.APPROVED, "")
    assert signal.direction == "short"
    assert signal.qty is not None
    assert signal.rank is not None


def test_a_reversal_keeps_the_slots_with_what_else_was_accepted(desk: Desk) -> None:
    RiskLimits.objects.update(max_slots=2)
    hold(desk, "reverse")
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    signals = run(desk)
    states = [signals[name].state for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    assert states.count(SignalState.APPROVED) == 2
    assert signals["BTCUSDT"].state == SignalState.APPROVED
    assert len({signal.rank for signal in signals.values() if signal.rank}) == 2
