"""``manage.py serve``: everything in one process, which is what ``make run`` starts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from config.demo import first_start, paper_ensure
from config.embedded.preflight import StartRefused, listen, lock_data_folder, region_chosen
from config.embedded.reach import Reach
from config.embedded.screen import FirstThings, screen
from config.embedded.server import Embedded, leave_at_once
from config.embedded.tasks import TaskThreads
from config.environment import Environment, Market
from exchange.choices import Region


class Command(BaseCommand):
    help = "Run web server, task worker, beat and traders in this one process."

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: it pulls in the market and its numbers, which other commands don't need.
        from trading.traders import GuardedTraders

        if not settings.EMBEDDED:
            raise CommandError(
                "serve runs everything in one process, but REDIS_URL or DEPLOYMENT=production asks "
                "for processes apart: unset them, or start the processes of docker-compose.yml"
            )
        environment = settings.ENVIRONMENT
        try:
            region = region_chosen(environment.bybit_region)
            lock = lock_data_folder(settings.DATA_DIR)
            listener = listen(environment.host, environment.port)
        except StartRefused as exc:
            raise CommandError(str(exc)) from None
        call_command("prepare", verbosity=0)
        self.check(databases=["default"], tags=[Tags.database])
        password = _first_start(environment, region)
        if password is None:
            self._say(_ignored(environment))
        address = _address(environment.host, environment.port)
        text = screen(address=address, data_folder=str(settings.DATA_DIR), password=password)
        connections.close_all()

        first_things = FirstThings(address=address, write=self._say)

        def started() -> None:
            self._say(text)
            first_things.start()
            Reach(self._say).start()

        code = Embedded(listener, TaskThreads(), GuardedTraders(), started).run()
        if first_things.is_alive():
            first_things.stop()
        lock.close()
        self._say("  Stopped.")
        leave_at_once(code)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _first_start(environment: Environment, region: Region) -> str | None:
    live = environment.market is Market.BYBIT
    password = first_start(
        demo=environment.demo and not live,
        seed=environment.demo_seed,
        speed=environment.demo_speed,
    )
    if environment.demo and live:
        paper_ensure(region, follow="bybit_region" in environment.model_fields_set)
    return password


def _ignored(environment: Environment) -> str:
    """A line for what is set and counts at a first start only."""
    names = sorted({"demo_seed", "demo_speed"} & environment.model_fields_set)
    if not names:
        return ""
    return (
        f"  {' and '.join(name.upper() for name in names)} count at the first start of data only; "
        "for another demo market name other data: AUTOTRADER_DATA=var2\n"
    )


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/"
