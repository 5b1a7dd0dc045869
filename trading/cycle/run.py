"""One cycle, from the question whether to trade at all to signals that wait for the trader.

Nothing here talks to an exchange. Every symbol ends as a ``Signal`` row with its verdicts, and a
symbol that fails never takes the others with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from django.db import transaction

from analysis.chart_source import MarketChartSource
from analysis.domain import AnalysisInput
from analysis.errors import AnalystError
from analysis.models import Analysis
from analysis.ports import Analyst
from analysis.services import recommendation_of
from exchange.candles import CandleWindow
from exchange.errors import MarketDataError
from exchange.fault_points import fault_point
from exchange.models import ExchangeAccount
from exchange.ports import Clock, MarketData
from trading.choices import CommandKind, CycleState, SignalState, StepStatus, TradeState
from trading.cycle.opposite import closes_request, explain, held_trades
from trading.cycle.readers import (
    ModelDoor,
    Readers,
    no_answer,
    reading_summary,
    was_grounded,
)
from trading.cycle.signals import decided_signal, dropped_signal, store_signals
from trading.cycle.steps import StepRecorder
from trading.domain.exits import ExitSettingsInvalid
from trading.domain.filters import MarketView, symbol_rules
from trading.domain.invalid import SettingsInvalid
from trading.domain.opposite import HeldTrade, only_positions, turned, with_reversals
from trading.domain.pipeline import Decision, decide
from trading.domain.portfolio import Portfolio
from trading.domain.replacement import at_best
from trading.domain.risk import gate
from trading.domain.settings import BotSettings
from trading.domain.signal import Reading
from trading.domain.verdict import Verdict
from trading.events import record
from trading.market_view import market_view
from trading.models import Command, Cycle, CycleStep, Signal, Trade
from trading.portfolio import portfolio_get
from trading.selectors import direction_of
from trading.settings_of import bot_settings, limits_current

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CyclePorts:
    """What a cycle is handed: its market, the analyst that needs no model, wall time, and the way
    to the model of a bot that has one."""

    market: MarketData
    analyst: Analyst
    clock: Clock
    claimant: str
    model: ModelDoor | None = None


def cycle_run(
    cycle_id: int, ports: CyclePorts, on_step: Callable[[CycleStep], None] | None = None
) -> Cycle:
    """Claim the cycle and run it. A cycle that somebody else has is left alone."""
    claimed = Cycle.objects.filter(pk=cycle_id, state=CycleState.DUE).update(
        state=CycleState.RUNNING,
        claimed_by=ports.claimant,
        claimed_at=ports.clock.now(),
        started_at=ports.clock.now(),
    )
    cycle = Cycle.objects.select_related("bot__account", "bot__analyst_profile").get(pk=cycle_id)
    if claimed == 1:
        fault_point("K1")
        _Run(cycle, ports, on_step).run()
        cycle.refresh_from_db()
    return cycle


class _Run:
    """The steps of one claimed cycle."""

    def __init__(
        self,
        cycle: Cycle,
        ports: CyclePorts,
        on_step: Callable[[CycleStep], None] | None,
    ) -> None:
        self.cycle, self.bot, self.ports = cycle, cycle.bot, ports
        self.account: ExchangeAccount = cycle.bot.account
        self.market = ports.market
        self.steps = StepRecorder(cycle, ports.clock, on_step)
        self.readers = Readers(cycle, ports.analyst, ports.model, ports.clock)
        self.signals: list[Signal] = []
        self.views: dict[str, MarketView] = {}
        self.held = held_trades(self.bot)
        self.closing: tuple[HeldTrade, ...] = ()

    def run(self) -> None:
        structlog.contextvars.bind_contextvars(cycle=self.cycle.pk)
        try:
            self._run()
        except (MarketDataError, SettingsInvalid, ExitSettingsInvalid) as exc:
            self._finish(CycleState.SKIPPED, f"{type(exc).__name__}: {exc}")
        except Exception as exc:
            logger.exception("cycle failed")
            self._finish(CycleState.FAILED, f"{type(exc).__name__}: {exc}")
        finally:
            structlog.contextvars.unbind_contextvars("cycle")

    def _run(self) -> None:
        # A cycle that died half way left signals behind only if it had finished deciding.
        if Signal.objects.filter(cycle=self.cycle).exists():
            self._finish(CycleState.COMPLETED, "")
            return
        settings = bot_settings(self.bot, limits_current(self.account), self.market.now())
        portfolio, symbols = self._can_we_trade(settings)
        inputs = self._fresh_data(symbols)
        analyses = self._analyse(inputs)
        decisions = self._decide(inputs, analyses, portfolio, settings)
        with self.steps.step(4) as note:
            accepted = [item for item in decisions if item.accepted]
            note.summary = f"{len(accepted)} sized"
            self.signals += [
                decided_signal(self.cycle, item, analyses[item.symbol], settings, self.market.now())
                for item in decisions
            ]
        explain(self.signals, self.closing)
        closes_request(self.cycle, self.closing)
        self._approve(settings)
        self._withdraw_outdated(analyses)
        if symbols:
            self._finish(CycleState.COMPLETED, "")
        else:
            self._finish(CycleState.SKIPPED, self._common_reason())

    def _can_we_trade(self, settings: BotSettings) -> tuple[Portfolio, list[str]]:
        """Step 0: drop the symbols that no signal could save."""
        with self.steps.step(0) as note:
            portfolio = portfolio_get(
                account=self.account,
                market=self.market,
                settings=settings,
                wall_now=self.ports.clock.now(),
                bot=self.bot,
            )
            analyst = self.readers.admission(portfolio.equity)
            pending = set(self._pending_symbols())
            kept = []
            for symbol in self.bot.symbols:
                view = market_view(self.market, symbol, settings)
                self.views[symbol] = view
                verdicts = (
                    *gate(symbol, at_best(symbol, portfolio, settings), settings),
                    *symbol_rules(view, settings),
                    *analyst,
                )
                failed = [verdict.rule for verdict in verdicts if verdict.passed is False]
                watched = failed == ["occupied"] and symbol in pending
                watched |= symbol in self.held and only_positions(failed)
                if not failed or watched or self.cycle.observe_only:
                    kept.append(symbol)
                else:
                    self._drop(symbol, verdicts)
            note.summary = f"{len(kept)} of {len(self.bot.symbols)} symbols may be traded"
            if not kept:
                note.status = StepStatus.SKIPPED
        return portfolio, kept

    def _pending_symbols(self) -> Sequence[str]:
        """Symbols of this bot with an unfilled entry: read on, because a reading that turned
        takes the entry back."""
        rows = Trade.objects.filter(bot=self.bot, state=TradeState.PENDING)
        return list(rows.values_list("symbol", flat=True))

    def _drop(self, symbol: str, verdicts: Sequence[Verdict]) -> None:
        self.signals.append(dropped_signal(self.cycle, symbol, verdicts, self.market.now()))

    def _common_reason(self) -> str:
        reasons = [signal.state_reason for signal in self.signals]
        return max(set(reasons), key=reasons.count) if reasons else "no symbols"

    def _fresh_data(self, symbols: Sequence[str]) -> dict[str, AnalysisInput]:
        source = MarketChartSource(self.market)
        inputs: dict[str, AnalysisInput] = {}
        with self.steps.step(1) as note:
            for symbol in symbols:
                try:
                    inputs[symbol] = source.chart_input(
                        symbol, self.cycle.timeframe, candle_time=self.cycle.boundary
                    )
                except (MarketDataError, AnalystError) as exc:
                    self._drop(symbol, [Verdict("data", False, "missing", "complete", str(exc))])
            note.summary = f"{len(inputs)} of {len(symbols)} symbols have their candles"
        return inputs

    def _analyse(self, inputs: dict[str, AnalysisInput]) -> dict[str, Analysis]:
        analyses: dict[str, Analysis] = {}
        with self.steps.step(2) as note:
            answers = self.readers.read(list(inputs.values()))
            for symbol, answer in answers.items():
                if isinstance(answer, Analysis):
                    analyses[symbol] = answer
                else:
                    self._drop(symbol, [no_answer(answer)])
            note.summary = reading_summary(self.bot, self.cycle, answers, self.readers.took_over)
        return analyses

    def _decide(
        self,
        inputs: dict[str, AnalysisInput],
        analyses: dict[str, Analysis],
        portfolio: Portfolio,
        settings: BotSettings,
    ) -> tuple[Decision, ...]:
        with self.steps.step(3) as note:
            readings = []
            for symbol, analysis in analyses.items():
                try:
                    quote = self.market.quote(symbol)
                except MarketDataError as exc:
                    self._drop(symbol, [Verdict("data", False, "no quote", "a quote", str(exc))])
                    continue
                reading = Reading(
                    recommendation=recommendation_of(analysis),
                    instrument=inputs[symbol].instrument,
                    quote=quote,
                    gap_free=_gap_free(inputs[symbol].window, settings.rules.gap_window),
                    looked=self._looked(analysis),
                    view=self.views[symbol],
                )
                readings.append(reading)
            now = self.market.now()
            decisions = decide(readings, portfolio, settings, now)
            self.closing = turned(decisions, self.held)
            decisions = with_reversals(decisions, self.closing, readings, portfolio, settings, now)
            accepted = sum(item.accepted for item in decisions)
            note.summary = f"{accepted} accepted, {len(decisions) - accepted} rejected"
        return decisions

    def _looked(self, analysis: Analysis) -> bool:
        """Whether the answer is the model's, who was shown a picture, and not that of the rules."""
        profile = self.bot.analyst_profile
        return profile.asks_a_model and analysis.profile_id == profile.pk

    def _approve(self, settings: BotSettings) -> None:
        with self.steps.step(5) as note:
            waiting = store_signals(
                self.cycle, self.signals, settings, self.market.speed, self.ports.clock.now()
            )
            fault_point("K5")
            note.summary = f"{len(waiting)} need an answer ({settings.autonomy.label.lower()})"
            note.status = StepStatus.DONE if waiting else StepStatus.SKIPPED
        with self.steps.step(6) as note:
            ready = [signal for signal in waiting if signal.state == SignalState.APPROVED]
            note.summary = f"{len(ready)} handed to the trader"
            note.status = StepStatus.DONE if ready else StepStatus.SKIPPED

    def _withdraw_outdated(self, analyses: dict[str, Analysis]) -> None:
        """An unfilled entry whose symbol reads none or opposite now is taken back."""
        if self.cycle.observe_only:
            return
        pending = Trade.objects.filter(
            bot=self.bot, state=TradeState.PENDING, symbol__in=list(analyses)
        )
        for trade in pending.select_related("signal__analysis"):
            reading, before = analyses[trade.symbol], trade.signal.analysis
            if before is not None and before.profile_id != reading.profile_id:
                # What rules see, while they stand in for the model, does not turn its reading.
                continue
            if not was_grounded(reading) or reading.direction == direction_of(trade.side):
                continue
            Command.objects.get_or_create(
                idempotency_key=f"outdated-{self.cycle.pk}-{trade.pk}",
                defaults={
                    "account": self.account,
                    "kind": CommandKind.CANCEL,
                    "target": trade.pk,
                    "payload": {"reason": "opposite"},
                },
            )

    @transaction.atomic
    def _finish(self, state: CycleState, reason: str) -> None:
        mine = Cycle.objects.filter(
            pk=self.cycle.pk, state=CycleState.RUNNING, claimed_by=self.ports.claimant
        )
        moved = mine.update(state=state, reason=reason[:300], finished_at=self.ports.clock.now())
        if moved != 1:
            logger.warning("cycle was given to somebody else", cycle=self.cycle.pk)
            return
        taken = [s.symbol for s in self.signals if s.rank is not None]
        what = f"accepted {', '.join(taken)}" if taken else reason.rstrip(".") or "no signal"
        record(
            f"cycle_{state}",
            f"{self.bot} {self.cycle.boundary:%m-%d %H:%M}: {state.label.lower()}, {what}.",
            account=self.account,
            data={"cycle": self.cycle.pk, "bot": self.bot.pk},
            market_time=self.market.now(),
        )


def _gap_free(window: CandleWindow, count: int) -> bool:
    """Whether the newest ``count`` candles follow each other without a hole."""
    times = window.times[-count:]
    span_ms = int(window.interval.total_seconds() * 1000)
    return bool(np.all(np.diff(times) == span_ms))
