"""What people enter to connect an account. A secret goes in and never comes out again."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from exchange.choices import BYBIT_MODES, Mode, Region
from exchange.domain import TIMEFRAMES
from trading.choices import Autonomy, RiskProfile

SYMBOLS = "BTCUSDT, ETHUSDT, SOLUSDT, XRPUSDT, DOGEUSDT"
SYMBOL = re.compile(r"[A-Z0-9]{2,20}USDT")
MOST_SYMBOLS = 50
MODES = (
    (Mode.PAPER, "Paper", "Live prices, fills simulated here. Needs no key."),
    (Mode.DEMO, "Bybit demo", "Bybit's demo trading: live prices, play money held by Bybit."),
    (Mode.TESTNET, "Bybit testnet", "Bybit's test exchange: prices of its own, thin and odd."),
)
PROFILES = (
    (RiskProfile.CONSERVATIVE, "Conservative: 0.5 % at risk per trade, leverage up to 3"),
    (RiskProfile.CLASSIC, "Classic: 1 % at risk per trade, leverage up to 5"),
)
SECRET_ATTRS = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class KeyForm(forms.Form):
    """A key and its secret."""

    api_key = forms.CharField(
        label="API key",
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"class": "field", **SECRET_ATTRS}),
    )
    api_secret = forms.CharField(
        label="Secret",
        max_length=200,
        required=False,
        widget=forms.PasswordInput(
            attrs={"class": "field", **SECRET_ATTRS, "autocomplete": "new-password"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.needs_key(given):
            for name, what in (("api_key", "the key"), ("api_secret", "the key's secret")):
                if not given.get(name):
                    self.add_error(name, f"Enter {what}.")
        return given

    def needs_key(self, given: dict[str, Any]) -> bool:
        """Whether this form is of no use without a key."""
        return True


class ApplicationForm(KeyForm):
    """Which account, on which site, for which symbols, with which key."""

    mode = forms.ChoiceField(choices=[(mode, name) for mode, name, _ in MODES], initial=Mode.PAPER)
    region = forms.ChoiceField(
        label="Site",
        choices=Region.choices,
        initial=Region.GLOBAL,
        widget=forms.Select(attrs={"class": "field"}),
    )
    symbols = forms.CharField(
        label="Symbols",
        initial=SYMBOLS,
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )
    profile = forms.ChoiceField(
        label="Limits",
        choices=PROFILES,
        initial=RiskProfile.CONSERVATIVE,
        widget=forms.Select(attrs={"class": "field"}),
    )

    def clean_symbols(self) -> list[str]:
        """Symbols in the order they were entered, each once."""
        words = [
            word for word in re.split(r"[\s,;]+", self.cleaned_data["symbols"].upper()) if word
        ]
        symbols = list(dict.fromkeys(words))
        odd = [symbol for symbol in symbols if not SYMBOL.fullmatch(symbol)]
        if odd:
            raise forms.ValidationError(
                f"{odd[0][:20]} is no USDT perpetual; write symbols such as BTCUSDT."
            )
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            raise forms.ValidationError(f"Enter at least one symbol, at most {MOST_SYMBOLS}.")
        return symbols

    def needs_key(self, given: dict[str, Any]) -> bool:
        return given.get("mode") in BYBIT_MODES

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if self.needs_key(given):
            # Demo and testnet exist on the global site only.
            given["region"] = Region.GLOBAL
        else:
            given["api_key"] = given["api_secret"] = ""
        return given


class AccountForm(forms.Form):
    """What an examined account is called, and its first bot."""

    name = forms.CharField(
        label="Name of the account",
        max_length=60,
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )
    timeframe = forms.ChoiceField(
        label="Candles of its bot",
        choices=[(name, name) for name in TIMEFRAMES],
        initial="15m",
        widget=forms.Select(attrs={"class": "field"}),
    )
    autonomy = forms.ChoiceField(
        label="What the bot may do alone",
        choices=Autonomy.choices,
        widget=forms.Select(attrs={"class": "field"}),
    )
