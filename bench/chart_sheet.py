"""``python -m bench.chart_sheet --out FILE``: twelve market situations on one sheet, drawn as a
model sees them, for a person to look at."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from analysis.chart import ChartStyle, render
from analysis.chart_type import font
from analysis.domain import AnalysisInput
from analysis.indicators import INPUT_BARS
from exchange.candles import CandleWindow, Floats
from tests.analysis import candle_makers

ACROSS = 3
CAPTION = 44
HOUR_MS = 3_600_000
START_MS = 1_767_225_600_000
Source = np.random.Generator
BARS = np.arange(INPUT_BARS)


def _walk(source: Source, step: float = 0.004, drift: float = 0.0) -> Floats:
    return 100 * np.exp(np.cumsum(source.normal(drift, step, INPUT_BARS)))


def _shape(source: Source, *points: tuple[int, float], noise: float = 0.25) -> Floats:
    """Straight legs between (bar, price) points, with noise."""
    bars, prices = zip(*points, strict=True)
    path: Floats = np.interp(BARS, bars, prices)
    return path + source.normal(0, noise, INPUT_BARS)


def _range(source: Source) -> Floats:
    wave: Floats = 100 + 2.5 * np.sin(BARS / 6.5) + source.normal(0, 0.35, INPUT_BARS)
    return wave


def _double_top(source: Source) -> Floats:
    return _shape(source, (0, 88), (110, 96), (140, 106), (155, 100), (172, 106), (199, 97))


def _breakout(source: Source) -> Floats:
    return _shape(source, (0, 100), (185, 101), (192, 107), (199, 109), noise=0.5)


def _gap(source: Source) -> Floats:
    path = _walk(source)
    path[165:] *= 1.07
    return path


def _flat(source: Source) -> Floats:
    return np.full(INPUT_BARS, 100.0)


def _tiny_ticks(source: Source) -> Floats:
    return 100 + source.integers(-3, 4, INPUT_BARS).cumsum() * 0.0001


def _crash(source: Source) -> Floats:
    return _shape(source, (0, 100), (180, 104), (186, 8), (190, 3), (199, 4), noise=0.05)


def _recovery(source: Source) -> Floats:
    return _shape(source, (0, 110), (120, 108), (150, 82), (160, 85), (199, 104), noise=0.4)


SITUATIONS: dict[str, Callable[[Source], Floats]] = {
    "trend up": lambda source: _walk(source, drift=0.0025),
    "trend down": lambda source: _walk(source, drift=-0.0025),
    "range": _range,
    "double top": _double_top,
    "breakout": _breakout,
    "gap": _gap,
    "one huge wick": _walk,
    "flat market": _flat,
    "tiny ticks": _tiny_ticks,
    "missing volume": _walk,
    "crash": _crash,
    "recovery": _recovery,
}


def situation(name: str) -> AnalysisInput:
    """The seeded candles of one situation."""
    source = np.random.default_rng(list(SITUATIONS).index(name) + 1)
    close = np.round(SITUATIONS[name](source), 4)
    open_ = np.concatenate((close[:1], close[:-1]))
    if name == "gap":
        open_[165] = close[165] * 0.995
    wick = np.median(np.abs(np.diff(close))) * 0.7
    wicks = np.abs(source.normal(0, 1, (2, INPUT_BARS))) * wick
    high, low = np.maximum(open_, close) + wicks[0], np.minimum(open_, close) - wicks[1]
    if name == "one huge wick":
        low[160] *= 0.86
    volume = source.lognormal(6, 0.5, INPUT_BARS) * (name != "missing volume")
    window = CandleWindow(
        "SHEETUSDT",
        timedelta(hours=1),
        START_MS + BARS.astype(np.int64) * HOUR_MS,
        open_,
        high.round(4),
        low.round(4),
        close,
        volume,
    )
    return candle_makers.given(window, tick="0.0001")


def sheet(style: ChartStyle) -> Image.Image:
    """All situations in rows of three, each under its name."""
    pictures = {
        name: Image.open(BytesIO(render(situation(name), style).png)).convert("RGB")
        for name in SITUATIONS
    }
    width, height = next(iter(pictures.values())).size
    size = (width * ACROSS, (height + CAPTION) * (len(pictures) // ACROSS))
    whole = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(whole)
    for place, (name, picture) in enumerate(pictures.items()):
        left = place % ACROSS * width
        top = place // ACROSS * (height + CAPTION)
        pen.text((left + 12, top + 8), name, fill="black", font=font(24, 1.0, bold=True))
        whole.paste(picture, (left, top + CAPTION))
    return whole


def main() -> None:
    words = argparse.ArgumentParser(description="Draw twelve market situations on one sheet.")
    words.add_argument("--out", type=Path, required=True, help="the PNG to write")
    words.add_argument("--scale", type=float, default=1.0)
    words.add_argument("--bars", type=int, default=80)
    words.add_argument("--dark", action="store_true")
    words.add_argument("--only", choices=list(SITUATIONS), help="one situation by itself")
    asked = words.parse_args()
    style = ChartStyle(asked.scale, asked.bars, asked.dark)
    if asked.only:
        asked.out.write_bytes(render(situation(asked.only), style).png)
    else:
        sheet(style).save(asked.out, "PNG")
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
