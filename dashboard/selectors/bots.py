"""Bots as the console lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard import format as fmt
from dashboard.selectors.readings import dollars
from exchange.models import ExchangeAccount
from trading.ai import ai_cost_estimate, ai_cost_of, bot_key, cost_refusal
from trading.choices import Autonomy, BotState
from trading.domain.entry_settings import EntrySettings, EntrySettingsInvalid
from trading.models import Bot

SPENT_BACK = timedelta(days=30)
LEVEL_TONES = {"ok": "quiet", "amber": "warn", "red": "bad"}


@dataclass(frozen=True, slots=True)
class BotCost:
    """What a bot's model is expected to cost, and did. ``consent`` is asked for before a start."""

    words: str
    tone: str
    spent: str
    consent: bool


@dataclass(frozen=True, slots=True)
class BotRow:
    """One bot; ``symbols`` is a short list in words, ``entries`` what its entries do beyond the
    plain case."""

    id: int
    name: str
    state: str
    running: bool
    timeframe: str
    symbols: str
    analyst: str
    autonomy: str
    share: str
    cost: BotCost | None
    entries: str = ""


def bot_list(account: ExchangeAccount, now: datetime) -> list[BotRow]:
    """Bots of ``account`` that are not archived, by name, as of wall time ``now``."""
    bots = (
        Bot.objects.filter(account=account)
        .exclude(state=BotState.ARCHIVED)
        .select_related("analyst_profile", "prompt_version", "account")
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
            cost=_cost(bot, now) if bot.analyst_profile.asks_a_model else None,
            entries=_entries(bot),
        )
        for bot in bots
    ]


def _entries(bot: Bot) -> str:
    try:
        return EntrySettings.from_json(bot.entry_settings).words
    except EntrySettingsInvalid as exc:
        return f"cannot be read: {exc}"


def _cost(bot: Bot, now: datetime) -> BotCost:
    cost, today = ai_cost_estimate(bot), now.astimezone(UTC).date()
    return BotCost(
        words=cost.sentence,
        tone=LEVEL_TONES[cost.level],
        spent=dollars(ai_cost_of(bot_key(bot.pk), today - SPENT_BACK, today)),
        consent=bool(cost_refusal(bot)),
    )


def bot_choices(account: ExchangeAccount) -> list[tuple[str, str]]:
    """Ids and names for filters, archived bots included."""
    pairs = Bot.objects.filter(account=account).values_list("pk", "name").order_by("name")
    return [(str(pk), name) for pk, name in pairs]
