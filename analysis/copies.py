"""The same market drawn in other ways, which must not change the answer, and what the answers say
together.

A reader that looks turns its answer round on the mirrored chart and keeps it on the other copies.
How sure a model says it is does not enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import mean, median, quantiles
from typing import Any

from analysis.chart import ChartStyle
from analysis.domain import AnalysisInput, Direction, Recommendation
from analysis.errors import AnalysisInvalid
from exchange.candles import CandleWindow, Floats, decimal_of
from exchange.domain import ZERO

MIRROR = "mirror"
MOST_COPIES = 6
FEWER_BARS = 70
MORE_BARS = 95
# Of every six planned looks at least this many have to name the side.
LEAST_OF_SIX = 4
# In ATR: copies that want the stop or the target this far apart saw different things.
MOST_SPREAD = Decimal("0.5")
PLACES = Decimal("0.0001")
FLIPPED = {
    Direction.LONG: Direction.SHORT,
    Direction.SHORT: Direction.LONG,
    Direction.NONE: Direction.NONE,
}


@dataclass(frozen=True, slots=True)
class Copy:
    """One way to draw a market; ``variant`` is empty for the chart itself."""

    variant: str
    mirrored: bool
    style: ChartStyle


def copies_of(style: ChartStyle, count: int) -> tuple[Copy, ...]:
    """The first ``count`` looks, in the order they are asked; 0 and 1 are the chart itself."""
    if not 0 <= count <= MOST_COPIES:
        raise ValueError(f"there are up to {MOST_COPIES} looks, not {count}")
    ways = (
        Copy("", False, style),
        Copy(MIRROR, True, style),
        Copy(f"bars{FEWER_BARS}", False, replace(style, bars=FEWER_BARS)),
        Copy(f"{MIRROR}{MORE_BARS}", True, replace(style, bars=MORE_BARS)),
        Copy("dark", False, replace(style, dark=True)),
        Copy(f"{MIRROR}-dark", True, replace(style, dark=True)),
    )
    return ways[: max(count, 1)]


def mirrored(given: AnalysisInput) -> AnalysisInput:
    """The market reflected in log price at its last close: what rose by a share falls by it.

    Volume and times stay; high and low change roles.
    """
    window = given.window
    close = float(window.close[-1])

    def reflected(prices: Floats) -> Floats:
        # In this order the last close comes back exactly and no rounding can put a high under
        # its candle's body.
        turned: Floats = close * (close / prices)
        return turned

    return replace(
        given,
        window=CandleWindow(
            window.symbol,
            window.interval,
            window.times,
            reflected(window.open),
            reflected(window.low),
            reflected(window.high),
            reflected(window.close),
            window.volume,
        ),
    )


def straight_price(price: Decimal, given: AnalysisInput) -> Decimal:
    """A real price of the mirrored chart as a price of the original, and the other way round.

    Raises ``AnalysisInvalid`` for a price that no market can have.
    """
    if not price.is_finite() or price <= 0:
        raise AnalysisInvalid("a price on the mirrored chart is not above zero", "price")
    close = decimal_of(given.window.close[-1])
    return close * close / price


def flipped(direction: Direction) -> Direction:
    return FLIPPED[direction]


@dataclass(frozen=True, slots=True)
class Vote:
    """What one look answered.

    ``direction`` is as answered on that picture, not turned back. The prices are: distances from
    the last close in ATR on the original chart, None with NONE. ``readback_error`` is the worst
    one as a share of the visible range.
    """

    variant: str
    mirrored: bool
    direction: Direction
    entry: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    readback_error: Decimal | None = None

    @property
    def side(self) -> Direction:
        """The direction on the original chart."""
        return flipped(self.direction) if self.mirrored else self.direction


def vote_of(copy: Copy, straight: Recommendation) -> Vote:
    """The vote of a look whose recommendation was already turned back to the original chart."""

    def distance(price: Decimal | None) -> Decimal | None:
        if price is None or straight.atr <= 0:
            return None
        return ((price - straight.last_price) / straight.atr).quantize(PLACES)

    answered = flipped(straight.direction) if copy.mirrored else straight.direction
    return Vote(
        variant=copy.variant,
        mirrored=copy.mirrored,
        direction=answered,
        entry=distance(straight.entry_price),
        stop=distance(straight.stop_loss),
        target=distance(straight.take_profit),
        readback_error=None if straight.grounding is None else straight.grounding.worst,
    )


def wants_more(votes: Sequence[Vote], planned: int) -> bool:
    """Whether another look can still matter: the chart itself names a side, its mirror agrees,
    nobody contradicts, and enough looks are left to agree."""
    if len(votes) >= planned:
        return False
    if not votes:
        return True
    side = votes[0].side
    if side is Direction.NONE or _opposed(votes, side):
        return False
    if len(votes) > 1 and not _mirror_agrees(votes, side):
        return False
    return _enough(_count(votes, side) + planned - len(votes), planned)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What all looks say together.

    ``direction`` is that of the chart itself. A non-empty ``veto`` says in a sentence why it may
    not be traded on. ``features`` are JSON-ready, decimals as text.
    """

    features: dict[str, Any]
    veto: str
    direction: Direction


def agreement_of(votes: Sequence[Vote], planned: int) -> Agreement:
    """Judge the votes of ``planned`` looks, the chart itself first.

    A look that was not made, failed or came late counts as none. Raises ``ValueError`` without
    the chart's own vote.
    """
    if not votes or votes[0].variant:
        raise ValueError("the chart itself has not voted")
    side = votes[0].side
    agreeing = [vote for vote in votes if vote.side is side and side is not Direction.NONE]
    stops = [vote.stop for vote in agreeing if vote.stop is not None]
    targets = [vote.target for vote in agreeing if vote.target is not None]
    entries = [vote.entry for vote in agreeing if vote.entry is not None]
    looks = max(planned, len(votes))
    agreement = _share(sum(vote.side.sign for vote in votes), looks)
    features = {
        "looks": looks,
        "votes": {vote.variant or "chart": vote.side.value for vote in votes},
        "agreement": str(agreement),
        "p_agree": str(_share(len(agreeing) + 1, looks + 2)),
        "bias": _text(_bias(votes)),
        "entry_atr": _text(_median(entries)),
        "stop_atr": _text(_median(stops)),
        "target_atr": _text(_median(targets)),
        "stop_spread_atr": _text(_spread(stops)),
        "target_spread_atr": _text(_spread(targets)),
        "readback_error": _text(_mean_error(votes)),
    }
    veto = _vote_veto(votes, side, looks) or _spread_veto(stops, targets)
    return Agreement(features, veto, side)


def _vote_veto(votes: Sequence[Vote], side: Direction, looks: int) -> str:
    if side is Direction.NONE:
        return ""
    opposed, agreeing = _opposed(votes, side), _count(votes, side)
    if opposed:
        return f"{opposed} of {len(votes)} looks say {flipped(side).value}, the chart {side.value}"
    if looks > 1 and not _mirror_agrees(votes, side):
        return "on the mirrored chart the answer did not turn round"
    if not _enough(agreeing, looks):
        return f"only {agreeing} of {looks} looks say {side.value}"
    return ""


def _spread_veto(stops: Sequence[Decimal], targets: Sequence[Decimal]) -> str:
    for name, values in (("stop", stops), ("target", targets)):
        spread = _spread(values)
        if spread is not None and spread > MOST_SPREAD:
            return f"the looks differ by {spread:.2f} ATR over the {name}"
    return ""


def _enough(agreeing: int, looks: int) -> bool:
    return 6 * agreeing >= LEAST_OF_SIX * looks


def _opposed(votes: Sequence[Vote], side: Direction) -> int:
    return _count(votes, flipped(side))


def _count(votes: Sequence[Vote], side: Direction) -> int:
    return sum(vote.side is side for vote in votes)


def _mirror_agrees(votes: Sequence[Vote], side: Direction) -> bool:
    return any(vote.variant == MIRROR and vote.side is side for vote in votes)


def _bias(votes: Sequence[Vote]) -> Decimal | None:
    """The lean to long whatever is drawn, -1..1; None until both kinds of picture were seen."""
    straight = [vote.direction.sign for vote in votes if not vote.mirrored]
    turned = [vote.direction.sign for vote in votes if vote.mirrored]
    if not straight or not turned:
        return None
    return ((_share(sum(straight), len(straight)) + _share(sum(turned), len(turned))) / 2).quantize(
        PLACES
    )


def _mean_error(votes: Sequence[Vote]) -> Decimal | None:
    errors = [vote.readback_error for vote in votes if vote.readback_error is not None]
    return mean(errors).quantize(PLACES) if errors else None


def _median(values: Sequence[Decimal]) -> Decimal | None:
    return median(values) if values else None


def _spread(values: Sequence[Decimal]) -> Decimal | None:
    """The interquartile range, between the values themselves."""
    if not values:
        return None
    if len(values) == 1:
        return ZERO
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    return upper - lower


def _share(part: int, whole: int) -> Decimal:
    return (Decimal(part) / Decimal(whole)).quantize(PLACES)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
