"""Put the parts together by an account's mode. Nothing else knows modes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from analysis.analysts.technical import TechnicalAnalyst
from analysis.budget import Purse
from analysis.choices import CallPurpose
from analysis.models import PromptVersion
from analysis.ports import Analyst
from exchange.choices import BYBIT_MODES, Mode, Region
from exchange.market.clock import MarketClock, SessionClock, WallClock
from exchange.market.session import market_for_session
from exchange.models import ExchangeAccount, MarketSession
from exchange.paper.ledger import PaperExchange, open_ledger
from exchange.paper.rows import ledger_since
from exchange.ports import ExchangeClient, MarketData
from trading.ai import answers_from_record, bot_key, cost_refusal, model_refusal, prompt_of
from trading.cycle.run import CyclePorts
from trading.errors import TradingError
from trading.execution.lease import BOOT_ID
from trading.models import Bot
from trading.notices import Announced
from trading.wallet_check import LedgerReader

if TYPE_CHECKING:
    from exchange.bybit.assembly import LiveClient, LiveMarket

WALL = WallClock()
HOST = socket.gethostname()[:30].replace("/", "-")
MEASURE_EVERY_S = 30.0
REFRESH_EVERY_S = 60.0
COMPLETE_EVERY_S = 1.0
SESSION_MODES = frozenset({Mode.SIM, Mode.REPLAY})

# Live markets with a stream, of the accounts that this process trades.
_streaming: dict[int, MarketData] = {}


class ModeNotBuilt(TradingError):
    """The account's mode has no venue here yet."""


@dataclass(frozen=True, slots=True)
class Venue:
    """What a trader is handed. ``clock`` is the market's own, where a trader must keep it running;
    ``chores`` are done beside trading, each after so many seconds again; ``close`` ends streams and
    connections."""

    market: MarketData
    client: ExchangeClient
    clock: SessionClock | None
    chores: tuple[tuple[float, Callable[[], None]], ...]
    close: Callable[[], None]


@cache
def _session_clock(session_id: int) -> SessionClock:
    return SessionClock(session_id, WALL)


@cache
def _session_market(session_id: int, mode: Mode) -> MarketData:
    session = MarketSession.objects.get(pk=session_id)
    return market_for_session(session, mode, _session_clock(session_id))


@cache
def _asking_market(account_id: int) -> MarketData:
    """Live prices without a stream, for processes that only look now and then."""
    return _live_market(ExchangeAccount.objects.get(pk=account_id), streamed=False).market


def forget_markets() -> None:
    """Drop the markets this process keeps; a test or an import may have changed what they read."""
    _session_clock.cache_clear()
    _session_market.cache_clear()
    _asking_market.cache_clear()


def market_for(account: ExchangeAccount) -> MarketData:
    """The market of an account, one object per process. Raises ``ModeNotBuilt``, and
    ``ExchangeError`` where the account's site can't be used."""
    mode = Mode(account.mode)
    if mode in SESSION_MODES:
        return _session_market(account.market_session.pk, mode)
    _refuse_unbuilt(account)
    return _streaming.get(account.pk) or _asking_market(account.pk)


def price_source(account: ExchangeAccount) -> str:
    """Whose prices an account's trades are managed with, where candles must be kept because the
    market can't be asked for them for ever; empty for simulated and replayed markets."""
    mode = Mode(account.mode)
    if mode in SESSION_MODES:
        return ""
    return f"bybit:{'testnet' if mode is Mode.TESTNET else Region(account.region).name.lower()}"


def stepped_market_for(account: ExchangeAccount, clock: MarketClock) -> MarketData:
    """The same market on a clock that a driver steps."""
    return market_for_session(account.market_session, Mode(account.mode), clock)


def client_for(account: ExchangeAccount, market: MarketData) -> ExchangeClient:
    """The paper venue of an account on ``market``. Raises ``ModeNotBuilt``."""
    if not account.uses_paper_ledger:
        raise ModeNotBuilt(f"{account} has no paper venue: it trades on Bybit itself")
    open_ledger(account, market.now())
    return PaperExchange(account, market)


def open_venue(account: ExchangeAccount) -> Venue:
    """Market and venue to trade ``account`` on, with streams where there are any.

    Raises ``ModeNotBuilt``, and ``ExchangeError`` where keys or site can't be used.
    """
    if Mode(account.mode) in SESSION_MODES:
        market = market_for(account)
        clock = _session_clock(account.market_session.pk)
        return Venue(market, client_for(account, market), clock, (), lambda: None)
    _refuse_unbuilt(account)
    return _open_live(account)


def _open_live(account: ExchangeAccount) -> Venue:
    live = _live_market(account, streamed=True)
    chores: list[tuple[float, Callable[[], None]]] = [
        (MEASURE_EVERY_S, live.measure_clock),
        (COMPLETE_EVERY_S, live.complete),
    ]
    client: ExchangeClient
    try:
        if Mode(account.mode) in BYBIT_MODES:
            ours = _live_client(account, live.market, streamed=True)
            chores += [
                (MEASURE_EVERY_S, ours.measure_clock),
                (REFRESH_EVERY_S, ours.refresh_account),
            ]
            client = ours.client
        else:
            client = client_for(account, live.market)
    except BaseException:
        live.close()
        raise
    _streaming[account.pk] = live.market

    def close() -> None:
        _streaming.pop(account.pk, None)
        client.close()
        live.close()

    return Venue(live.market, client, None, tuple(chores), close)


def announced(account: ExchangeAccount) -> Sequence[Announced]:
    """What the venue of ``account`` announces; nothing where there is no venue that could. Raises
    ``ExchangeError`` where the account's site can't be used."""
    if Mode(account.mode) in SESSION_MODES or Mode(account.mode) is Mode.LIVE:
        return ()
    # Imported here like all that pulls in pybit.
    from exchange.bybit.notices import notices_read

    live = _live_market(account, streamed=False)
    try:
        return notices_read(live.rest)
    finally:
        live.close()


def watchdog_client(account: ExchangeAccount) -> ExchangeClient:
    """A client without streams for the watchdog, which needs keys once and no database later."""
    _refuse_unbuilt(account)
    market = _live_market(account, streamed=False).market
    return _live_client(account, market, streamed=False).client


def history_market(account: ExchangeAccount) -> MarketData:
    """The account's market for long questions, which hold up nobody who trades on it. Raises as
    ``market_for``."""
    if Mode(account.mode) in SESSION_MODES:
        return market_for(account)
    _refuse_unbuilt(account)
    return _asking_market(account.pk)


def ledger_reader(account: ExchangeAccount) -> LedgerReader:
    """Reads the venue's log of the wallet: without a lease, beside whoever trades, and without
    moving a paper venue on. Raises ``ModeNotBuilt``, and ``ExchangeError`` as the client does."""
    if account.uses_paper_ledger:
        return partial(ledger_since, account)
    client = watchdog_client(account)
    return lambda since: client.ledger(since=since)


def _live_market(account: ExchangeAccount, *, streamed: bool) -> LiveMarket:
    # Imported here: it pulls in pybit, which a process without such accounts does not need.
    from exchange.bybit.assembly import live_market

    return live_market(account, WALL, streamed=streamed)


def _live_client(account: ExchangeAccount, market: MarketData, *, streamed: bool) -> LiveClient:
    from exchange.bybit.assembly import live_client

    return live_client(account, WALL, market.instrument, streamed=streamed)


def _refuse_unbuilt(account: ExchangeAccount) -> None:
    if Mode(account.mode) is Mode.LIVE:
        raise ModeNotBuilt(f"{account} can't be traded: real money is refused")


def analyst_for(
    bot: Bot, purses: Sequence[Purse], deadline_at: float, *, from_record: bool
) -> Analyst:
    """The analyst that the bot's profile names, paid from ``purses`` and done by ``deadline_at``
    (monotonic). ``from_record`` answers only what was asked before."""
    profile, prompt = bot.analyst_profile, prompt_of(bot)
    if prompt is None:
        return TechnicalAnalyst()
    # Imported here: they pull in the model's client, which a process without one does not need.
    from analysis.analysts.openai import OpenAiAnalyst
    from analysis.analysts.recorded import RecordedAnalyst
    from analysis.calls.asking import Asking

    asking = Asking(
        profile=profile,
        prompt_version=prompt,
        purses=tuple(purses),
        purpose=CallPurpose.CYCLE,
        charged_to=bot_key(bot.pk),
        clock=WALL,
    )
    analyst = OpenAiAnalyst(asking, deadline_at)
    return RecordedAnalyst(analyst) if from_record else analyst


@dataclass(frozen=True, slots=True)
class BotModel:
    """The way from a cycle to its bot's model."""

    bot: Bot

    @property
    def prompt_version(self) -> PromptVersion | None:
        return prompt_of(self.bot)

    def refusal(self) -> str:
        return model_refusal(self.bot) or ("" if self.from_record else cost_refusal(self.bot))

    @property
    def from_record(self) -> bool:
        return answers_from_record(self.bot.account.market_session.speed)

    def analyst(self, purses: tuple[Purse, ...], deadline_at: float) -> Analyst:
        return analyst_for(self.bot, purses, deadline_at, from_record=self.from_record)


def cycle_ports(bot: Bot, market: MarketData | None = None) -> CyclePorts:
    """What a cycle of ``bot`` is handed; ``market`` where a driver steps one."""
    return CyclePorts(
        market=market or market_for(bot.account),
        analyst=TechnicalAnalyst(),
        clock=WALL,
        claimant=claimant_now(),
        model=BotModel(bot) if bot.analyst_profile.asks_a_model else None,
    )


def claimant_now() -> str:
    """Who claims a cycle here: this very process. Task workers are forks, so it is asked anew."""
    return f"{HOST}/{os.getpid()}/{BOOT_ID}"


def claimant_alive(claimant: str) -> bool:
    """Whether the process that claimed a cycle still lives. Other hosts are believed to."""
    host, _, process = claimant.rpartition("/")[0].partition("/")
    if host and host != HOST:
        return True
    if process == str(os.getpid()):
        return claimant == claimant_now()
    return process.isdigit() and _process_exists(int(process))


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
