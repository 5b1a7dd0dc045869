"""What each bot of an account has earned since it began, net of what its models cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from analysis.models import Spend
from dashboard import format as fmt
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.ai import bot_key
from trading.choices import TradeState
from trading.models import Bot, Trade


@dataclass(frozen=True, slots=True)
class BotResult:
    """``net`` is after fees and funding of closed trades; ``after_ai`` also after AI cost, with a
    dollar counted as a USDT."""

    trades: int
    net: str
    ai: str
    after_ai: str


def bot_results(account: ExchangeAccount) -> tuple[Mapping[int, BotResult], BotResult]:
    """By bot, archived ones included, and all bots together."""
    keys = {
        bot_key(pk): pk for pk in Bot.objects.filter(account=account).values_list("pk", flat=True)
    }
    net: dict[int, Decimal] = defaultdict(lambda: ZERO)
    trades: dict[int, int] = defaultdict(int)
    closed = Trade.objects.filter(account=account, state=TradeState.CLOSED)
    for pk, amount in closed.values_list("bot_id", "net_pnl"):
        net[pk] += amount or ZERO
        trades[pk] += 1
    ai: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for key, amount in Spend.objects.filter(key__in=keys).values_list("key", "amount"):
        ai[keys[key]] += amount
    rows = {pk: _result(trades[pk], net[pk], ai[pk]) for pk in keys.values()}
    whole = _result(sum(trades.values()), sum(net.values(), ZERO), sum(ai.values(), ZERO))
    return rows, whole


def _result(trades: int, net: Decimal, ai: Decimal) -> BotResult:
    known = None if not trades and not ai else net - ai
    return BotResult(
        trades=trades,
        net=fmt.number(net if trades else None, signed=True),
        ai=fmt.number(ai, 4) if ai else "0",
        after_ai=fmt.number(known, signed=True),
    )
