"""Writes on behalf of people: accounts, bots, approvals, commands, trading state.

Nothing here talks to an exchange. Console, admin and manage.py call these; the
trader acts on the rows they leave.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from celery import current_app
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from analysis.models import AnalystProfile, PromptVersion
from exchange.choices import Mode, Region
from exchange.domain import TIMEFRAMES, quantise
from exchange.market.clock import SessionClock, WallClock
from exchange.market.session import session_create
from exchange.models import ExchangeAccount
from trading.accounts import (
    CONNECTED_MODES,
    PAPER_MODES,
    account_save,
    live_session,
    refusing,
)
from trading.ai import ai_cost_estimate, cost_refusal, model_refusal
from trading.choices import (
    AiFallback,
    ApprovalDecision,
    Autonomy,
    BotState,
    CommandKind,
    RiskProfile,
    SignalState,
)
from trading.cycle import schedule
from trading.domain.exits import ExitSettings, default_exits
from trading.domain.settings import PROFILE_EQUITY
from trading.errors import ActionRefused
from trading.events import record
from trading.models import (
    Approval,
    Bot,
    Command,
    Cycle,
    Event,
    OperatorAction,
    RiskLimits,
    Signal,
)
from trading.rearming import trading_state_set as trading_state_set
from trading.shares import share_refusal, tighter_refusal
from trading.waking import wake

Actor = User | None
SESSION_MODES = (Mode.SIM, Mode.REPLAY)
REASON_LENGTH = 200
CYCLE_TASK = "trading.tasks.cycle_run"


def account_create(
    *,
    name: str,
    mode: Mode,
    profile: RiskProfile,
    symbols: Sequence[str],
    market_start: datetime | None = None,
    speed: int = 1,
    seed: int = 0,
    start_equity: Decimal | None = None,
    market_end: datetime | None = None,
    region: Region = Region.GLOBAL,
) -> ExchangeAccount:
    """Create an account of simulated fills with its market, limits of ``profile``, trading state
    and lease row. ``trading.connection`` makes those that need a key.

    A market on live prices (PAPER) starts now and runs at speed 1; the others need a
    ``market_start``. Raises ``ActionRefused`` for other modes, names that are taken, and markets,
    symbols, times or amounts that make no sense.
    """
    if mode not in PAPER_MODES:
        raise ActionRefused(_why_not_paper(mode))
    start = timezone.now() if mode is Mode.PAPER else market_start
    if start is None or start.tzinfo is None:
        raise ActionRefused(f"a {mode} market needs a start with a time zone")
    equity = PROFILE_EQUITY[profile] if start_equity is None else start_equity
    account = ExchangeAccount(name=name, mode=mode, region=region, start_equity=equity)
    with transaction.atomic(), refusing():
        account_save(account, profile=profile, symbols=symbols, start=start)
        if mode is Mode.PAPER:
            live_session(account, symbols=symbols, speed=speed, start=start)
        else:
            session_create(
                account=account,
                seed=seed,
                symbols=list(symbols),
                speed=speed,
                start=start,
                end=market_end,
            )
    return account


def _why_not_paper(mode: Mode) -> str:
    if mode in CONNECTED_MODES:
        return f"{mode} accounts need a key: connect one on the console's page Connection"
    return f"{mode} accounts can't be made yet; use SIM, REPLAY or PAPER"


def symbols_refusal(account: ExchangeAccount, symbols: Iterable[str]) -> str:
    """Which symbols the account's market does not have, as a sentence, or ""."""
    offered = account.market_session.symbols
    unknown = sorted(set(symbols) - set(offered))
    if not unknown:
        return ""
    return f"{account.name} has no {', '.join(unknown)}; it has {', '.join(offered)}"


def bot_create(
    *,
    account: ExchangeAccount,
    name: str,
    timeframe: str,
    symbols: Sequence[str],
    analyst_profile: AnalystProfile,
    autonomy: Autonomy,
    state: BotState = BotState.PAUSED,
    exit_settings: ExitSettings | None = None,
    capital_share: Decimal = Decimal(1),
    prompt_version: PromptVersion | None = None,
    ai_daily_cap: Decimal | None = None,
    ai_fallback: AiFallback = AiFallback.STOP,
    tighter_limits: dict[str, Any] | None = None,
) -> Bot:
    """Create a bot. Raises ``ActionRefused`` where a setting makes no sense, a symbol is not on
    the account's market, or a running one could not be started."""
    if timeframe not in TIMEFRAMES:
        raise ActionRefused(f"timeframe {timeframe!r} is none of {', '.join(TIMEFRAMES)}")
    refusal = symbols_refusal(account, symbols)
    if refusal:
        raise ActionRefused(refusal)
    profile = RiskProfile(RiskLimits.objects.filter(account=account).latest("version").profile)
    exits = exit_settings or default_exits(profile, TIMEFRAMES[timeframe])
    bot = Bot(
        account=account,
        name=name,
        timeframe=timeframe,
        symbols=list(symbols),
        analyst_profile=analyst_profile,
        autonomy=autonomy,
        state=state,
        exit_settings=exits.as_json(),
        capital_share=capital_share,
        prompt_version=prompt_version,
        ai_daily_cap=ai_daily_cap,
        ai_fallback=ai_fallback,
        tighter_limits=tighter_limits or {},
    )
    with refusing(), transaction.atomic():
        exits.check()
        bot.full_clean()
        if state is BotState.RUNNING:
            _refuse_start(bot)
            _refuse_room(bot)
        bot.save()
    return bot


def bot_set_state(*, bot: Bot, state: BotState, actor: Actor, reason: str = "") -> Bot:
    """Start, pause or archive a bot. Its open trades stay managed by their frozen settings.

    Raises ``ActionRefused`` to start one whose model may not or can't trade there, or costs more
    than anybody agreed to, for whose share of the money there is no room, or whose own limits are
    looser than the account's.
    """
    if state is BotState.RUNNING:
        _refuse_start(bot)
    with transaction.atomic():
        if state is BotState.RUNNING:
            _refuse_room(bot)
        moved = Bot.objects.filter(pk=bot.pk).exclude(state=BotState.ARCHIVED).update(state=state)
        if moved != 1:
            raise ActionRefused(f"{bot} is archived and can't be {state.label.lower()}")
        _acted(actor, f"bot {state}", str(bot), reason)
        record("bot_state", f"{bot}: {state.label.lower()}.", account=bot.account)
    bot.refresh_from_db()
    return bot


def _refuse_start(bot: Bot) -> None:
    refusal = model_refusal(bot) or cost_refusal(bot)
    if refusal:
        raise ActionRefused(refusal)


def _refuse_room(bot: Bot) -> None:
    """Inside the transaction that lets it run."""
    refusal = share_refusal(bot) or tighter_refusal(bot)
    if refusal:
        raise ActionRefused(refusal)


def ai_cost_accept(*, bot: Bot, actor: Actor) -> Bot:
    """Agree to what the bot's model will cost a month, as a share of equity now."""
    cost = ai_cost_estimate(bot)
    if cost.share_of_equity_per_month is None:
        raise ActionRefused(f"{bot}: {cost.sentence}")
    with transaction.atomic():
        bot.ai_cost_accepted = quantise(cost.share_of_equity_per_month)
        Bot.objects.filter(pk=bot.pk).update(ai_cost_accepted=bot.ai_cost_accepted)
        _acted(actor, "AI cost accepted", str(bot), cost.sentence)
    return bot


def approval_decide(
    *, approval: Approval, approve: bool, actor: Actor, channel: str, reason: str = ""
) -> Approval:
    """Answer a waiting approval. The first answer wins, whichever way; a late one is refused.

    The answer counts for exactly the payload that was shown.
    """
    _refuse_long(reason)
    now = timezone.now()
    decision = ApprovalDecision.APPROVED if approve else ApprovalDecision.REFUSED
    with transaction.atomic():
        moved = (
            Approval.objects.filter(
                pk=approval.pk,
                decision=ApprovalDecision.WAITING,
                expires_at__gt=now,
                payload_hash=approval.payload_hash,
            )
            .filter(
                # A join would move every condition into a subquery, which PostgreSQL does not ask
                # again after it waited for the row: all who waited would win.
                Exists(
                    Signal.objects.filter(
                        pk=OuterRef("signal_id"), payload_hash=approval.payload_hash
                    )
                )
            )
            .update(decision=decision, actor=actor, channel=channel, decided_at=now, reason=reason)
        )
        if moved != 1:
            approval.refresh_from_db()
            raise ActionRefused(_why_too_late(approval, now))
        state = SignalState.APPROVED if approve else SignalState.REFUSED
        Signal.objects.filter(pk=approval.signal_id, state=SignalState.WAITING).update(
            state=state, state_reason=reason, state_changed_at=now
        )
        signal = Signal.objects.select_related("account").get(pk=approval.signal_id)
        _acted(actor, str(decision), f"signal {signal.pk}", reason)
        record(
            "approval_decided",
            f"{signal.symbol} {signal.direction}: {decision.label.lower()} by {actor or channel}.",
            account=signal.account,
            data={"signal": signal.pk},
            market_time=signal.decided_at,
        )
        if approve:
            wake(signal.account_id)
    approval.refresh_from_db()
    return approval


def _why_too_late(approval: Approval, now: datetime) -> str:
    if approval.decision == ApprovalDecision.WAITING and approval.expires_at <= now:
        return f"the request expired at {approval.expires_at:%H:%M:%S} UTC"
    if approval.decision != ApprovalDecision.WAITING:
        label = ApprovalDecision(approval.decision).label.lower()
        return f"the request was already answered: {label}"
    return "the signal changed since the request was shown"


def command_request(
    *,
    account: ExchangeAccount,
    kind: CommandKind,
    idempotency_key: str,
    actor: Actor,
    target: int = 0,
    payload: dict[str, Any] | None = None,
    expected_version: int | None = None,
    reason: str = "",
) -> Command:
    """Leave a command for the trader. The same key gives the same row, however often it comes.

    A position is handed over for a ``reason`` only, which is kept with it.
    """
    if kind is CommandKind.RELEASE and not reason.strip():
        raise ActionRefused("give a reason; it is kept with the position")
    _refuse_long(reason)
    if not idempotency_key or len(idempotency_key) > 64:
        raise ActionRefused("the command needs an idempotency key of 1 to 64 characters")
    wish = {
        "account": account,
        "kind": kind,
        "target": target,
        "payload": payload or {},
        "expected_version": expected_version,
        "actor": actor,
    }
    try:
        with transaction.atomic():
            command, created = Command.objects.get_or_create(
                idempotency_key=idempotency_key, defaults=wish
            )
            if created:
                _acted(actor, f"command {kind}", f"{account.name} {target}", reason)
                why = f" ({reason.strip()})" if reason.strip() else ""
                record("command_requested", f"{kind.label} requested{why}.", account=account)
                wake(account.pk)
    except IntegrityError:
        command = Command.objects.get(idempotency_key=idempotency_key)
    if (command.account_id, command.kind, command.target) != (account.pk, kind, target):
        raise ActionRefused("this idempotency key was used for another command")
    return command


def cycle_request(*, bot: Bot, actor: Actor) -> Cycle:
    """Run the bot's newest boundary once more, only to observe."""
    # Live markets run by wall time, near enough to name a candle.
    session = bot.account.market_session
    simulated = Mode(bot.account.mode) in SESSION_MODES
    clock = SessionClock(session.pk, WallClock()) if simulated else WallClock()
    with transaction.atomic():
        cycle = schedule.cycle_request(bot, clock.now())
        _acted(actor, "cycle run now", str(cycle), "")
        # By name, because tasks stand above services.
        transaction.on_commit(lambda: current_app.send_task(CYCLE_TASK, [cycle.pk]))
    return cycle


def plug_pull(*, account: ExchangeAccount, actor: Actor) -> int:
    """Kill the account's trader at its next order. Returns the newest event's id: the result is
    the next ``plug_result`` event after it. Raises ``ActionRefused`` where that is not paper."""
    if Mode(account.mode) not in (Mode.SIM, Mode.PAPER):
        raise ActionRefused("only simulated venues have a plug to pull")
    newest = Event.objects.order_by("-id").values_list("pk", flat=True).first() or 0
    command_request(
        account=account,
        kind=CommandKind.PLUG,
        idempotency_key=f"plug-{uuid.uuid4().hex}",
        actor=actor,
    )
    return newest


def _refuse_long(reason: str) -> None:
    if len(reason) > REASON_LENGTH:
        raise ActionRefused(f"the reason is longer than {REASON_LENGTH} characters")


def _acted(actor: Actor, action: str, target: str, reason: str) -> None:
    OperatorAction.objects.create(actor=actor, action=action, target=target, reason=reason)
