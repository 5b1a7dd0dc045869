"""The chart a model is shown: one anonymous instrument in index units, its newest bar at 0.

The same inputs give the same bytes, on every machine with the same Pillow.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from analysis import chart_layout as look
from analysis.chart_axis import PriceAxis, number, price_axis
from analysis.chart_draw import draw
from analysis.chart_facts import facts_of
from analysis.chart_layout import Layout, Theme
from analysis.chart_picture import Gutter, LevelTag, Marker, Picture
from analysis.chart_secrets import TABLE_BARS, Printed, Secrets, marker_slots, secrets_of
from analysis.chart_study import Study, study_of
from analysis.chart_style import ChartStyle, style_of
from analysis.domain import AnalysisInput, ChartFacts, Level
from exchange.candles import CandleWindow

__all__ = ["ChartStyle", "RenderedChart", "render", "style_of"]

INDEX_DECIMALS = 2
TIME_STEP = 10
# Fast compression: flat colours pack well at any level.
COMPRESSION = 3
SEEN_AS_USUAL = ChartStyle()


@dataclass(frozen=True, slots=True)
class RenderedChart:
    """A picture with what only code knows about it.

    ``sha256`` is that of the bytes, ``input_hash`` that of what they were drawn from.
    ``marker_bars`` are offsets of the marked bars from the newest one (0).
    """

    png: bytes
    sha256: str
    input_hash: str
    facts: ChartFacts
    marker_bars: tuple[int, int]
    width: int
    height: int


def render(given: AnalysisInput, style: ChartStyle = SEEN_AS_USUAL) -> RenderedChart:
    """Draw ``given`` for a model. Raises ``NotEnoughCandles``."""
    study = study_of(given, style.bars)
    secrets = secrets_of(given, style)
    layout = Layout(style.scale)
    factor = float(secrets.factor)
    drawn = scaled(study.visible, factor)
    axis = axis_of(drawn, layout)
    slots = marked_slots(study, secrets)
    picture = _anonymous(given, study, secrets, axis, markers(drawn, slots))
    png = encode(draw(picture, layout), look.ALTERNATE if style.dark else look.LIGHT)
    width, height = layout.size
    return RenderedChart(
        png=png,
        sha256=hashlib.sha256(png).hexdigest(),
        input_hash=secrets.input_hash,
        facts=facts_of(study, secrets, axis, slots, index_decimals(axis)),
        marker_bars=(slots[0] - style.bars + 1, slots[1] - style.bars + 1),
        width=width,
        height=height,
    )


def axis_of(candles: CandleWindow, layout: Layout) -> PriceAxis:
    return price_axis(float(candles.low.min()), float(candles.high.max()), layout.price.height)


def marked_slots(study: Study, secrets: Secrets) -> tuple[int, int]:
    """Columns (from 0) of markers 1 and 2, the same on the picture for people."""
    factor = float(secrets.factor)
    drawn = scaled(study.visible, factor)
    axis = axis_of(drawn, Layout(look.TILE_SCALE))
    return marker_slots(drawn, printed(study, axis, factor), secrets.digest)


def printed(study: Study, axis: PriceAxis, factor: float) -> Printed:
    """Every price that a marker's value must not be mistaken for."""
    newest = study.visible.tail(TABLE_BARS)
    table = np.concatenate((newest.open, newest.high, newest.low, newest.close)) * factor
    shown = [float(level.price) for level in study.levels]
    shown += [study.found.ema_fast[-1], study.found.ema_slow[-1], study.visible.close[-1]]
    return Printed(
        numbers=[float(price) * factor for price in shown],
        ticks=[float(tick) for tick in axis.ticks()],
        table=table.tolist(),
        unit=10.0 ** -index_decimals(axis),
    )


def index_decimals(axis: PriceAxis) -> int:
    """Places of every price on the picture: two, or what the ticks of a narrow range need."""
    return max(INDEX_DECIMALS, axis.decimals())


def _anonymous(
    given: AnalysisInput,
    study: Study,
    secrets: Secrets,
    axis: PriceAxis,
    marks: list[Marker],
) -> Picture:
    """The model's picture: scaled prices, bar offsets, nothing that names the instrument."""
    factor, bars = float(secrets.factor), len(study.visible)
    candles = scaled(study.visible, factor)
    decimals = index_decimals(axis)
    fast, slow = study.found.ema_fast * factor, study.found.ema_slow * factor
    units = "index units, log scale" if axis.logarithmic else "index units"
    return Picture(
        candles=candles,
        slots=bars,
        seen=bars,
        axis=axis,
        ema_fast=fast,
        ema_slow=slow,
        rsi=study.found.rsi,
        volume_title=volume_title(study),
        rsi_title=rsi_title(study),
        title=(
            f"Chart {secrets.chart_id}   {given.timeframe}   {bars} bars, newest at 0 and closed   "
            f"prices in {units}"
        ),
        legend=legend(fast[-1], slow[-1], decimals),
        ticks=axis_texts(axis, decimals),
        tag=Gutter(float(candles.close[-1]), number(candles.close[-1], decimals)),
        times=[(slot, str(slot - bars + 1)) for slot in time_slots(bars)],
        levels=shown_levels(study.levels, axis, factor),
        markers=marks,
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
    if not study.visible.volume.any():
        return "Volume: no data"
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
