"""Approved signals into orders, and requests that nobody answered in time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from analysis.domain import Direction
from exchange.errors import ExchangeError, MarketDataError
from exchange.fault_points import fault_point
from trading.ai import answer_refusal
from trading.choices import (
    ApprovalDecision,
    BotState,
    CommandKind,
    CommandState,
    EventLevel,
    ExitReason,
    SignalState,
    TradeState,
    TradingStateName,
)
from trading.domain.exits import ExitSettings, ExitSettingsInvalid
from trading.domain.invalid import SettingsInvalid
from trading.domain.ownership import symbol_closed
from trading.domain.pipeline import ApprovedSignal, admit
from trading.domain.portfolio import Exposure
from trading.domain.replacement import RULE as REPLACEMENT
from trading.domain.replacement import Exchanged, replaceable
from trading.domain.signal import drifted
from trading.domain.sizing import minimum_order
from trading.domain.verdict import Verdict
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.executor import enter
from trading.execution.replacement import Replacing
from trading.market_view import market_view
from trading.models import Approval, Command, Signal, Trade
from trading.payload import payload_hash
from trading.portfolio import portfolio_get
from trading.selectors import RULES, quote_or_none, signal_exposure, trading_state_effective
from trading.settings_of import limits_current, settings_to_admit

logger = structlog.get_logger(__name__)

# What people may change of a bot between a decision and its entry.
BOT_ANEW = (
    "state",
    "symbols",
    "capital_share",
    "tighter_limits",
    "entry_settings",
    "exit_settings",
)


def enter_approved(desk: Desk, replacing: Replacing | None = None) -> bool:
    """Admit and send every approved signal, best rank first. True if any was there.

    One that turns a trade waits until that trade is closed; one that takes the slot of a worse
    entry waits in ``replacing`` until that is gone, and is dropped without it.
    """
    answered = replacing.answers() if replacing is not None else []
    for signal, answer in answered:
        if answer is Exchanged.PLACE:
            _admit(desk, signal, None)
        else:
            text = "The entry it was to replace has filled, or was not known to be gone in time."
            _drop(desk, signal, _failed(REPLACEMENT, text))
    rows = Signal.objects.filter(account=desk.account, state=SignalState.APPROVED)
    signals = list(
        rows.select_related(
            "bot__account",
            "bot__analyst_profile",
            "analysis__profile",
            "analysis__prompt_version",
            "cycle",
        )
        .exclude(Exists(_turned_trades()))
        .order_by("cycle_id", "rank")
    )
    for number, signal in enumerate(signals):
        if number and trading_state_effective(desk.account)[0] is not TradingStateName.ACTIVE:
            # Pressed in mid-queue: what is out is taken back before the next one is dropped.
            return True
        claimed = Signal.objects.filter(pk=signal.pk, state=SignalState.APPROVED).update(
            state=SignalState.CLAIMED, state_changed_at=desk.clock.now()
        )
        if claimed == 1:
            fault_point("K8")
            _admit(desk, signal, replacing)
    return bool(signals or answered)


def _turned_trades() -> QuerySet[Trade]:
    """The trade that a signal turns, while it is closing or about to."""
    asked = Command.objects.filter(
        target=OuterRef("pk"),
        kind=CommandKind.CLOSE,
        state__in=(CommandState.REQUESTED, CommandState.CLAIMED),
    )
    closing = Q(close_wanted=ExitReason.OPPOSITE_SIGNAL) | Exists(asked)
    return Trade.objects.filter(
        closing, account=OuterRef("account"), symbol=OuterRef("symbol"), state=TradeState.OPEN
    )


def _admit(desk: Desk, signal: Signal, replacing: Replacing | None) -> None:
    """Send the signal, drop it, or first ask for the slot that it was promised."""
    try:
        answer = _judged(desk, signal, may_replace=replacing is not None)
    except (MarketDataError, ExchangeError) as exc:
        _drop(desk, signal, _failed("data", f"No fresh data to admit it: {exc}"))
        return
    except SettingsInvalid as exc:
        _drop(desk, signal, _failed("settings", str(exc)))
        return
    except ExitSettingsInvalid as exc:
        _drop(desk, signal, _failed("exit_settings", str(exc)))
        return
    if isinstance(answer, Verdict):
        _drop(desk, signal, answer)
    elif answer.instead_of is None or replacing is None:
        enter(desk, signal, answer.exits)
    elif not replacing.begin(signal, answer.instead_of.symbol):
        _drop(desk, signal, _failed(REPLACEMENT, "The entry it was to replace is not there."))


@dataclass(frozen=True, slots=True)
class _LetIn:
    """A signal that may be sent: with the exit settings that its trade keeps, and in the place of
    another entry, if any."""

    exits: ExitSettings
    instead_of: Exposure | None


def _judged(desk: Desk, signal: Signal, *, may_replace: bool) -> Verdict | _LetIn:
    """The rule that says no to the approved payload now, or how it is let in."""
    refused = _standing_refusal(desk, signal)
    if refused is not None:
        return refused
    settings = settings_to_admit(signal.bot, limits_current(desk.account), desk.market.now())
    asked = desk.clock.monotonic()
    quote = desk.market.quote(signal.symbol)
    portfolio = portfolio_get(
        account=desk.account,
        market=desk.market,
        settings=settings,
        wall_now=desk.clock.now(),
        wallet=desk.client.balance().wallet,
        without=signal,
        bot=signal.bot,
    )
    promised = may_replace and any(one["rule"] == REPLACEMENT for one in signal.verdicts)
    old = replaceable(signal.symbol, signal.confidence, portfolio, settings) if promised else None
    if old is not None:
        portfolio = portfolio.without_entry(old.symbol)
    age_s = Decimal(str(round(desk.clock.monotonic() - asked, 3)))
    view = market_view(desk.market, signal.symbol, settings)
    now = desk.market.now()
    admission = admit(_approved(desk, signal), portfolio, quote, age_s, settings, now, view)
    return admission.refused_by or _LetIn(settings.exits, old)


def _standing_refusal(desk: Desk, signal: Signal) -> Verdict | None:
    """What needs no price to say no."""
    if payload_hash(signal) != signal.payload_hash:
        return _failed("payload", "The payload is not the one that was approved.")
    if desk.entries_after is not None and signal.cycle.boundary <= desk.entries_after:
        return _failed("after_crash", "After a crash entries wait for the next bar.")
    # Asked here already, so that a queue of signals does not keep a kill waiting for its quotes.
    trading, why = trading_state_effective(desk.account)
    if trading is not TradingStateName.ACTIVE:
        return _failed("trading_state", f"{trading.label}: {why}.")
    bot = signal.bot
    # Anew: a queue of signals may be older than a press of the kill switch or a change of the bot.
    bot.refresh_from_db(fields=BOT_ANEW)
    if bot.state != BotState.RUNNING:
        return _failed("bot_state", f"The bot is {BotState(bot.state).label.lower()}.")
    if signal.symbol not in bot.symbols:
        return _failed("bot_symbols", f"The bot does not trade {signal.symbol} any more.")
    refused = answer_refusal(desk.account, signal.analysis) if signal.analysis else ""
    if refused:
        return _failed("analyst", refused)
    closed = symbol_closed(desk.market.instrument(signal.symbol))
    return _failed("symbol_closed", closed) if closed else None


def _approved(desk: Desk, signal: Signal) -> ApprovedSignal:
    analysis = signal.analysis
    if analysis is None:
        raise ValueError(f"{signal} was approved without an analysis")
    instrument = desk.market.instrument(signal.symbol)
    return ApprovedSignal(
        symbol=signal.symbol,
        direction=Direction(signal.direction),
        entry_price=signal.entry_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        rr_net=signal.rr_net,
        confidence=signal.confidence,
        risk_amount=signal.risk_amount,
        exposure=signal_exposure(signal, instrument),
        candle_time=analysis.candle_time,
        smallest=signal.qty <= minimum_order(instrument, signal.worst_price),
    )


def _failed(rule: str, text: str) -> Verdict:
    return Verdict(rule, False, "", "", text)


@transaction.atomic
def _drop(desk: Desk, signal: Signal, verdict: Verdict) -> None:
    """The payload is sent unchanged or not at all."""
    Signal.objects.filter(pk=signal.pk).update(
        state=SignalState.DROPPED,
        state_reason=verdict.text[:300],
        rule=verdict.rule,
        verdicts=[*signal.verdicts, verdict.as_json()],
        state_changed_at=desk.clock.now(),
    )
    record(
        "order_dropped",
        f"{signal.symbol} {signal.direction} dropped before sending: {verdict.text}",
        account=desk.account,
        data={"signal": signal.pk},
        market_time=desk.market.now(),
    )


def drop_interrupted(desk: Desk) -> None:
    """At start: signals that a trader claimed and never turned into an order are dropped; on a
    live market also those that were approved meanwhile, because nothing is caught up on. After a
    crash there, entries wait for the next bar of each bot."""
    missed = [SignalState.CLAIMED, *([SignalState.APPROVED] if desk.live else [])]
    for signal in Signal.objects.filter(account=desk.account, state__in=missed):
        _drop(desk, signal, _failed("interrupted", "The trader stopped before it was sent."))
    if desk.live and desk.lease.inherited:
        desk.entries_after = desk.market.now()
        record(
            "engine_crashed",
            "The last trader did not stop in order; entries wait for the next bar of each bot.",
            account=desk.account,
            level=EventLevel.WARNING,
            market_time=desk.entries_after,
        )


def expire_approvals(desk: Desk) -> None:
    """End requests that ran out of time, or whose price has moved away."""
    now = desk.clock.now()
    waiting = Approval.objects.filter(
        signal__account=desk.account, decision=ApprovalDecision.WAITING
    ).select_related("signal__bot")
    for approval in waiting:
        signal = approval.signal
        if approval.expires_at <= now:
            _expire(desk, approval, "nobody answered in time")
            continue
        quote = quote_or_none(desk.market, signal.symbol)
        if quote is None:
            continue
        drift = drifted(
            Direction(signal.direction), signal.entry_price, signal.stop_loss, quote.last, RULES
        )
        if not drift.passed:
            _expire(desk, approval, drift.text)


@transaction.atomic
def _expire(desk: Desk, approval: Approval, why: str) -> None:
    """One conditional update, so that an answer given at the same moment wins or loses whole."""
    now = desk.clock.now()
    moved = Approval.objects.filter(pk=approval.pk, decision=ApprovalDecision.WAITING).update(
        decision=ApprovalDecision.EXPIRED, decided_at=now, reason=why[:200]
    )
    if moved != 1:
        return
    signal = approval.signal
    Signal.objects.filter(pk=signal.pk, state=SignalState.WAITING).update(
        state=SignalState.EXPIRED, state_reason=why[:300], state_changed_at=now
    )
    record(
        "approval_expired",
        f"{signal.symbol} {signal.direction}: request expired, {why.rstrip('.')}.",
        account=desk.account,
        data={"signal": signal.pk},
        market_time=desk.market.now(),
    )
