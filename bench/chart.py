"""How long a chart takes, from candles to PNG bytes, beside a bare Pillow picture of its size."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from statistics import median
from time import perf_counter

import numpy as np
from PIL import Image, ImageDraw

from analysis.chart import COMPRESSION, ChartStyle, render
from analysis.chart_human import Overlay, render_for_people
from analysis.chart_layout import PATCH_SCALE, TILE_SCALE, Layout
from analysis.domain import AnalysisInput, Direction
from analysis.indicators import INPUT_BARS, VISIBLE_BARS
from exchange.candles import CandleWindow
from tests.analysis import candle_makers

ROUNDS = 40
HOUR_MS = 3_600_000


def run() -> dict[str, float]:
    """Medians in milliseconds over ``ROUNDS`` different charts, and their ratio to a baseline.

    The baseline draws as many boxes and lines in RGB and packs them at the same level. All are
    measured in turn, so a busy machine slows each of them alike.
    """
    jobs: dict[str, Callable[[AnalysisInput], object]] = {
        "chart_1152x768_ms": lambda given: render(given),
        "chart_1536x1024_ms": lambda given: render(given, ChartStyle(scale=PATCH_SCALE)),
        "chart_for_people_ms": lambda given: render_for_people(given, _overlay(given)),
        "plain_pillow_1152x768_ms": _plain,
    }
    inputs = [_given(seed) for seed in range(ROUNDS)]
    for job in jobs.values():
        job(inputs[0])  # loads fonts and code
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for given in inputs:
        for name, job in jobs.items():
            started = perf_counter()
            job(given)
            times[name].append((perf_counter() - started) * 1000)
    found = {name: round(median(each), 2) for name, each in times.items()}
    found["chart_to_plain_pillow"] = round(
        found["chart_1152x768_ms"] / found["plain_pillow_1152x768_ms"], 2
    )
    return found


def _given(seed: int) -> AnalysisInput:
    """A seeded random walk of hours."""
    source = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(source.normal(0, 0.006, INPUT_BARS))), 2)
    open_ = np.concatenate((close[:1], close[:-1]))
    wicks = np.abs(source.normal(0, 0.3, (2, INPUT_BARS))).round(2)
    window = CandleWindow(
        "BENCHUSDT",
        timedelta(hours=1),
        np.arange(INPUT_BARS, dtype=np.int64) * HOUR_MS,
        open_,
        np.maximum(open_, close) + wicks[0],
        np.minimum(open_, close) - wicks[1],
        close,
        source.lognormal(6, 0.5, INPUT_BARS),
    )
    return candle_makers.given(window)


def _overlay(given: AnalysisInput) -> Overlay:
    last = given.window.candle(-1).close
    return Overlay(
        entry=last,
        stop=last * Decimal("0.98"),
        target=last * Decimal("1.05"),
        side=Direction.LONG,
    )


def _plain(given: AnalysisInput) -> bytes:
    """As many boxes and lines as a chart has, without text, axes or indicators."""
    layout = Layout(TILE_SCALE)
    image = Image.new("RGB", layout.size, "white")
    pen = ImageDraw.Draw(image)
    visible = given.window.tail(VISIBLE_BARS)
    low, high = float(visible.low.min()), float(visible.high.max())
    step = layout.price.width / VISIBLE_BARS
    height = layout.price.height
    columns = (visible.open, visible.high, visible.low, visible.close)
    rows = [((high - column) / (high - low) * height).tolist() for column in columns]
    path = []
    for slot, (open_, top, bottom, close) in enumerate(zip(*rows, strict=True)):
        middle = (slot + 0.5) * step
        pen.line((middle, top, middle, bottom), fill="black", width=2)
        pen.rectangle((middle - 4, min(open_, close), middle + 4, max(open_, close)), fill="black")
        pen.rectangle((middle - 4, height + 10, middle + 4, height + 50), fill="gray")
        path.append((middle, close))
    for colour in ("blue", "brown", "purple"):
        pen.line(path, fill=colour, width=3)
    out = BytesIO()
    image.save(out, "PNG", compress_level=COMPRESSION)
    return out.getvalue()
