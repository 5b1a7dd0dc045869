"""One picture's bytes, pinned: any machine, database and restart has to draw exactly these.

New values need a new ``RENDERER_VERSION``, whatever brought them about, a newer Pillow included:
analyses and eye tests of the old pictures do not speak for the new ones.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.chart import ChartStyle, render
from analysis.chart_layout import PATCH_SCALE, RENDERER_VERSION
from analysis.domain import AnalysisInput
from exchange.candles import CandleWindow, to_ms
from tests.analysis.candle_makers import given

BYTES = {
    "usual": "5ca9d9e877d534652bff8f1b8f66b1ba56a4fdc92a92a826982547110149e16a",
    "large": "027fac330b161ef0d8835608ad9bcea76dbca480e6a7292b360ca37ed7376834",
    "copy": "221d33ba2bad1cd9da81afb38bd62afe10a12d82c2fed849d7059c56c187ea91",
}
PIXELS = "a2d30311d7d4dfc88d11f602ec647a716f17850460b0e3dda7b7b618b0263aaa"
STYLES = {
    "usual": ChartStyle(),
    "large": ChartStyle(scale=PATCH_SCALE),
    "copy": ChartStyle(bars=95, dark=True),
}


def fixed_chart() -> AnalysisInput:
    """Candles from whole numbers only, so that no library's random source has a say."""
    numbers, state = [], 12345
    for _ in range(800):
        state = (state * 1103515245 + 12345) % 2**31
        numbers.append(state // 65536)
    steps = np.array(numbers, dtype=np.int64).reshape(4, 200)
    cents = 50_000 + np.cumsum(steps[0] % 401 - 200)
    opens = np.concatenate((cents[:1], cents[:-1]))
    day = datetime(2026, 1, 5, tzinfo=UTC)
    return given(
        CandleWindow(
            "FIXEDUSDT",
            timedelta(hours=1),
            to_ms(day) + np.arange(200, dtype=np.int64) * 3_600_000,
            opens / 100,
            (np.maximum(opens, cents) + steps[1] % 150) / 100,
            (np.minimum(opens, cents) - steps[2] % 150) / 100,
            cents / 100,
            (steps[3] % 900 + 100) / 1.0,
        )
    )


def drawn(name: str) -> str:
    return render(fixed_chart(), STYLES[name]).sha256


@pytest.mark.parametrize("name", list(BYTES))
def test_bytes_are_the_pinned_ones(name: str) -> None:
    assert (RENDERER_VERSION, drawn(name)) == ("2", BYTES[name])


def test_pixels_are_the_pinned_ones() -> None:
    # When only the bytes above differ, Pillow packs another way.
    picture = Image.open(BytesIO(render(fixed_chart()).png)).convert("RGB")
    assert hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() == PIXELS


def test_facts_are_the_pinned_ones() -> None:
    facts = render(fixed_chart()).facts
    assert (facts.chart_id, facts.question_id) == ("HJFV", "Q47D7L")
    assert facts.factor == Decimal("0.1207694522")
    assert facts.markers == (Decimal("60.562257"), Decimal("60.765150"))


def test_fresh_process_draws_the_same_bytes() -> None:
    script = (
        "import django; django.setup()\n"
        "from tests.analysis.test_chart_golden import BYTES, drawn\n"
        "print(*(drawn(name) for name in BYTES))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )
    assert other.stdout.split() == list(BYTES.values())
