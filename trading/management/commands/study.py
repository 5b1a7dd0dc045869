"""Show what the defaults are worth: a replay, what its rules cost, and random entries beside it."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from exchange.errors import MarketDataError
from exchange.management.base import DatabaseCommand
from exchange.market.clock import SteppedClock
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.backtest.kernel import KernelUnfit
from trading.backtest.study import SEEDS, RandomStudy, random_study
from trading.backtest.study_chart import distribution_svg
from trading.choices import RiskProfile
from trading.counterfactual import counterfactuals_follow
from trading.counterfactual_table import outcomes_by_rule, unknowable
from trading.errors import ActionRefused
from trading.funnel import FunnelQuery, funnel_get
from trading.management.replaying import (
    add_period,
    period,
    replay_account,
    symbols_of,
    telling,
)
from trading.management.stored import history_notes
from trading.reports import run_report
from trading.stepped import SteppedDriver
from trading.study_words import random_words, rule_words
from trading.wiring import stepped_market_for


class Command(DatabaseCommand):
    """``manage.py study --symbols BTCUSDT,ETHUSDT --from 2024-01-01 --to 2025-01-01``"""

    help = (
        "Replay stored candles with the defaults of one profile or both, and show the funnel, what "
        "each rule saved or cost, and the same exits on random entries."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_period(parser)
        parser.add_argument(
            "--profile", default="both", choices=["both", *(p.value for p in RiskProfile)]
        )
        parser.add_argument("--seeds", type=int, default=SEEDS, help="random runs per profile")
        parser.add_argument("--name", default="Study", help="of the accounts, before the profile")
        parser.add_argument(
            "--out", type=Path, help="folder for a picture and the figures of each profile"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        symbols, timeframe = symbols_of(options["symbols"]), options["timeframe"]
        start, end = period(options["start"], options["end"])
        chosen = options["profile"]
        profiles = list(RiskProfile) if chosen == "both" else [RiskProfile(chosen)]
        try:
            for note in history_notes(symbols, timeframe, start, end):
                self.stdout.write(note)
            for profile in profiles:
                name = f"{options['name']} {profile.label.lower()}"
                account = self._account(name, symbols, timeframe, profile, start, end)
                self._report(account, profile, end, options)
        except (ActionRefused, MarketDataError, KernelUnfit) as exc:
            raise CommandError(str(exc)) from exc

    def _account(
        self,
        name: str,
        symbols: list[str],
        timeframe: str,
        profile: RiskProfile,
        start: datetime,
        end: datetime,
    ) -> ExchangeAccount:
        """The account of that name, made where it is new."""
        found = ExchangeAccount.objects.filter(name=name).first()
        if found is None:
            return replay_account(name, symbols, timeframe, profile, start, end)
        session = found.market_session
        if (session.start, session.end, session.symbols) != (start, end, symbols):
            raise ActionRefused(f"{name} is there already, of another period; use --name")
        return found

    def _report(
        self, account: ExchangeAccount, profile: RiskProfile, end: datetime, options: dict[str, Any]
    ) -> None:
        began = time.monotonic()
        # One that was interrupted goes on, one that is finished is only reported.
        if account.market_session.reserved_until < end:
            differences = SteppedDriver(account, end).run(telling(self.stdout, began))
            if differences:
                raise CommandError(f"the ledgers differ: {'; '.join(differences[:5])}")
        market = stepped_market_for(account, SteppedClock(end))
        counterfactuals_follow(account, market)
        self.stdout.write(f"\n== {profile.label} ==")
        self.stdout.write(run_report(account, time.monotonic() - began))
        self.stdout.write("\n".join(rule_words(outcomes_by_rule(account), unknowable(account))))
        study = random_study(account, market, options["seeds"])
        self.stdout.write("\n".join(random_words(study)))
        if options["out"] is not None:
            _write(options["out"], account, profile, study, market)


def _write(
    folder: Path,
    account: ExchangeAccount,
    profile: RiskProfile,
    study: RandomStudy | None,
    market: MarketData,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {
        "symbols": list(market.symbols()),
        "funnel": {stage.key: stage.count for stage in funnel_get(FunnelQuery(account)).stages},
        "rules": [
            {
                "rule": row.name,
                "stopped": row.count,
                "ended": row.ended,
                "won": row.won,
                "mean_r": row.mean_r,
                "mean_r_interval": row.mean_interval,
                "sum_r": None if row.sum_r is None else float(row.sum_r),
                "effect": row.effect.value,
            }
            for row in outcomes_by_rule(account)
        ],
    }
    if study is not None:
        title = f"Mean R of {len(study.runs.mean_r):,} random runs, {profile.label.lower()} profile"
        chart = folder / f"study-{profile.value}.svg"
        chart.write_text(distribution_svg(study, title), encoding="utf-8")
        figures["random"] = {
            "trades": study.trades,
            "mean_r": study.mean_r,
            "mean_r_at_market": study.own_mean_r,
            "percentile": study.percentile,
            "percentile_at_market": study.own_percentile,
            "random_mean_r_5_25_50_75_95": study.spread.tolist(),
            "verdict": study.verdict,
        }
    target = folder / f"study-{profile.value}.json"
    target.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
