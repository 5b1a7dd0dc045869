"""What people enter about limits. Shares are entered in percent, as they are shown."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django import forms

from trading.choices import RiskProfile
from trading.domain.caps import CAPS
from trading.domain.settings import PROFILE_LIMITS, Limits
from trading.domain.tighter import COUNTS, SWITCHES
from trading.limits import LABELS, NOTE_LENGTH
from trading.models import RiskLimits

HUNDRED = Decimal(100)


def is_percent(name: str) -> bool:
    """Whether the limit is a share, entered in percent."""
    return name in CAPS and CAPS[name].unit == "share"


def unit_of(name: str) -> str:
    """What stands behind the field."""
    if name not in CAPS or name in COUNTS:
        return ""
    return {"share": "%", "times": "\N{MULTIPLICATION SIGN}"}.get(CAPS[name].unit, "")


def shown(name: str, value: Decimal | int | bool) -> Decimal | int | bool:
    """The stored value as it is entered."""
    if isinstance(value, bool) or not is_percent(name):
        return value.normalize() if isinstance(value, Decimal) else value
    return (Decimal(value) * HUNDRED).normalize()


def _plain(value: Decimal | int | bool) -> str | bool:
    return value if isinstance(value, bool) else f"{Decimal(value):f}"


class LimitsForm(forms.Form):
    """Every limit of an account; ``changes`` are those that differ from ``row``."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    profile = forms.ChoiceField(
        choices=RiskProfile.choices, widget=forms.Select(attrs={"class": "field"})
    )
    reason = forms.CharField(
        label="Reason, kept with the change",
        max_length=NOTE_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )

    def __init__(self, row: RiskLimits, data: Any = None, fill: Limits | None = None) -> None:
        first = fill or row
        values = {name: _plain(shown(name, getattr(first, name))) for name in LABELS}
        profile = _profile_of(fill) if fill else row.profile
        super().__init__(data, initial={"version": row.version, "profile": profile, **values})
        self.row = row
        for name, label in LABELS.items():
            self.fields[name] = _field(name, label)

    def changes(self) -> dict[str, Any]:
        """What would be stored anew."""
        found = {}
        for name in ("profile", *LABELS):
            value = self.cleaned_data[name]
            if is_percent(name):
                value = value / HUNDRED
            if value != getattr(self.row, name):
                found[name] = value
        return found


def _field(name: str, label: str) -> forms.Field:
    attrs = {"class": "field limit-field", "autocomplete": "off"}
    if name in SWITCHES:
        return forms.BooleanField(label=label, required=False)
    if name in COUNTS:
        return forms.IntegerField(label=label, min_value=0, widget=forms.NumberInput(attrs=attrs))
    number = forms.NumberInput(attrs=attrs | {"step": "any"})
    return forms.DecimalField(label=label, max_digits=12, decimal_places=6, widget=number)


def _profile_of(limits: Limits) -> RiskProfile:
    return next(profile for profile, value in PROFILE_LIMITS.items() if value == limits)


class ProtectionsForm(forms.Form):
    """The pauses after losses, as the text of a list."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    protections = forms.CharField(
        label="Protections",
        max_length=8000,
        widget=forms.Textarea(
            attrs={"class": "field code", "rows": 10, "spellcheck": "false"},
        ),
    )
    reason = forms.CharField(
        label="Reason, kept with the change",
        max_length=NOTE_LENGTH,
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )

    def clean_protections(self) -> Any:
        """What was typed, read."""
        try:
            return json.loads(self.cleaned_data["protections"])
        except json.JSONDecodeError as exc:
            raise forms.ValidationError(
                f"line {exc.lineno}, column {exc.colno}: this is no JSON ({exc.msg.lower()})"
            ) from exc
