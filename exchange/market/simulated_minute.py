"""Inside a simulated minute: where price stood at each moment, true to the minute's candle."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from exchange.market.simulated_path import MINUTE_MS

KNOT_MS = 5_000
KNOTS = MINUTE_MS // KNOT_MS
_MASK = 2**64 - 1


def _mixer(key: int) -> Callable[[int], int]:
    """``draw(n)``: a whole number below n from a splitmix64 sequence that starts at ``key``."""
    state = key & _MASK

    def draw(below: int) -> int:
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ (mixed >> 31)) % below

    return draw


def minute_knots(open_: int, high: int, low: int, close: int, key: int) -> tuple[int, ...]:
    """Price in ticks at the 13 boundaries of the minute's 5 s pieces.

    Starts at the open, ends at the close, touches high and low once each at places that ``key``
    decides, and stays between them. Price moves in a straight line from knot to knot.
    """
    draw = _mixer(key)
    high_at = 1 + draw(KNOTS - 1)
    low_at = 1 + draw(KNOTS - 2)
    if low_at >= high_at:
        low_at += 1
    corners = sorted(((0, open_), (high_at, high), (low_at, low), (KNOTS, close)))
    wobble = max(1, (high - low) // 6)
    knots = []
    for (left, start), (right, end) in pairwise(corners):
        knots.append(start)
        for place in range(left + 1, right):
            straight = start + (end - start) * (place - left) // (right - left)
            moved = straight + draw(2 * wobble + 1) - wobble
            knots.append(min(max(moved, low), high))
    knots.append(close)
    return tuple(knots)


def price_inside(knots: tuple[int, ...], offset_ms: int) -> int:
    """Price in ticks ``offset_ms`` (0 to 60 000) after the minute opened."""
    place, rest = divmod(offset_ms, KNOT_MS)
    if rest == 0:
        return knots[place]
    return knots[place] + (knots[place + 1] - knots[place]) * rest // KNOT_MS


def stretch(knots: tuple[int, ...], start_ms: int, end_ms: int) -> list[int]:
    """Prices at ``start_ms``, at the knots between, and at ``end_ms`` of the minute."""
    between = range(start_ms // KNOT_MS + 1, -(-end_ms // KNOT_MS))
    return [
        price_inside(knots, start_ms),
        *(knots[place] for place in between),
        price_inside(knots, end_ms),
    ]
