"""Values the rules work on, made from plain numbers.

Unless a test says otherwise: a long at 100 with its stop at 96 and its target at 112, ATR 2, last
price 100.6 (a pullback entry), a wallet of 10,000 USDT, the conservative profile, 1h candles.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from analysis.domain import Direction, Environment, Grounding, Recommendation, ScoreParts
from exchange.domain import Candle, Execution, ExecutionKind, Instrument, Quote, Side
from exchange.ports import MarketFacts
from trading.choices import Autonomy, RiskProfile, TradingStateName
from trading.domain.entry_settings import EntrySettings
from trading.domain.exits import ExitSettings, ManagedTrade, default_exits
from trading.domain.filters import MarketView
from trading.domain.pipeline import ApprovedSignal
from trading.domain.portfolio import Exposure, Portfolio, StopOut
from trading.domain.settings import PROFILE_LIMITS, BotSettings, SignalRules
from trading.domain.signal import Proposal, Reading, propose
from trading.domain.sizing import Sizing, size
from trading.domain.verdict import Verdict

NOW = datetime(2024, 5, 8, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Number = str | int | Decimal


def dec(value: Number) -> Decimal:
    return Decimal(value)


def instrument(symbol: str = "BTCUSDT", **changes: Any) -> Instrument:
    """Tick 0.1, step 0.001, at least 5 USDT, taker 0.055 %."""
    rules = Instrument(
        symbol=symbol,
        tick_size=Decimal("0.1"),
        qty_step=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(1000),
        min_notional=Decimal(5),
        max_leverage=Decimal(50),
    )
    return replace(rules, **changes)


def quote(last: Number, spread: Number = "0.2", symbol: str = "BTCUSDT") -> Quote:
    """Bid and ask lie half the spread from the last price."""
    half = dec(spread) / 2
    return Quote(symbol, NOW, dec(last) - half, dec(last) + half, dec(last))


def recommendation(
    symbol: str = "BTCUSDT",
    *,
    direction: Direction = Direction.LONG,
    entry: Number | None = 100,
    stop: Number | None = 96,
    target: Number | None = 112,
    atr: Number = 2,
    setup: Number = "0.8",
    environment: Number = "0.7",
    candle_time: datetime = NOW,
    objection: str = "",
    grounding: Grounding | None = None,
    veto: str = "",
) -> Recommendation:
    return Recommendation(
        symbol=symbol,
        timeframe="1h",
        candle_time=candle_time,
        direction=direction,
        entry_price=None if entry is None else dec(entry),
        stop_loss=None if stop is None else dec(stop),
        take_profit=None if target is None else dec(target),
        scores=ScoreParts(dec(setup), dec(environment)),
        environment=Environment.TREND_UP,
        evidence=(),
        strongest_objection=objection,
        invalidation="",
        atr=dec(atr),
        last_price=Decimal("100.6"),
        grounding=grounding,
        veto=veto,
    )


def reading(
    symbol: str = "BTCUSDT",
    *,
    last: Number = "100.6",
    spread: Number = "0.2",
    gap_free: bool = True,
    rules: Instrument | None = None,
    looked: bool = False,
    view: MarketView | None = None,
    **recommended: Any,
) -> Reading:
    return Reading(
        recommendation=recommendation(symbol, **recommended),
        instrument=rules or instrument(symbol),
        quote=quote(last, spread, symbol),
        gap_free=gap_free,
        view=view or market_view(symbol, rules=rules),
        looked=looked,
    )


def market_view(
    symbol: str = "BTCUSDT", *, rules: Instrument | None = None, **known: Any
) -> MarketView:
    """A market that tells nothing but its candles, which are calm, and its trading rules."""
    given = {"spread", "turnover", "funding", "listing", "mark"}
    facts = MarketFacts(**{name: known.pop(f"gives_{name}", False) for name in sorted(given)})
    view = MarketView(
        symbol=symbol,
        time=NOW,
        facts=facts,
        instrument=rules or instrument(symbol),
        bar_sizes=(dec(1),) * 4,
    )
    return replace(view, **known)


def short_reading(symbol: str = "BTCUSDT", **changes: Any) -> Reading:
    """The mirror image: short at 100, stop 104, target 88, last price 99.4."""
    mirrored: dict[str, Any] = {"stop": 104, "target": 88, "last": "99.4"} | changes
    return reading(symbol, direction=Direction.SHORT, **mirrored)


def settings(
    profile: RiskProfile = RiskProfile.CONSERVATIVE,
    *,
    timeframe: timedelta = HOUR,
    capital_share: Number = 1,
    rules: SignalRules | None = None,
    **limits: Any,
) -> BotSettings:
    """Settings of a profile; what else is named changes its limits."""
    return BotSettings(
        timeframe=timeframe,
        autonomy=Autonomy.AUTO,
        capital_share=dec(capital_share),
        limits=replace(PROFILE_LIMITS[profile], **limits),
        exits=default_exits(profile, timeframe),
        rules=rules or SignalRules(),
    )


def portfolio(*, wallet: Number = 10_000, **changes: Any) -> Portfolio:
    """Flat and active; equity and the starts of day and week equal the wallet."""
    base = Portfolio(
        time=NOW,
        wallet=dec(wallet),
        equity=dec(wallet),
        day_start_equity=dec(wallet),
        transfers_today=Decimal(0),
        entries_today=0,
        trading_state=TradingStateName.ACTIVE,
        week_start_equity=dec(wallet),
    )
    return replace(base, **changes)


def exposure(
    symbol: str = "ETHUSDT",
    *,
    direction: Direction = Direction.LONG,
    qty: Number = 1,
    price: Number = 100,
    stop: Number = 95,
    working: bool = False,
    exit_rate: Number = "0.00105",
    entry_rate: Number = 0,
    margin: Number = 0,
) -> Exposure:
    return Exposure(
        symbol=symbol,
        direction=direction,
        qty=dec(qty),
        price=dec(price),
        stop_loss=dec(stop),
        entry_cost_rate=dec(entry_rate),
        exit_cost_rate=dec(exit_rate),
        margin=dec(margin),
        working=working,
    )


def stop_out(
    ago: timedelta,
    *,
    symbol: str = "BTCUSDT",
    direction: Direction = Direction.LONG,
    now: datetime = NOW,
) -> StopOut:
    return StopOut(symbol, direction, now - ago)


def proposal(read: Reading | None = None, bot: BotSettings | None = None) -> Proposal:
    return propose(read or reading(), bot or settings())


def sized(
    read: Reading | None = None,
    held: Portfolio | None = None,
    bot: BotSettings | None = None,
) -> Sizing:
    """The size of a reading's proposal."""
    read, bot = read or reading(), bot or settings()
    return size(propose(read, bot), held or portfolio(), bot, read.instrument)


def approved(**changes: Any) -> ApprovedSignal:
    """The default long as it was approved: 12.025 units risking 49.99995 USDT."""
    signal = ApprovedSignal(
        symbol="BTCUSDT",
        direction=Direction.LONG,
        entry_price=Decimal(100),
        stop_loss=Decimal(96),
        take_profit=Decimal(112),
        rr_net=Decimal("2.8480"),
        confidence=Decimal("0.802"),
        risk_amount=Decimal("49.99995"),
        exposure=exposure("BTCUSDT", qty="12.025", stop=96, working=True, entry_rate="0.00055"),
        candle_time=NOW,
    )
    return replace(signal, **changes)


def trade(
    side: Side = Side.BUY,
    *,
    entry: Number = 100,
    initial_stop: Number | None = None,
    stop: Number | None = None,
    target: Number | None = None,
    rules: Instrument | None = None,
    cost_rate: Number = "0.0016",
) -> ManagedTrade:
    """Opened at NOW with R = 4 and the target at 5 R, unless told otherwise."""
    start = dec(entry) - 4 * side.sign if initial_stop is None else dec(initial_stop)
    return ManagedTrade(
        side=side,
        avg_entry=dec(entry),
        initial_stop=start,
        stop_loss=start if stop is None else dec(stop),
        take_profit=dec(entry) + 20 * side.sign if target is None else dec(target),
        opened_at=NOW,
        instrument=rules or instrument(),
        cost_rate=dec(cost_rate),
    )


def candle(close: Number, *, minute: int = 0) -> Candle:
    """A minute candle; the exit rules look at nothing but its close."""
    price = dec(close)
    return Candle("BTCUSDT", NOW + minute * MINUTE, MINUTE, price, price, price, price, Decimal(1))


def exits(profile: RiskProfile = RiskProfile.CONSERVATIVE, **changes: Any) -> ExitSettings:
    return replace(default_exits(profile, HOUR), **changes)


def execution(
    side: Side,
    qty: Number,
    price: Number,
    *,
    fee: Number = 0,
    minute: int = 0,
    kind: ExecutionKind = ExecutionKind.TRADE,
) -> Execution:
    return Execution(
        exec_id=f"{side}-{minute}",
        order_id="",
        order_link_id="",
        symbol="BTCUSDT",
        side=side,
        qty=dec(qty),
        price=dec(price),
        fee=dec(fee),
        is_maker=False,
        kind=kind,
        time=NOW + minute * MINUTE,
    )


def verdict_of(verdicts: tuple[Verdict, ...], rule: str) -> Verdict:
    """The only answer of ``rule``."""
    (found,) = (verdict for verdict in verdicts if verdict.rule == rule)
    return found


def entries(**changes: Any) -> EntrySettings:
    return replace(EntrySettings(), **changes)
