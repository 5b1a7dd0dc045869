"""Run one cycle now and print each step as it happens."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from exchange.management.base import DatabaseCommand
from trading.choices import BotState, CycleState
from trading.cycle.run import cycle_run
from trading.cycle.schedule import cycle_due, cycle_request
from trading.models import Bot, CycleStep, Signal
from trading.wiring import cycle_ports, market_for


class Command(DatabaseCommand):
    """``manage.py run_cycle BOT``: the newest boundary. One that ran already, or of a bot that
    is not running, is only observed."""

    help = "Run one cycle of a bot now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bot", help="name of the bot")

    def handle(self, *args: Any, **options: Any) -> None:
        bot = (
            Bot.objects.select_related("account", "analyst_profile")
            .filter(name=options["bot"])
            .first()
        )
        if bot is None:
            names = ", ".join(Bot.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"there is no bot named {options['bot']!r}; there are: {names}")
        now = market_for(bot.account).now()
        due = cycle_due(bot, now) if bot.state == BotState.RUNNING else None
        cycle = due or cycle_request(bot, now)
        kind = "observing only" if cycle.observe_only else "may trade"
        self.stdout.write(f"{cycle} (attempt {cycle.attempt}, {kind})")
        done = cycle_run(cycle.pk, cycle_ports(bot), self._print)
        for signal in Signal.objects.filter(cycle=done).order_by("rank", "symbol"):
            self.stdout.write(f"  {signal.symbol:<10} {signal.direction:<5} {_outcome(signal)}")
        self.stdout.write(f"{CycleState(done.state).label}. {done.reason}".strip())

    def _print(self, step: CycleStep) -> None:
        text = f"  {step.number} {step.name:<18} {step.status:<8} {step.duration_ms:>6} ms"
        self.stdout.write(f"{text}  {step.error or step.summary}")


def _outcome(signal: Signal) -> str:
    if signal.rule:
        return f"{signal.get_state_display().lower()} by {signal.rule}: {signal.state_reason}"
    return f"{signal.get_state_display().lower()}, {signal.qty:f} at {signal.entry_price:f}"
