"""Bots as the console lists them."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard import format as fmt
from exchange.models import ExchangeAccount
from trading.choices import Autonomy, BotState
from trading.models import Bot


@dataclass(frozen=True, slots=True)
class BotRow:
    """One bot; ``symbols`` is a short list in words."""

    id: int
    name: str
    state: str
    running: bool
    timeframe: str
    symbols: str
    analyst: str
    autonomy: str
    share: str


def bot_list(account: ExchangeAccount) -> list[BotRow]:
    """Bots of ``account`` that are not archived, by name."""
    bots = (
        Bot.objects.filter(account=account)
        .exclude(state=BotState.ARCHIVED)
        .select_related("analyst_profile")
        .order_by("name")
    )
    return [
        BotRow(
            id=bot.pk,
            name=bot.name,
            state=bot.state,
            running=bot.state == BotState.RUNNING,
            timeframe=bot.timeframe,
            symbols=", ".join(symbol.removesuffix("USDT") for symbol in bot.symbols),
            analyst=str(bot.analyst_profile),
            autonomy=Autonomy(bot.autonomy).label,
            share=fmt.percent(bot.capital_share, 0),
        )
        for bot in bots
    ]


def bot_choices(account: ExchangeAccount) -> list[tuple[str, str]]:
    """Ids and names for filters, archived bots included."""
    pairs = Bot.objects.filter(account=account).values_list("pk", "name").order_by("name")
    return [(str(pk), name) for pk, name in pairs]
