"""The chart a model is shown: one anonymous instrument in index units, its newest bar at 0.

The same inputs give the same bytes, on every machine with the same Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO

import numpy as np
from PIL import Image

from analysis import chart_layout as look
from analysis.chart_axis import PriceAxis, decimals_of, number, price_axis, tick_step
from analysis.chart_draw import draw
from analysis.chart_layout import Layout, Theme
from analysis.chart_picture import Gutter, LevelTag, Marker, Picture
from analysis.chart_secrets import Secrets, secrets_of
from analysis.domain import AnalysisInput, Level
from analysis.indicators import VISIBLE_BARS, Indicators, indicators, levels
from exchange.candles import CandleWindow, decimal_of

INDEX_DECIMALS = 2
TIME_STEP = 10
# Fast compression: flat colours pack well at any level.
COMPRESSION = 3


@dataclass(frozen=True, slots=True)
class RenderedChart:
    """A picture with what only code knows about it.

    ``factor`` times a real price is the drawn one. ``marker_bars`` are offsets from the newest
    bar (0); ``marker_prices`` the real high under marker 1 and the real low over marker 2.
    ``levels`` have real prices. Only the id is written on the picture, and level ids without
    their prices.
    """

    png: bytes
    chart_id: str
    input_hash: str
    factor: Decimal
    marker_bars: tuple[int, int]
    marker_prices: tuple[Decimal, Decimal]
    levels: tuple[Level, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Study:
    """The visible candles with their indicators and levels, in real prices."""

    visible: CandleWindow
    found: Indicators
    levels: tuple[Level, ...]


def render(given: AnalysisInput, scale: float = look.TILE_SCALE) -> RenderedChart:
    """Draw ``given`` for a model. Raises ``NotEnoughCandles``."""
    study = study_of(given)
    secrets = secrets_of(given, study.visible)
    layout = Layout(scale)
    picture = _anonymous(given, study, secrets, layout)
    first, second = secrets.marker_slots
    width, height = layout.size
    return RenderedChart(
        png=encode(draw(picture, layout), look.LIGHT),
        chart_id=secrets.chart_id,
        input_hash=secrets.input_hash,
        factor=secrets.factor,
        marker_bars=(first - VISIBLE_BARS + 1, second - VISIBLE_BARS + 1),
        marker_prices=(
            decimal_of(study.visible.high[first]),
            decimal_of(study.visible.low[second]),
        ),
        levels=study.levels,
        width=width,
        height=height,
    )


def study_of(given: AnalysisInput) -> Study:
    """Compute what the chart shows."""
    found = indicators(given.window)
    newest = np.s_[-VISIBLE_BARS:]
    return Study(
        visible=given.window.tail(VISIBLE_BARS),
        found=Indicators(
            ema_fast=found.ema_fast[newest],
            ema_slow=found.ema_slow[newest],
            ema_context=found.ema_context[newest],
            rsi=found.rsi[newest],
            atr=found.atr[newest],
            volume_ratio=found.volume_ratio[newest],
        ),
        levels=levels(given.window, float(found.atr[-1])),
    )


def _anonymous(given: AnalysisInput, study: Study, secrets: Secrets, layout: Layout) -> Picture:
    """The model's picture: scaled prices, bar offsets, nothing that names the instrument."""
    factor = float(secrets.factor)
    candles = scaled(study.visible, factor)
    axis = price_axis(float(candles.low.min()), float(candles.high.max()), layout.price.height)
    decimals = max(INDEX_DECIMALS, decimals_of(tick_step(axis.high - axis.low)))
    fast, slow = study.found.ema_fast * factor, study.found.ema_slow * factor
    units = "index units, log scale" if axis.logarithmic else "index units"
    return Picture(
        candles=candles,
        slots=VISIBLE_BARS,
        seen=VISIBLE_BARS,
        axis=axis,
        ema_fast=fast,
        ema_slow=slow,
        rsi=study.found.rsi,
        volume_title=volume_title(study),
        rsi_title=rsi_title(study),
        title=(
            f"Chart {secrets.chart_id}   {given.timeframe}   {VISIBLE_BARS} bars, all closed   "
            f"prices in {units}"
        ),
        legend=legend(fast[-1], slow[-1], decimals),
        ticks=axis_texts(axis, decimals),
        tag=Gutter(float(candles.close[-1]), number(candles.close[-1], decimals)),
        times=[(slot, str(slot - VISIBLE_BARS + 1)) for slot in time_slots(VISIBLE_BARS)],
        levels=shown_levels(study.levels, axis, factor),
        markers=markers(candles, secrets.marker_slots),
    )


def scaled(window: CandleWindow, factor: float) -> CandleWindow:
    """The same candles in another price unit."""
    return CandleWindow(
        window.symbol,
        window.interval,
        window.times,
        window.open * factor,
        window.high * factor,
        window.low * factor,
        window.close * factor,
        window.volume,
    )


def legend(fast: float, slow: float, decimals: int) -> str:
    """What the signs mean, in words, since hues are unreliable."""
    return (
        f"hollow = up, solid = down   EMA20 solid line {number(fast, decimals)}   "
        f"EMA50 dashed line {number(slow, decimals)}   "
        f"triangle 1 at a bar's high, 2 at a bar's low"
    )


def volume_title(study: Study) -> str:
    """Title of the volume strip with its one number."""
    ratio = float(study.found.volume_ratio[-1])
    return "Volume" if np.isnan(ratio) else f"Volume {ratio:.2f} x average of 20 bars before"


def rsi_title(study: Study) -> str:
    return f"RSI14 {float(study.found.rsi[-1]):.1f}"


def axis_texts(axis: PriceAxis, decimals: int) -> list[Gutter]:
    return [Gutter(float(tick), number(tick, decimals)) for tick in axis.ticks()]


def time_slots(seen: int) -> range:
    """Columns with a time label: every tenth bar back from the newest."""
    return range((seen - 1) % TIME_STEP, seen, TIME_STEP)


def shown_levels(found: tuple[Level, ...], axis: PriceAxis, factor: float) -> list[LevelTag]:
    """Levels inside the visible range; one of an earlier day may lie outside."""
    tags = (LevelTag(level.level_id, float(level.price) * factor) for level in found)
    return [tag for tag in tags if axis.low <= tag.price <= axis.high]


def markers(candles: CandleWindow, slots: tuple[int, int]) -> list[Marker]:
    first, second = slots
    return [
        Marker(1, first, float(candles.high[first]), above=True),
        Marker(2, second, float(candles.low[second]), above=False),
    ]


def encode(sheet: Image.Image, theme: Theme) -> bytes:
    """PNG with a palette: exact colours at a third of the bytes."""
    sheet.putpalette(look.palette(theme))
    out = BytesIO()
    sheet.save(out, "PNG", compress_level=COMPRESSION)
    return out.getvalue()
