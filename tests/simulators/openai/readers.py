"""How simulated models read: from planted truth, from words alone, or with a fixed idea."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.simulators.openai.wording import Words

STOP_ATR = 1.5
TARGET_R = 2.5
# Share by which two prices may differ and still be the same, rounded differently.
SAME_PRICE = 0.001
ID_CHARACTERS = "ACDEFGHJKLMNPQRTUVWXYZ234679"
PLAN = ("entry", "stop", "target")
# What stands on pictures in words and figures, or follows from them.
PRINTED = (
    "chart_id",
    "last_close",
    "ema20",
    "ema50",
    "rsi",
    "close_vs_ema20",
    "ema20_vs_ema50",
    "rsi_zone",
    "volume",
    "numbers",
)

Known = dict[str, Any]


# What is said of a picture that was drawn elsewhere.
FOREIGN: Known = {
    "shown": "A price chart whose instrument can't be read.",
    "legible": "partly",
    "environment": "unclear",
    "observations": ["There are shapes that may be candles."],
    "case_long": ["Nothing in sight speaks for higher prices."],
    "case_short": ["Nothing in sight speaks for lower prices."],
    "strongest_objection": "The scale can't be read.",
    "setup_quality": 0,
    "direction": "none",
}


def perfect(truth: Mapping[str, Any], words: Words) -> Known:
    """Everything that is known, and a plan by the trend where the truth has none."""
    known = {"question_id": words.question_id, "last_close": words.last_close, **truth}
    if _contradicted(known, words):
        known.setdefault("conflict", "image_vs_table")
    doubtful = known.get("conflict", "none") != "none" or known.get("legible", "all") != "all"
    known.setdefault("direction", "none" if doubtful else trend(words))
    return planned(known, words)


def _contradicted(known: Known, words: Words) -> bool:
    """Whether picture and table name different last prices."""
    if known.get("last_close") is None or words.last_close is None:
        return False
    shown = float(known["last_close"])
    return abs(shown - words.last_close) > SAME_PRICE * abs(shown)


def copycat(truth: Mapping[str, Any], words: Words, chance: random.Random) -> Known:
    """Copies words, those printed on the picture too, and guesses whatever has to be seen."""
    highs = [row.high for row in words.rows] or [1.0]
    lows = [row.low for row in words.rows] or [0.0]
    high, low = max(highs), min(lows)
    known = {
        "chart_id": "".join(chance.choices(ID_CHARACTERS, k=4)),
        "question_id": words.question_id or truth.get("question_id", ""),
        "last_close": words.last_close,
        "marker_1": _price(chance.uniform(low, high)),
        "marker_2": _price(chance.uniform(low, high)),
        "visible_high": high,
        "visible_low": low,
        "high_bar": words.rows[highs.index(high)].bar if words.rows else 0,
        "low_bar": words.rows[lows.index(low)].bar if words.rows else 0,
        "last_bar": chance.choice(("hollow", "solid")),
        "legible": "all",
        "direction": trend(words),
        **{name: truth[name] for name in PRINTED if name in truth},
    }
    return planned(known, words)


def always(direction: str, truth: Mapping[str, Any], words: Words) -> Known:
    """Reads perfectly and says the same side whatever it sees."""
    known = {name: value for name, value in truth.items() if name not in PLAN}
    return perfect({**known, "direction": direction}, words)


def elsewhere(truth: Mapping[str, Any], other: Mapping[str, Any], words: Words) -> Known:
    """A perfect reading that names another chart and another question."""
    known = perfect(truth, words)
    for name in ("chart_id", "question_id"):
        known[name] = other.get(name) or _rolled(str(known.get(name) or ""))
    return known


def astray(truth: Mapping[str, Any], words: Words, share: float) -> Known:
    """A perfect reading but for its markers, wrong by a share of the visible range."""
    known = perfect(truth, words)
    high, low = known.get("visible_high"), known.get("visible_low")
    if high is None or low is None:
        return known | {"marker_1": 1.0, "marker_2": 1.0}
    middle = (float(high) + float(low)) / 2
    for name in ("marker_1", "marker_2"):
        value = float(known[name]) if known.get(name) is not None else middle
        # Toward the middle, so that the value stays a price which the picture has.
        side = 1 if value < middle else -1
        known[name] = _price(value + side * share * (float(high) - float(low)))
    return known


def trend(words: Words) -> str:
    """A side by the order of close and both averages, the same rule for up and down."""
    close, fast, slow = words.last_close, words.ema_fast, words.ema_slow
    if close is None or fast is None or slow is None:
        return "none"
    if close > fast > slow:
        return "long"
    return "short" if close < fast < slow else "none"


def planned(known: Known, words: Words) -> Known:
    """``known`` with a plan for its direction and words for everything that asks for words."""
    direction = known.get("direction")
    sign = {"long": 1, "short": -1}.get(str(direction), 0)
    close, atr = known.get("last_close"), known.get("atr") or words.atr or _atr(known)
    if not sign or close is None or not atr:
        known["direction"] = "none"
        known |= dict.fromkeys(PLAN)
        return _worded(known, 0)
    entry = float(known.get("entry") or close)
    risk = STOP_ATR * float(atr)
    plan = {
        "entry": _price(entry),
        "stop": _price(entry - sign * risk),
        "target": _price(entry + sign * TARGET_R * risk),
        "entry_type": "market",
        "setup_quality": 0.75,
        "environment_fit": 0.75,
    }
    known = {**plan, **{name: value for name, value in known.items() if value is not None}}
    known.setdefault("invalidation_price", known["stop"])
    known.setdefault("invalidation_condition", "close_beyond")
    return _worded(known, sign)


def _worded(known: Known, sign: int) -> Known:
    trend_name = {1: "trend_up", -1: "trend_down"}.get(sign, "unclear")
    side = {1: "up", -1: "down"}.get(sign, "sideways")
    said = {
        "environment": trend_name,
        "environment_fit": 0.5,
        "setup_quality": 0,
        "legible": "all",
        "observations": [
            _observation("trend", -40, 0, f"Closes run {side} against both averages."),
            _observation("structure", -20, 0, f"The latest swings run {side}."),
            _observation("volume", -5, 0, "Volume of the latest bars is near its average."),
        ],
        "case_long": "Buyers hold the latest swing low.",
        "case_short": "Sellers hold the latest swing high.",
        "strongest_objection": "The move may be spent before the target.",
        "target_first": 0.35 if sign else 0.0,
        "stop_first": 0.5 if sign else 0.0,
        "neither": 0.15 if sign else 1.0,
        "conflict": "none",
        "not_visible": [],
    }
    return {**said, **{name: value for name, value in known.items() if value is not None}}


def _observation(kind: str, start: int, end: int, text: str) -> dict[str, Any]:
    return {"kind": kind, "from_bar": start, "to_bar": end, "level_id": None, "text": text}


def _atr(known: Known) -> float | None:
    """A twentieth of the visible range, for pictures that come without numbers."""
    high, low = known.get("visible_high"), known.get("visible_low")
    return None if high is None or low is None else (float(high) - float(low)) / 20


def _rolled(text: str) -> str:
    """Another id of the same length."""
    shifted = (ID_CHARACTERS.find(character) + 1 for character in text or "AAAA")
    return "".join(ID_CHARACTERS[place % len(ID_CHARACTERS)] for place in shifted)


def _price(value: float) -> float:
    return round(value, 4)
