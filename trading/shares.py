"""How the bots of one account share its money, and that each only tightens its limits."""

from __future__ import annotations

from decimal import Decimal

from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.choices import BotState
from trading.domain.invalid import SettingsInvalid
from trading.domain.tighter import refuse_looser, tighter_of
from trading.domain.verdict import percent
from trading.models import Bot
from trading.settings_of import limits_current, limits_value

WHOLE = Decimal(1)


def shares_taken(account: ExchangeAccount, besides: Bot) -> Decimal:
    """Shares of the account's other running bots together."""
    others = Bot.objects.filter(account=account, state=BotState.RUNNING).exclude(pk=besides.pk)
    return sum(others.values_list("capital_share", flat=True), ZERO)


def share_refusal(bot: Bot) -> str:
    """Why the bot may not run with its share, as a sentence, or "".

    Whoever starts or changes a bot writes to the account's row first, so that two who do it at the
    same time come one after the other, and the second sees the first.
    """
    ExchangeAccount.objects.filter(pk=bot.account_id).update(is_active=bot.account.is_active)
    taken = shares_taken(bot.account, bot)
    if taken + bot.capital_share <= WHOLE:
        return ""
    return (
        f"{bot.name} would use {percent(bot.capital_share, 0)} of the account's money; running "
        f"bots use {percent(taken, 0)} of it already, and together they may use 100 %"
    )


def tighter_refusal(bot: Bot) -> str:
    """Why the bot's own limits may not stand beside its account's, as a sentence, or ""."""
    try:
        given = tighter_of(bot.tighter_limits)
        if given:
            refuse_looser(given, limits_value(limits_current(bot.account)))
    except SettingsInvalid as exc:
        return str(exc)
    return ""
