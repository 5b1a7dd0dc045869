"""Forms of the admin: a bot, whose model's cost is agreed to here, and the kill switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from exchange.domain import quantise
from trading.ai import AiCost, ai_cost_estimate, cost_refusal, model_refusal
from trading.choices import BotState, RiskProfile
from trading.domain.entry_settings import EntrySettings, EntrySettingsInvalid, SizingMethod
from trading.kill import press_refusal
from trading.models import Bot, KillRun
from trading.services import symbols_refusal
from trading.settings_of import limits_current
from trading.shares import share_refusal, tighter_refusal

# What an estimate depends on.
PRICED_BY = ("account", "timeframe", "symbols", "analyst_profile")


# Unfold carries no types; what it adds to Django's widgets is its look.
if TYPE_CHECKING:
    UnfoldBooleanWidget = forms.CheckboxInput
    BotBase = forms.ModelForm[Bot]
    KillBase = forms.ModelForm[KillRun]
else:
    from unfold.widgets import UnfoldBooleanWidget

    BotBase = KillBase = forms.ModelForm


class BotForm(BotBase):
    """Refuses a red estimate that is not ticked. What was agreed to is kept as the share of equity
    it was then; a cheaper setting needs no new consent."""

    accept_ai_cost = forms.BooleanField(
        required=False,
        label="I agree to this AI cost",
        widget=UnfoldBooleanWidget,
        help_text="Needed where the estimate is over 3 % of the account's equity a month.",
    )

    class Meta:
        model = Bot
        fields = (
            "account",
            "name",
            "timeframe",
            "symbols",
            "analyst_profile",
            "prompt_version",
            "autonomy",
            "capital_share",
            "tighter_limits",
            "exit_settings",
            "entry_settings",
            "ai_daily_cap",
            "ai_fallback",
        )

    agreed_to: AiCost | None = None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        # What is wrong with symbols that are no list the row's own check says.
        if all(cleaned.get(name) for name in PRICED_BY) and isinstance(cleaned["symbols"], list):
            bot = Bot(
                name=cleaned.get("name") or "This bot",
                ai_cost_accepted=self.instance.ai_cost_accepted,
                prompt_version=cleaned.get("prompt_version"),
                **{name: cleaned[name] for name in PRICED_BY},
            )
            refusal = symbols_refusal(bot.account, bot.symbols)
            if refusal:
                raise ValidationError({"symbols": refusal})
            self._refuse_model(bot)
            self._price(bot, cleaned)
        if cleaned.get("account") and not self.errors:
            self._refuse_room(cleaned)
        return cleaned

    def _refuse_room(self, cleaned: dict[str, Any]) -> None:
        """Running bots share 100 % of the money, and each may only tighten the limits."""
        wanted = Bot(
            pk=self.instance.pk,
            **{n: cleaned[n] for n in ("account", "name", "capital_share", "tighter_limits")},
        )
        refusal = tighter_refusal(wanted)
        if refusal:
            raise ValidationError({"tighter_limits": f"{refusal}."})
        refusal = share_refusal(wanted) if self.instance.state == BotState.RUNNING else ""
        if refusal:
            raise ValidationError({"capital_share": f"{refusal}."})

    def clean_tighter_limits(self) -> dict[str, Any]:
        """An empty field is no limits of its own."""
        return self.cleaned_data["tighter_limits"] or {}

    def clean_entry_settings(self) -> dict[str, Any]:
        """Only what the bot can be run with is stored, and only what was typed."""
        typed = self.cleaned_data["entry_settings"] or {}
        try:
            entries = EntrySettings.from_json(typed)
        except EntrySettingsInvalid as exc:
            raise ValidationError(str(exc)) from exc
        account = self.cleaned_data.get("account")
        if entries.method is SizingMethod.KELLY and account is not None:
            profile = RiskProfile(limits_current(account).profile)
            if profile is not RiskProfile.CLASSIC:
                raise ValidationError("Kelly sizing is for accounts of the classic profile.")
        return dict(typed)

    def _refuse_model(self, bot: Bot) -> None:
        """A bot that runs is not given a model that may not trade there."""
        if self.instance.state == BotState.RUNNING and bot.analyst_profile.asks_a_model:
            refusal = model_refusal(bot)
            if refusal:
                raise ValidationError({"analyst_profile": refusal})

    def _price(self, bot: Bot, cleaned: dict[str, Any]) -> None:
        refusal = cost_refusal(bot)
        if not refusal:
            return
        cost = ai_cost_estimate(bot)
        if cost.share_of_equity_per_month is None or not cleaned.get("accept_ai_cost"):
            raise ValidationError({"accept_ai_cost": refusal})
        self.agreed_to = cost
        self.instance.ai_cost_accepted = quantise(cost.share_of_equity_per_month)


class KillRunForm(KillBase):
    """A press of the kill switch; no account is everything."""

    class Meta:
        model = KillRun
        fields = ("account", "level", "drill", "reason")

    def clean(self) -> dict[str, Any]:
        """Refuse what the switch would refuse."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        refusal = press_refusal(
            given.get("account"), given.get("reason", ""), drill=bool(given.get("drill"))
        )
        if refusal:
            raise ValidationError(refusal)
        return given
