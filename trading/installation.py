"""Whether this installation itself is well: what ``manage.py doctor`` looks at before any venue."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django_celery_beat.models import PeriodicTask

from analysis.models import AnalystProfile
from analysis.profiles import stored_key
from exchange.bybit.findings import Finding, fine, problem, warn
from exchange.choices import BYBIT_MODES, Mode
from exchange.models import ExchangeAccount, VenueLink
from exchange.secrets import SecretsUnreadable, sealed_with_old_key
from exchange.services import secret_read
from trading.choices import BotState, CycleState
from trading.kill_file import kill_file
from trading.models import Bot, Cycle, Lease, Trade
from trading.selectors import LIVE_TRADES

REDIS_TIMEOUT_S = 2.0
TRADER_SILENT = timedelta(seconds=10)
WATCHDOG_SILENT = timedelta(seconds=60)
# Beat writes down when it last ran every three minutes.
BEAT_SILENT = timedelta(minutes=5)
WORKER_LATE = timedelta(seconds=60)
GIGABYTE = 10**9
START = "Start the system (`make run`, or the service of that name in docker-compose.yml)."


def database_findings() -> Iterator[Finding]:
    """The database answers and is of this version; one problem where not."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        text = f"The database does not answer: {str(error).strip().splitlines()[0]}"
        yield problem("database", text, "Start it, or correct DATABASE_URL.")
        return
    if plan:
        text = f"The database lacks {len(plan)} migrations."
        yield problem("database", text, "Run `manage.py prepare`.")
    else:
        yield fine("database", f"{connection.vendor} answers and is of this version.")


def installation_findings(accounts: Sequence[ExchangeAccount], now: datetime) -> Iterator[Finding]:
    """Everything else; needs a database that answers."""
    yield _redis()
    yield _beat(now)
    yield _worker(now)
    for account in accounts:
        # A market that a driver steps, as a replay does, has no trader.
        if account.market_session.speed > 0:
            yield _trader(account, now)
        if Mode(account.mode) in BYBIT_MODES:
            yield _watchdog(account, now)
            yield _account_key(account)
    for profile in AnalystProfile.objects.exclude(api_key_sealed="").order_by("pk"):
        yield _profile_key(profile)
    yield from _data_folder(Path(settings.DATA_DIR))
    yield _disk(Path(settings.DATA_DIR))
    yield from _switches()


def _redis() -> Finding:
    if settings.REDIS_URL is None:
        return fine("redis", "Not used: everything runs in one process.")
    import redis

    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
    )
    try:
        client.ping()
    except redis.RedisError as error:
        text = f"Redis does not answer ({type(error).__name__}): no new cycles, slower pages."
        return problem("redis", text, "Start it, or correct REDIS_URL. Positions stay managed.")
    finally:
        client.close()
    return fine("redis", "Redis answers.")


def _beat(now: datetime) -> Finding:
    newest = (
        PeriodicTask.objects.filter(task="trading.tasks.cycles_due")
        .values_list("last_run_at", flat=True)
        .first()
    )
    if newest is None:
        return warn("beat", "The schedule has never run.", START)
    if now - newest > BEAT_SILENT:
        return warn("beat", f"The schedule last ran {_ago(now - newest)}: no new cycles.", START)
    return fine("beat", "The schedule runs.")


def _worker(now: datetime) -> Finding:
    late = Cycle.objects.filter(state=CycleState.DUE, boundary__lte=now)
    oldest = late.filter(bot__account__market_session__speed=1).order_by("boundary").first()
    if oldest is None or now - oldest.boundary < WORKER_LATE:
        return fine("worker", "No cycle waits for a worker.")
    text = f"{oldest} has waited {_ago(now - oldest.boundary, ending='')} for a worker."
    return problem("worker", text, START)


def _trader(account: ExchangeAccount, now: datetime) -> Finding:
    check = f"trader of {account.name}"
    lease = Lease.objects.filter(account=account).first()
    if lease is None or not lease.holder or now - lease.heartbeat_at > TRADER_SILENT:
        last = "never ran" if lease is None or not lease.holder else _ago(now - lease.heartbeat_at)
        text = f"No trader gives a sign of life ({last})."
        needed = (
            Trade.objects.filter(account=account, state__in=LIVE_TRADES).exists()
            or Bot.objects.filter(account=account, state=BotState.RUNNING).exists()
        )
        return problem(check, text, START) if needed else warn(check, text, START)
    if lease.doubts:
        return warn(
            check,
            f"No entries: {'; '.join(lease.doubts)}".rstrip(".") + ".",
            "Mend what it names; exits and stops work meanwhile.",
        )
    return fine(check, f"Trading, heartbeat {_ago(now - lease.heartbeat_at)}.")


def _watchdog(account: ExchangeAccount, now: datetime) -> Finding:
    check = f"watchdog of {account.name}"
    link = VenueLink.objects.filter(name=f"watchdog-{account.pk}").first()
    if link is None or now - link.updated_at > WATCHDOG_SILENT:
        last = "never ran" if link is None else _ago(now - link.updated_at)
        return warn(check, f"No watchdog gives a sign of life ({last}).", START)
    return fine(check, f"{link.get_state_display()}, heard of {_ago(now - link.updated_at)}.")


def _account_key(account: ExchangeAccount) -> Finding:
    check = f"key of {account.name}"
    replace = "Enter it on the account's connection page."
    if not account.api_key:
        return problem(check, "The account has no key.", replace)
    return _sealed_key(
        check, lambda: secret_read(account), account.api_secret_sealed, "The account is halted."
    )


def _profile_key(profile: AnalystProfile) -> Finding:
    return _sealed_key(
        f"key of {profile.name}",
        lambda: stored_key(profile),
        profile.api_key_sealed,
        "The profile asks no model until then.",
    )


def _sealed_key(check: str, read: Callable[[], str], sealed: str, meanwhile: str) -> Finding:
    try:
        read()
        old = sealed_with_old_key(sealed)
    except SecretsUnreadable as error:
        return problem(check, f"The secret can't be decrypted: {error}.", meanwhile)
    if old:
        text = "The secret is sealed with an older encryption key."
        return warn(check, text, "Enter the key anew before that one is taken away.")
    return fine(check, "The secret can be decrypted.")


def _data_folder(folder: Path) -> Iterator[Finding]:
    if not os.access(folder, os.W_OK | os.X_OK):
        yield problem("data folder", f"{folder} can't be written.", "Correct its owner and rights.")
        return
    open_to = stat.S_IMODE(folder.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    if open_to:
        text = f"{folder} is open to other users of this machine."
        yield warn("data folder", text, f"Run `chmod 700 {folder}`.")
    else:
        yield fine("data folder", f"{folder} is ours alone.")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{free / GIGABYTE:.1f} GB free for the data."
    if free < GIGABYTE / 5:
        return problem("disk", text, "Make room: a database that can't write stops all entries.")
    return warn("disk", text, "Make room soon.") if free < GIGABYTE else fine("disk", text)


def _switches() -> Iterator[Finding]:
    if kill_file().exists():
        text = f"The file {kill_file()} stops all entries."
        yield warn("kill switch", text, "Delete the file when entries may go on.")
    else:
        yield fine("kill switch", "No KILL file.")
    if settings.ENVIRONMENT.faults_dir is not None:
        text = "FAULTS_DIR is set: this process can be made to crash on purpose."
        yield warn("faults", text, "Unset it outside of crash tests.")
    else:
        yield fine("faults", "No kill point is armed.")


def _ago(span: timedelta, ending: str = " ago") -> str:
    seconds = max(0, round(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s{ending}"
    return f"{seconds // 60} min{ending}" if seconds < 7200 else f"{seconds // 3600} h{ending}"
