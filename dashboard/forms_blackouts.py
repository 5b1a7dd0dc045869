"""What people enter to describe a blackout."""

from __future__ import annotations

import re
from calendar import day_name
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from dashboard.forms import SYMBOL
from exchange.models import ExchangeAccount
from trading.blackouts import BlackoutWish
from trading.choices import BlackoutAction, BlackoutKind
from trading.domain.calendars import MAX_CHARS
from trading.models import Blackout

WEEKDAYS = list(enumerate(day_name))
HERE, EVERYWHERE = "here", "everywhere"
MOMENT = "%Y-%m-%dT%H:%M"


def _select(label: str, choices: Any, initial: str | None = None) -> forms.ChoiceField:
    select = forms.Select(attrs={"class": "field"})
    return forms.ChoiceField(label=label, choices=choices, widget=select, initial=initial)


def _moment(label: str) -> forms.DateTimeField:
    attrs = {"class": "field", "type": "datetime-local"}
    widget = forms.DateTimeInput(attrs=attrs, format=MOMENT)
    return forms.DateTimeField(label=label, widget=widget, input_formats=[MOMENT, "%Y-%m-%d %H:%M"])


class BlackoutForm(forms.Form):
    """Name, effect and scope of a blackout; when it is, each kind asks for itself."""

    kind = BlackoutKind.ONCE
    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"class": "field"}))
    action = _select("While it lasts", BlackoutAction.choices(), BlackoutAction.NO_ENTRIES)
    symbols = forms.CharField(
        label="Symbols (empty: all)",
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "field", "placeholder": "BTCUSDT, ETHUSDT"}),
    )
    scope = _select("Accounts", [(HERE, "this account"), (EVERYWHERE, "all accounts")])

    def clean_symbols(self) -> list[str]:
        words = re.split(r"[\s,;]+", self.cleaned_data["symbols"].upper())
        symbols = [word for word in words if word]
        odd = [symbol for symbol in symbols if not SYMBOL.fullmatch(symbol)]
        if odd:
            raise forms.ValidationError(
                f"{odd[0][:20]} is no USDT perpetual; write symbols such as BTCUSDT."
            )
        return symbols

    def wish(self, account: ExchangeAccount) -> BlackoutWish:
        """What was entered; the form must be valid."""
        given = dict(self.cleaned_data)
        scope = given.pop("scope")
        given["action"] = BlackoutAction(given["action"])
        given |= self.times(given)
        return BlackoutWish(
            account=account if scope == HERE else None, kind=BlackoutKind(self.kind), **given
        )

    def times(self, given: dict[str, Any]) -> dict[str, Any]:
        """Fields of the times where they are not what was typed."""
        return {}


class OnceForm(BlackoutForm):
    """From one moment to another."""

    starts_at = _moment("From (UTC)")
    ends_at = _moment("Until (UTC)")


class WeeklyForm(BlackoutForm):
    """The same hours every week."""

    kind = BlackoutKind.WEEKLY
    weekday = _select("Every", WEEKDAYS)
    clock = forms.TimeField(
        label="From (UTC)",
        widget=forms.TimeInput(attrs={"class": "field", "type": "time"}, format="%H:%M"),
    )
    minutes = forms.IntegerField(
        label="For so many minutes",
        min_value=1,
        widget=forms.NumberInput(attrs={"class": "field", "min": 1, "max": 10080}),
    )

    def times(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"weekday": int(given["weekday"])}


class CalendarForm(BlackoutForm):
    """The events of a file."""

    kind = BlackoutKind.ICS
    calendar = forms.FileField(
        label="Calendar file (ICS, up to 1 MB)",
        required=False,
        widget=forms.FileInput(attrs={"class": "field", "accept": ".ics,text/calendar"}),
    )

    def clean_calendar(self) -> str:
        """The text of the file; empty where none was brought."""
        given = self.cleaned_data["calendar"]
        if not isinstance(given, UploadedFile):
            return ""
        try:
            # One character more than is taken is enough to refuse it.
            return str(given.read(MAX_CHARS * 4 + 1), "utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError("The calendar file is not text in UTF-8.") from None


FORMS: dict[str, type[BlackoutForm]] = {
    BlackoutKind.ONCE: OnceForm,
    BlackoutKind.WEEKLY: WeeklyForm,
    BlackoutKind.ICS: CalendarForm,
}


def initial_of(row: Blackout) -> dict[str, Any]:
    """What the form of an existing blackout shows."""
    return {
        "name": row.name,
        "action": row.action,
        "symbols": ", ".join(row.symbols),
        "scope": HERE if row.account_id else EVERYWHERE,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "weekday": row.weekday,
        "clock": row.clock,
        "minutes": row.minutes,
    }
