"""The same picture for people: real prices, UTC times, the signal and what came after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from math import ceil

import numpy as np

from analysis import chart_layout as look
from analysis.chart import (
    SEEN_AS_USUAL,
    TIME_STEP,
    axis_texts,
    encode,
    legend,
    marked_slots,
    markers,
    rsi_title,
    shown_levels,
    volume_title,
)
from analysis.chart_axis import PriceAxis, decimals_of, number, price_axis
from analysis.chart_draw import draw
from analysis.chart_labels import label_width
from analysis.chart_layout import Layout
from analysis.chart_picture import Gutter, Picture, PlanLine, Shade
from analysis.chart_secrets import Secrets, secrets_of
from analysis.chart_study import Study, study_of
from analysis.chart_style import ChartStyle
from analysis.domain import AnalysisInput, Direction
from analysis.indicators import VISIBLE_BARS
from exchange.candles import CandleWindow, from_ms, to_ms

# Of what came after, as much as what was seen before.
AFTER_BARS = VISIBLE_BARS
# At scale 1: room between the newest candle and a label, where level ids stand.
LABEL_GAP = 36


@dataclass(frozen=True, slots=True)
class Overlay:
    """A signal's prices, with the candles that followed the newest one where they are known."""

    entry: Decimal
    stop: Decimal
    target: Decimal
    side: Direction
    after: CandleWindow | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time with a name, such as a blackout, from ``start`` up to and without
    ``end``."""

    name: str
    start: datetime
    end: datetime


def render_for_people(
    given: AnalysisInput,
    overlay: Overlay | None = None,
    scale: float = look.TILE_SCALE,
    *,
    dark: bool = False,
    shown: ChartStyle = SEEN_AS_USUAL,
    bands: Sequence[Band] = (),
) -> bytes:
    """PNG of ``given`` with the overlay inside its range and ``bands`` shaded behind the candles.
    Raises ``NotEnoughCandles``.

    ``shown`` is the style of the picture the analyst was shown, so that both bear the same id and
    the same markers.
    """
    study = study_of(given, shown.bars)
    layout = Layout(scale)
    candles = _with_after(study.visible, overlay)
    secrets = secrets_of(given, shown)
    picture = _picture(given, study, candles, overlay, layout, secrets)
    picture = replace(picture, shades=_shades(candles, bands))
    return encode(draw(picture, layout), look.DARK if dark else look.LIGHT)


def _with_after(visible: CandleWindow, overlay: Overlay | None) -> CandleWindow:
    if overlay is None or overlay.after is None:
        return visible
    after = overlay.after.slice(0, AFTER_BARS)
    return CandleWindow(
        visible.symbol,
        visible.interval,
        np.concatenate((visible.times, after.times)),
        np.concatenate((visible.open, after.open)),
        np.concatenate((visible.high, after.high)),
        np.concatenate((visible.low, after.low)),
        np.concatenate((visible.close, after.close)),
        np.concatenate((visible.volume, after.volume)),
    )


def _shades(candles: CandleWindow, bands: Sequence[Band]) -> list[Shade]:
    """Which candles each band touches; a band beside them all is left out."""
    opens = candles.times
    closes = opens + int(candles.interval.total_seconds() * 1000)
    found = []
    for band in bands:
        inside = np.flatnonzero((opens < to_ms(band.end)) & (closes > to_ms(band.start)))
        if len(inside):
            found.append(Shade(int(inside[0]), int(inside[-1]), band.name))
    return found


def _decimals(given: AnalysisInput) -> int:
    return decimals_of(given.instrument.tick_size)


def _picture(
    given: AnalysisInput,
    study: Study,
    candles: CandleWindow,
    overlay: Overlay | None,
    layout: Layout,
    secrets: Secrets,
) -> Picture:
    axis = _axis(candles, overlay, layout)
    decimals = _decimals(given)
    close = float(study.visible.close[-1])
    fast, slow = study.found.ema_fast, study.found.ema_slow
    plan = _plan_lines(overlay, decimals)
    slots = _slots(len(candles), plan, layout)
    side = "" if overlay is None else f"   {overlay.side.value}"
    scale_note = ", log scale" if axis.logarithmic else ""
    return Picture(
        candles=candles,
        slots=slots,
        seen=len(study.visible),
        axis=axis,
        ema_fast=fast,
        ema_slow=slow,
        rsi=study.found.rsi,
        volume_title=volume_title(study),
        rsi_title=rsi_title(study),
        title=(
            f"{given.symbol}   {given.timeframe}   {given.candle_time:%Y-%m-%d %H:%M} UTC"
            f"{side}   prices in USDT{scale_note}   chart {secrets.chart_id}"
        ),
        legend=legend(fast[-1], slow[-1], decimals),
        ticks=axis_texts(axis, axis.decimals()),
        tag=Gutter(close, number(close, decimals)),
        times=_times(candles, slots),
        levels=shown_levels(study.levels, axis, 1.0),
        markers=markers(study.visible, marked_slots(study, secrets)),
        plan=plan,
    )


def _plan_lines(overlay: Overlay | None, decimals: int) -> list[PlanLine]:
    if overlay is None:
        return []
    named = (
        ("entry", overlay.entry, look.INK),
        ("stop", overlay.stop, look.DOWN),
        ("target", overlay.target, look.UP),
    )
    return [
        PlanLine(float(price), f"{name} {number(price, decimals)}", colour)
        for name, price, colour in named
    ]


def _slots(candles: int, plan: list[PlanLine], layout: Layout) -> int:
    """Columns for the candles and, beside them, for the labels of the plan."""
    if not plan:
        return candles
    room = max(label_width(line.text, layout) for line in plan) + layout.px(LABEL_GAP)
    return ceil(candles / (1 - room / layout.price.width))


def _axis(candles: CandleWindow, overlay: Overlay | None, layout: Layout) -> PriceAxis:
    """The range of all candles, widened to hold the signal's prices."""
    prices = [float(candles.low.min()), float(candles.high.max())]
    if overlay is not None:
        prices += [float(overlay.entry), float(overlay.stop), float(overlay.target)]
    return price_axis(min(prices), max(prices), layout.price.height)


def _times(candles: CandleWindow, slots: int) -> list[tuple[int, str]]:
    """Close times as far apart as their texts need."""
    step = TIME_STEP * ceil(slots / VISIBLE_BARS)
    labelled = range((VISIBLE_BARS - 1) % step, len(candles), step)
    return [
        (slot, f"{from_ms(int(candles.times[slot])) + candles.interval:%m-%d %H:%M}")
        for slot in labelled
    ]
