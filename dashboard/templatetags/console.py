"""Small pieces of markup that every page uses the same way."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard import format as fmt
from dashboard.icons import ICONS
from dashboard.tones import label_of, tone_of

register = template.Library()
SELECTED = SafeString(" selected")


@register.simple_tag
def icon(name: str) -> SafeString:
    """A line icon; decoration only, the word stands beside it."""
    return format_html(
        '<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="{}"/></svg>', ICONS[name]
    )


@register.simple_tag
def status_badge(kind: str, value: str) -> SafeString:
    """A stored state with its label and tone."""
    if not value:
        return SafeString("")
    return format_html(
        '<span class="badge tone-{}">{}</span>', tone_of(kind, value), label_of(kind, value)
    )


@register.simple_tag
def side(is_long: bool) -> SafeString:
    """Direction as arrow and word: never colour alone."""
    name, tone = ("long", "up") if is_long else ("short", "down")
    return format_html('<span class="side {}">{}{}</span>', tone, icon(name), name.upper())


def _given(context: template.Context, name: str) -> dict[str, str]:
    return context.get(name) or {}


@register.simple_tag(takes_context=True)
def live(context: template.Context, name: str, key: int, sign: str = "") -> SafeString:
    """A figure that ticks: rendered with the value of now, patched by its key later.

    ``sign="sign"`` also colours it by its sign.
    """
    place = f"{name}:{key}"
    text = _given(context, "live").get(place, fmt.UNKNOWN)
    if sign:
        return format_html(
            '<span data-live="{}" data-sign="{}">{}</span>', place, fmt.sign_of(text), text
        )
    return format_html('<span data-live="{}">{}</span>', place, text)


@register.simple_tag(takes_context=True)
def live_raw(context: template.Context, name: str, key: int) -> str:
    """The value alone, for an attribute of a drawing."""
    return _given(context, "live").get(f"{name}:{key}", "0")


@register.simple_tag(takes_context=True)
def version(context: template.Context, name: str, key: int) -> str:
    """Version of a part of the page as it was rendered."""
    return _given(context, "versions").get(f"{name}:{key}", "")


@register.simple_tag
def signed(text: str) -> SafeString:
    """A formatted figure, coloured by its sign."""
    return format_html('<span data-sign="{}">{}</span>', fmt.sign_of(text), text)


@register.simple_tag
def moment(value: datetime | None, style: str = "minute") -> SafeString:
    """A time in UTC; the page adds the reader's own time as a tooltip.

    ``style``: minute (day and minute), clock (time of day with seconds).
    """
    if value is None:
        return format_html("{}", fmt.UNKNOWN)
    text = fmt.clock_time(value) if style == "clock" else fmt.day_and_time(value)
    stamp = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return format_html('<time datetime="{}">{}</time>', stamp, text)


@register.simple_tag
def idempotency_key() -> SafeString:
    """A hidden field with a new key: the same form sent twice is one command."""
    return format_html('<input type="hidden" name="idempotency_key" value="{}">', uuid.uuid4().hex)


@register.simple_tag
def options(choices: Any, chosen: str) -> SafeString:
    """Options of a select field, the chosen one marked."""
    return format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((value, SELECTED if value == chosen else "", label) for value, label in choices),
    )
