"""What holds for every trade, all settings and any walk of price."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import HealthCheck, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exchange.domain import Candle
from tests.trading.domain.exit_strategies import any_settings, trades, walks
from tests.trading.domain.played import Done, after, hit, play
from trading.choices import ExitReason
from trading.domain.exits import (
    CloseTrade,
    ExitAction,
    ExitSettings,
    ManagedTrade,
    MoveStop,
    ReduceTrade,
    Watch,
    manage,
    manage_all,
    watch,
)

MANY = hypothesis_settings(max_examples=200, suppress_health_check=list(HealthCheck))


@st.composite
def cases(draw: st.DrawFn) -> tuple[ManagedTrade, ExitSettings, list[Candle]]:
    managed = draw(trades())
    return managed, draw(any_settings()), draw(walks(managed))


Case = tuple[ManagedTrade, ExitSettings, list[Candle]]


@given(cases())
@MANY
def test_stops_move_toward_profit_behind_price_and_before_the_target(case: Case) -> None:
    managed, settings, candles = case
    for done in play(managed, candles, settings):
        if not isinstance(done, Done) or not isinstance(done.action, MoveStop):
            continue
        stop, sign = done.action.stop_loss, managed.side.sign
        event(done.action.rule)
        assert (stop - done.before.stop_loss) * sign >= managed.r_unit / 10
        assert (done.candle.close - stop) * sign > 0
        assert (managed.take_profit - stop) * sign > 0
        assert stop % managed.instrument.tick_size == 0


@given(cases())
@MANY
def test_parts_only_shrink_a_trade_and_keep_what_can_be_traded(case: Case) -> None:
    managed, settings, candles = case
    rules, kept = managed.instrument, managed.full_qty
    least = managed.full_qty * (1 - sum((share for _, share in settings.partials), Decimal(0)))
    for done in play(managed, candles, settings):
        if not isinstance(done, Done) or not isinstance(done.action, ReduceTrade):
            continue
        target = done.action.target_qty
        event("part")
        assert kept - target >= rules.min_qty
        assert target >= max(rules.min_qty, least)
        assert target % rules.qty_step == 0
        assert done.action.reason is ExitReason.PARTIAL_TAKE_PROFIT
        kept = target


@given(cases())
@MANY
def test_nothing_is_left_to_do_after_all_actions_of_a_candle(case: Case) -> None:
    managed, settings, candles = case
    for candle in candles:
        actions = manage_all(managed, candle, settings, candle.close_time)
        for action in actions:
            managed = after(managed, action)
            if isinstance(action, CloseTrade):
                return
        assert manage(managed, candle, settings, candle.close_time) is None


def _actions(managed: ManagedTrade, settings: ExitSettings, candles: list[Candle]) -> list[object]:
    return [
        done if isinstance(done, str) else (done.candle.open_time, done.action)
        for done in play(managed, candles, settings)
    ]


@given(cases())
@MANY
def test_watching_finds_all_that_managing_every_candle_finds(case: Case) -> None:
    """The backtest looks only where ``watch`` tells it to."""
    managed, settings, candles = case
    watched, looked = _watched(managed, settings, candles)
    event(f"{10 * looked // len(candles)}0 % of candles looked at")
    assert watched == _actions(managed, settings, candles)


def _watched(
    managed: ManagedTrade, settings: ExitSettings, candles: Sequence[Candle]
) -> tuple[list[object], int]:
    found: list[object] = []
    looked, wanted = 0, watch(managed, settings)
    for candle in candles:
        happened = hit(managed, candle)
        if happened:
            return [*found, happened], looked
        if not _reaches(candle, wanted):
            continue
        looked += 1
        for action in manage_all(managed, candle, settings, candle.close_time):
            found.append((candle.open_time, action))
            managed = after(managed, action)
            if isinstance(action, CloseTrade):
                return found, looked
        wanted = watch(managed, settings)
    return found, looked


def _reaches(candle: Candle, wanted: Watch) -> bool:
    return (
        (wanted.above is not None and candle.high >= wanted.above)
        or (wanted.below is not None and candle.low <= wanted.below)
        or candle.close_time >= wanted.at
    )


@given(cases(), st.integers(0, 60))
@MANY
def test_a_restart_in_between_changes_nothing(case: Case, cut: int) -> None:
    """All that the rules know is in the trade: a driver that begins anew goes on the same way."""
    managed, settings, candles = case
    state: list[ExitAction] = []
    for done in play(managed, candles[:cut], settings):
        if isinstance(done, str) or isinstance(done.action, CloseTrade):
            return
        state.append(done.action)
    for action in state:
        managed = after(managed, action)
    whole = _actions(case[0], settings, candles)
    assert _actions(managed, settings, candles[cut:]) == whole[len(state) :]
