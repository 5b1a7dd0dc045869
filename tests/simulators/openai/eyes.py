"""Eyes of its own: reads the project's charts from their pixels alone, as documented.

Prices come from the axis: the labels are read, a line (or a logarithm) is fitted to the rows on
which they stand, and whatever is found on other rows is measured with it.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tests.simulators.openai.candles import Candles, candles_of
from tests.simulators.openai.glyphs import ALIKE, Ink, Line, face
from tests.simulators.openai.paper import BOTTOM, EDGE, LEFT, TOP, Paper, paper_of

ID_CHARACTERS = "ACDEFGHJKLMNPQRTUVWXYZ234679"
TIMEFRAMES = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w"]
BARS = range(60, 101)
# What every whole chart shows.
NEEDED = ("last_close", "marker_1", "marker_2", "visible_high", "visible_low")

# Places and sizes at scale 1.
HEADER_ROWS = (19, 41)
GUTTER_TEXT = 1058
TAG_SIZE = 20
TICK_SIZE = 18
TITLE_SIZE = 18
LEGEND_SIZE = 15
SMALL_SIZE = 16
MARKER = 13
MARKER_GAP = 2
RSI_TOP = 616
VOLUME_TOP = 524
PANEL_TITLE = 22
# Rows by which a label may miss the axis before it counts as misread.
MISREAD = 2.0
# The legend is drawn in a softer ink than everything else.
LEGEND_INK = 0xCC / 0xEE


class Axis(NamedTuple):
    """Price of a row: ``slope`` times the row plus ``start``, or the exponential of that."""

    slope: float
    start: float
    logarithmic: bool

    def price(self, row: float) -> float:
        value = self.slope * row + self.start
        return float(np.exp(value)) if self.logarithmic else float(value)

    def misses(self, row: float, price: float) -> float:
        """By how many rows a label lies off the axis."""
        if self.slope == 0:
            return float("inf")
        value = np.log(price) if self.logarithmic else price
        return abs(float((value - self.start) / self.slope) - row)


def look(picture: Image.Image) -> dict[str, Any]:
    """Everything that can be read, under the names that answers use; nothing on other pictures."""
    paper = paper_of(picture)
    if paper is None:
        return {}
    header = _header(paper)
    axis = _axis(paper)
    if header is None or axis is None:
        return {}
    chart_id, bars = header
    candles = candles_of(paper, bars)
    seen: dict[str, Any] = {"chart_id": chart_id, "legible": "all", **_printed(paper)}
    if axis.slope > 0:
        # Prices that grow downwards: nothing that is drawn can be believed.
        seen["conflict"] = "within_image"
    for name, row in _markers(paper).items():
        seen[name] = round(axis.price(row), 4)
    if candles is not None:
        seen |= _extremes(candles, axis)
        seen |= _course(candles)
    if not set(NEEDED) <= set(seen):
        seen["legible"] = "partly"
    return seen | _relations(seen)


def _header(paper: Paper) -> tuple[str, int] | None:
    """Chart id and number of bars out of the first line."""
    line = Line(
        paper.ink, paper.px(LEFT), paper.px(HEADER_ROWS[0]), face(paper.px(TITLE_SIZE), bold=True)
    )
    text = "Chart "
    for _ in range(4):
        sign, off = line.likest(text, ID_CHARACTERS)
        if off > ALIKE:
            return None
        text += sign
    chart_id = text.removeprefix("Chart ")
    timeframe, _ = line.likest(f"{text}   ", TIMEFRAMES)
    bars, off = line.likest(f"{text}   {timeframe}   ", (f"{bars} bars," for bars in BARS))
    return (chart_id, int(bars.split()[0])) if off <= ALIKE else None


def _axis(paper: Paper) -> Axis | None:
    """The axis by the labels that can be read."""
    column = paper.ink[:, paper.px(EDGE) + paper.px(3)]
    rows = np.flatnonzero(column[paper.px(TOP) : paper.px(BOTTOM)] > 0.9) + paper.px(TOP)
    found = []
    for row in rows.tolist():
        line = Line(paper.ink, paper.px(GUTTER_TEXT), row, face(paper.px(TICK_SIZE)))
        price = line.number()
        if price is not None:
            found.append((row, price))
    if len(found) < 2:
        return None
    return _agreed(found)


def _agreed(labels: list[tuple[int, float]]) -> Axis:
    """The axis on which most labels lie: of all lines through two of them, the best one."""
    best: tuple[int, float, Axis] | None = None
    for logarithmic in (False, True):
        if logarithmic and min(price for _, price in labels) <= 0:
            continue
        for one, other in combinations(labels, 2):
            axis = _through([one, other], logarithmic=logarithmic)
            near = [label for label in labels if axis.misses(*label) <= MISREAD]
            if len(near) >= 2:
                axis = _through(near, logarithmic=logarithmic)
            off = sum(axis.misses(*label) for label in near)
            if best is None or (-len(near), off) < best[:2]:
                best = (-len(near), off, axis)
    assert best is not None
    return best[2]


def _through(labels: list[tuple[int, float]], *, logarithmic: bool) -> Axis:
    rows = np.array([row for row, _ in labels], float)
    prices = np.array([price for _, price in labels])
    slope, start = np.polyfit(rows, np.log(prices) if logarithmic else prices, 1)
    return Axis(float(slope), float(start), logarithmic)


def _printed(paper: Paper) -> dict[str, float]:
    """Numbers that stand on the picture as text."""
    left, small = paper.px(LEFT), face(paper.px(SMALL_SIZE))
    soft = np.clip(paper.ink / LEGEND_INK, 0, 1).astype(np.float32)
    legend = Line(soft, left, paper.px(HEADER_ROWS[1]), face(paper.px(LEGEND_SIZE)))
    before = "hollow = up, solid = down   EMA20 solid line "
    fast = legend.number(before)

    def title_row(top: int) -> int:
        return paper.px(top) + paper.px(PANEL_TITLE) // 2

    titles = left + paper.px(2)
    read = {
        "last_close": _tag(paper),
        "ema20": fast,
        "rsi": Line(paper.ink, titles, title_row(RSI_TOP), small).number("RSI14 "),
        "volume_ratio": Line(paper.ink, titles, title_row(VOLUME_TOP), small).number("Volume "),
    }
    if fast is not None:
        read["ema50"] = _after(legend, before, fast)
    return {name: value for name, value in read.items() if value is not None}


def _after(legend: Line, before: str, fast: float) -> float | None:
    """The number of the dashed line, which follows that of the solid one."""
    texts = [f"{fast:.{places}f}" for places in range(2, 7)]
    shown, _ = legend.likest(before, (f"{text}   EMA50 dashed line " for text in texts))
    return legend.number(before + shown)


def _tag(paper: Paper) -> float | None:
    """The last price, light on a dark box beside the axis."""
    column = paper.ink[paper.px(TOP) - paper.px(14) : paper.px(BOTTOM) + paper.px(14)]
    box = np.flatnonzero(column[:, paper.px(1152) - paper.px(2)] > 0.9)
    if len(box) == 0:
        return None
    top = paper.px(TOP) - paper.px(14)
    first, last = top + int(box[0]), top + int(box[-1])
    inverse: Ink = np.zeros_like(paper.ink)
    right = paper.px(1152) - paper.px(2)
    inside = slice(first, last + 1), slice(paper.px(EDGE) + paper.px(3), right)
    inverse[inside] = 1 - paper.ink[inside]
    row = (first + last) // 2
    for size in range(TAG_SIZE, LEGEND_SIZE - 1, -1):
        type_ = face(paper.px(size), bold=True)
        for text_left in range(paper.px(GUTTER_TEXT), paper.px(EDGE) + paper.px(2), -1):
            price = Line(inverse, text_left, row, type_).number()
            if price is not None:
                return price
    return None


def _markers(paper: Paper) -> dict[str, float]:
    """Rows of the prices at which the numbered triangles point."""
    solid = paper.ink[paper.px(TOP) : paper.px(BOTTOM), paper.px(LEFT) : paper.px(EDGE)] > 0.95
    height = paper.px(MARKER)
    half = height // 2
    found: dict[str, float] = {}
    for name, way in (("marker_1", 1), ("marker_2", -1)):
        shape = _triangle(height, half, way)
        spot = _find(solid, shape)
        if spot is not None:
            top = spot + paper.px(TOP)
            tip = top + height if way > 0 else top
            found[name] = tip + way * paper.px(MARKER_GAP)
    return found


def _triangle(height: int, half: int, way: int) -> Any:
    """The mark's pixels: the tip at the bottom with ``way`` 1, at the top with -1."""
    image = Image.new("1", (2 * half + 1, height + 1))
    tip, base = (height, 0) if way > 0 else (0, height)
    ImageDraw.Draw(image).polygon(((half, tip), (0, base), (2 * half, base)), fill=1)
    return np.asarray(image)


def _find(solid: Any, shape: Any) -> int | None:
    """Top row of the place where ``shape`` stands whole with the least ink around it."""
    high, wide = shape.shape
    base = 0 if shape[0].all() else high - 1
    counted = np.cumsum(np.pad(solid, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    runs = counted[:, wide:] - counted[:, :-wide] == wide
    best: tuple[float, int] | None = None
    for row, column in np.argwhere(runs).tolist():
        top = row - base
        if top < 0 or top + high > len(solid):
            continue
        window = solid[top : top + high, column : column + wide]
        missed = float((window != shape).mean())
        if window[shape].mean() > 0.97 and (best is None or missed < best[0]):
            best = (missed, top)
    return None if best is None else best[1]


def _extremes(candles: Candles, axis: Axis) -> dict[str, Any]:
    newest = len(candles.highs) - 1
    high, low = int(np.nanargmin(candles.highs)), int(np.nanargmax(candles.lows))
    return {
        "visible_high": round(axis.price(float(candles.highs[high])), 4),
        "visible_low": round(axis.price(float(candles.lows[low])), 4),
        "high_bar": high - newest,
        "low_bar": low - newest,
        "bars_since_high": newest - high,
        "bars_since_low": newest - low,
        "last_bar": "hollow" if candles.rising[-1] else "solid",
    }


def _course(candles: Candles) -> dict[str, str]:
    """Whether the newest close stands clearly above or below the oldest one."""
    rows = candles.closes[~np.isnan(candles.closes)]
    if len(rows) < 2:
        return {}
    height = np.nanmax(candles.lows) - np.nanmin(candles.highs)
    rise = (rows[0] - rows[-1]) / max(1.0, float(height))
    return {"trend": "flat" if abs(rise) < 0.35 else "up" if rise > 0 else "down"}


def _relations(seen: dict[str, Any]) -> dict[str, str]:
    """Answers that follow from two things that were read."""
    pairs = (
        ("close_vs_ema20", "last_close", "ema20"),
        ("ema20_vs_ema50", "ema20", "ema50"),
    )
    found = {
        name: "above" if seen[one] > seen[other] else "below"
        for name, one, other in pairs
        if one in seen and other in seen
    }
    if "marker_1" in seen and "marker_2" in seen:
        found["higher_marker"] = "1" if seen["marker_1"] > seen["marker_2"] else "2"
    if "volume_ratio" in seen:
        found["volume"] = "above" if seen["volume_ratio"] > 1 else "below"
    if "rsi" in seen:
        zones = ("under 30", "30 to 50", "50 to 70", "over 70")
        found["rsi_zone"] = zones[int(np.searchsorted((30, 50, 70), seen["rsi"]))]
    return found
