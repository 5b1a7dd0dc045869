"""What models may cost an account, what they are likely to cost, and what they did cost.

US dollars; USDT counts as dollars where a share of equity is meant. Days are UTC, wall time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from analysis.budget import Purse, spent_today
from analysis.cost import daily_estimate
from analysis.models import Analysis, AnalystProfile, ModelCall, PromptVersion, Spend
from analysis.prompts.versions import prompt_default, question_tokens
from analysis.selectors import profile_refusal
from exchange.choices import Mode
from exchange.domain import TIMEFRAMES, ZERO
from exchange.models import ExchangeAccount
from trading.domain.portfolio import PurseState
from trading.domain.verdict import dollars, percent
from trading.models import Bot, EquityPoint, RiskLimits, Trade

DEFAULT_CAP = Decimal(1)
DEFAULT_CAP_SHARE = Decimal("0.001")
AMBER_SHARE = Decimal("0.01")
RED_SHARE = Decimal("0.03")
REAL_TIME = 1
DAYS_PER_MONTH = 30
# Equity moves; what was agreed to covers a little more.
AGREED_SLACK = Decimal("1.1")

Level = Literal["ok", "amber", "red"]


@dataclass(frozen=True, slots=True)
class AiCost:
    """What a bot's analyses are expected to cost, before any cap. The share is of the account's
    equity and None where it has none."""

    per_day: Decimal
    share_of_equity_per_month: Decimal | None
    level: Level

    @property
    def sentence(self) -> str:
        if self.per_day == 0:
            return "Its analyses cost nothing."
        share = self.share_of_equity_per_month
        of_equity = "no equity to pay it from" if share is None else f"{percent(share)} of equity"
        return f"About {dollars(self.per_day)} a day, {of_equity} a month."


def account_purse(account: ExchangeAccount, equity: Decimal) -> Purse:
    """What all bots of an account may spend together: its limit, else the lower of 1 dollar and
    0.1 % of equity."""
    limits = RiskLimits.objects.filter(account=account).latest("version")
    cap = limits.ai_daily_cap
    if cap is None:
        cap = min(DEFAULT_CAP, max(ZERO, equity) * DEFAULT_CAP_SHARE)
    return Purse(f"account:{account.pk}", cap)


def purses_of(bot: Bot, equity: Decimal) -> tuple[Purse, ...]:
    """The purses that pay for a bot's analyses: its own and its account's."""
    shared = account_purse(bot.account, equity)
    own = shared.cap if bot.ai_daily_cap is None else bot.ai_daily_cap
    return Purse(bot_key(bot.pk), own), shared


def purse_states(purses: tuple[Purse, ...], day: date) -> tuple[PurseState, ...]:
    """How full the purses of ``purses_of`` are."""
    return tuple(
        PurseState(_purse_name(purse), spent_today(purse.key, day), purse.cap) for purse in purses
    )


def _purse_name(purse: Purse) -> str:
    return "this bot" if purse.key.startswith("bot:") else "this account"


def bot_key(bot_id: int) -> str:
    return f"bot:{bot_id}"


def prompt_of(bot: Bot) -> PromptVersion | None:
    """The prompt a bot's model is asked with; None where no model is asked."""
    if not bot.analyst_profile.asks_a_model:
        return None
    return bot.prompt_version or prompt_default()


def answers_from_record(speed: float) -> bool:
    """Whether a market of this speed leaves a model no time: anything but real time."""
    return speed != REAL_TIME


def model_refusal(bot: Bot) -> str:
    """Why the bot's model may not trade on its account's market, as one sentence, or ""."""
    if not bot.analyst_profile.asks_a_model:
        return ""
    account = bot.account
    speed = account.market_session.speed
    return profile_refusal(
        bot.analyst_profile,
        prompt_of(bot),
        real_orders=not account.uses_paper_ledger,
        live=account.mode == Mode.LIVE,
        speed=speed or None,
        from_record=answers_from_record(speed),
    )


def answer_refusal(account: ExchangeAccount, analysis: Analysis) -> str:
    """Why an answer may not enter on ``account`` any more, as one sentence, or "".

    Its model was examined before it was asked; what was lowered or changed since counts too.
    """
    return profile_refusal(
        analysis.profile,
        analysis.prompt_version,
        real_orders=not account.uses_paper_ledger,
        live=account.mode == Mode.LIVE,
        speed=None,
        from_record=True,
    )


def ai_cost_estimate(bot: Bot, equity: Decimal | None = None) -> AiCost:
    """What the analyses of ``bot``, which need not be saved, will cost at their usual length.

    ``equity`` is the account's newest stored one unless it is given.
    """
    prompt = prompt_of(bot)
    if prompt is None:
        return AiCost(ZERO, ZERO, "ok")
    per_day = estimate_of(bot.analyst_profile, prompt, bot.timeframe, len(bot.symbols))
    if equity is None:
        equity = equity_stored(bot.account)
    if equity <= 0:
        return AiCost(per_day, None, "red" if per_day > 0 else "ok")
    share = per_day * DAYS_PER_MONTH / equity
    return AiCost(per_day, share, _level(share))


def estimate_of(
    profile: AnalystProfile, prompt: PromptVersion, timeframe: str, symbols: int
) -> Decimal:
    """Dollars a day for so many symbols, each read once per candle."""
    return daily_estimate(
        profile,
        symbols=symbols,
        timeframe=TIMEFRAMES[timeframe],
        prompt_tokens=question_tokens(prompt.system_text, prompt.user_text),
    )


def _level(share: Decimal) -> Level:
    if share > RED_SHARE:
        return "red"
    return "amber" if share > AMBER_SHARE else "ok"


def cost_refusal(bot: Bot) -> str:
    """Why nobody has agreed to what this bot would cost, as one sentence, or ""."""
    cost = ai_cost_estimate(bot)
    if cost.level != "red":
        return ""
    agreed, share = bot.ai_cost_accepted, cost.share_of_equity_per_month
    if agreed is not None and share is not None and share <= agreed * AGREED_SLACK:
        return ""
    asked = f"over {percent(RED_SHARE, 0)} a month has to be agreed to in the bot's settings"
    return f"{bot}: {cost.sentence} Anything {asked}."


def equity_stored(account: ExchangeAccount) -> Decimal:
    """The newest equity on record."""
    newest = EquityPoint.objects.filter(account=account).order_by("-time").first()
    equity: Decimal = newest.equity if newest else account.start_equity
    return equity


def ai_cost_of(key: str, since: date, until: date) -> Decimal:
    """What a purse such as "bot:12" or "account:3" paid from ``since`` to ``until``, both
    included; subtract it from a net result to have it net of AI cost."""
    rows = Spend.objects.filter(key=key, day__gte=since, day__lte=until)
    return sum(rows.values_list("amount", flat=True), ZERO)


def trade_ai_cost(trade: Trade) -> Decimal:
    """What the trade's own bot paid for the analysis behind it; nothing where another had paid
    for the same answer before."""
    analysis = trade.signal.analysis_id
    if analysis is None:
        return ZERO
    calls = ModelCall.objects.filter(analysis=analysis, charged_to=bot_key(trade.bot_id))
    return sum((call_cost(call) for call in calls), ZERO)


def call_cost(call: ModelCall) -> Decimal:
    """What a call cost; while that is not known, the most that it could."""
    cost: Decimal = call.reserved_cost if call.cost is None else call.cost
    return cost
