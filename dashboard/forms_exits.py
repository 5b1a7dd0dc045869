"""The exit rules of a bot as an operator types them: shares in percent, steps as a short list."""

from __future__ import annotations

import re
from dataclasses import fields
from decimal import Decimal
from typing import Any

from django import forms

from trading.choices import OppositeSignal
from trading.domain.exits import ExitSettings, ExitSettingsInvalid

STEP = re.compile(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)\s*%?\s*")
NUMBER = {"class": "field", "inputmode": "decimal", "autocomplete": "off"}
TEXT = {"class": "field", "autocomplete": "off", "spellcheck": "false"}
HUNDRED = Decimal(100)


class StepsField(forms.CharField):
    """Pairs of numbers, such as "1.5: 0.75, 2: 1.2". ``unit`` is what the second one counts in."""

    def __init__(self, *, unit: Decimal = Decimal(1), **options: Any) -> None:
        super().__init__(max_length=200, required=False, **options)
        self.unit = unit
        self.widget.attrs.update(TEXT)

    def clean(self, value: Any) -> tuple[tuple[Decimal, Decimal], ...]:
        text = super().clean(value).strip()
        if not text:
            return ()
        found = [STEP.fullmatch(part) for part in text.split(",")]
        if any(match is None for match in found):
            raise forms.ValidationError("Write steps like 1.5: 0.75, 2: 1.2.")
        return tuple((Decimal(match[1]), Decimal(match[2]) / self.unit) for match in found if match)


def _number(label: str, **options: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        max_digits=8,
        widget=forms.TextInput(attrs=NUMBER),
        error_messages={"invalid": "Write a number."},
        **options,
    )


def _bars(label: str, *, required: bool) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=required,
        min_value=1,
        max_value=10_000,
        widget=forms.TextInput(attrs={**NUMBER, "inputmode": "numeric"}),
        error_messages={"invalid": "Write a whole number.", "required": "Write a whole number."},
    )


class ExitForm(forms.Form):
    """Every rule with its numbers; an empty one is off."""

    breakeven_at_r = _number("Break-even plus costs at, in R")
    tightening = StepsField(label="Tightening, R reached: stop at R")
    max_holding_bars = _bars("Held at most, in bars", required=True)
    trail_within = _number("Trail the stop within, in % of the target")
    trail_behind = _number("Trail it behind price by, in %")
    age_bars = _bars("Nearer stop below 1 R after, in bars", required=False)
    age_share = _number("Nearer by, in % of the first distance")
    partials = StepsField(label="Take profit on a part, R reached: %", unit=HUNDRED)
    invalidation = forms.BooleanField(
        label="End a trade when its analysis is proved wrong", required=False
    )
    opposite = forms.ChoiceField(
        label="A valid signal for the other side",
        choices=OppositeSignal.choices(),
        widget=forms.Select(attrs={"class": "field"}),
    )

    def __init__(self, *args: Any, base: ExitSettings, **options: Any) -> None:
        self._base = base
        options.setdefault("initial", initial_of(base))
        super().__init__(*args, **options)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        try:
            given["settings"] = self._settings(given)
        except ExitSettingsInvalid as exc:
            self.add_error(_field_of(str(exc)), _words(str(exc)))
        return given

    def _settings(self, given: dict[str, Any]) -> ExitSettings:
        settings = ExitSettings(
            breakeven_at_r=given["breakeven_at_r"],
            tightening=given["tightening"],
            max_holding_bars=given["max_holding_bars"],
            timeframe_s=self._base.timeframe_s,
            trail_within=_share(given["trail_within"], None),
            trail_behind=_share(given["trail_behind"], self._base.trail_behind),
            age_bars=given["age_bars"],
            age_share=_share(given["age_share"], self._base.age_share),
            partials=given["partials"],
            invalidation=given["invalidation"],
            opposite=OppositeSignal(given["opposite"]),
        )
        # What is stored is read again later, by the stricter reader of stored settings.
        return ExitSettings.from_json(settings.as_json())


def initial_of(settings: ExitSettings) -> dict[str, Any]:
    """Settings as the form shows them."""
    return {
        "breakeven_at_r": _text(settings.breakeven_at_r),
        "tightening": _steps(settings.tightening),
        "max_holding_bars": settings.max_holding_bars,
        "trail_within": _percent(settings.trail_within),
        "trail_behind": _percent(settings.trail_behind),
        "age_bars": settings.age_bars,
        "age_share": _percent(settings.age_share),
        "partials": _steps(settings.partials, HUNDRED),
        "invalidation": settings.invalidation,
        "opposite": settings.opposite.value,
    }


def _field_of(refusal: str) -> str | None:
    """The field a refusal speaks of: the first name of one in it."""
    names = {item.name for item in fields(ExitSettings)} & set(ExitForm.base_fields)
    return next((word for word in re.findall(r"\w+", refusal) if word in names), None)


def _words(refusal: str) -> str:
    """The refusal without the names of fields, which nobody sees."""
    text = refusal
    for name, field in ExitForm.base_fields.items():
        label = str(field.label).split(",")[0]
        text = re.sub(rf"\b{name}\b", f"“{label}”", text)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _share(percent: Decimal | None, otherwise: Decimal | None) -> Any:
    return otherwise if percent is None else percent / HUNDRED


def _text(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"


def _percent(share: Decimal | None) -> str:
    return "" if share is None else _text(share * HUNDRED)


def _steps(pairs: tuple[tuple[Decimal, Decimal], ...], unit: Decimal = Decimal(1)) -> str:
    return ", ".join(f"{_text(first)}: {_text(second * unit)}" for first, second in pairs)
