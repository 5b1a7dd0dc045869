"""The analyst with a model: looks at the chart, then at its mirror and copies, and doubts itself.

It proposes what the model proposed for the chart itself. The other looks can only take away: they
veto, and where several agree the prices are the median of what they want.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from analysis.analysts.technical import TechnicalAnalyst
from analysis.calls.asking import Asking
from analysis.calls.evidence import reason_text
from analysis.calls.looking import look, question_of
from analysis.chart_style import style_of
from analysis.choices import ImageFamily
from analysis.copies import Agreement, Copy, Vote, agreement_of, copies_of, vote_of, wants_more
from analysis.domain import AnalysisInput, Direction, Recommendation
from analysis.errors import AnalystError
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, PromptVersion
from exchange.domain import TIMEFRAMES, quantise

# An answer must leave most of the candle for acting on it.
DEADLINE_SHARE = 3


def analyst_version(profile: AnalystProfile, prompt_version: PromptVersion) -> str:
    """Everything outside a profile's own settings that an answer depends on."""
    identity = reading_identity(profile, prompt_version)
    return f"{identity} {TechnicalAnalyst.version}" if profile.prescreen else identity


class OpenAiAnalyst:
    """Asks the model of ``asking``. All looks at one chart share one deadline.

    ``deadline_at`` (monotonic seconds of the clock) is that of a whole cycle; without it each
    chart has the profile's limit, at most a third of a candle.
    """

    name = "openai"

    def __init__(self, asking: Asking, deadline_at: float | None = None) -> None:
        if asking.prompt_version is None:
            raise ValueError("a model can't be asked without a prompt")
        self.version = analyst_version(asking.profile, asking.prompt_version)
        self._asking = asking
        self._deadline_at = deadline_at
        family = ImageFamily(asking.profile.image_family)
        self._copies = copies_of(style_of(family), asking.profile.copies)

    def questions(self, given: AnalysisInput) -> tuple[str, ...]:
        """The names of all looks that may be taken at ``given``, the chart itself first."""
        return tuple(question_of(self._asking, given, copy) for copy in self._copies)

    def analyse(self, given: AnalysisInput) -> Recommendation:
        """Read one chart. Raises ``AnalystError`` when the chart itself gets no usable answer."""
        screened = self._screen(given)
        if screened is not None and screened.direction is Direction.NONE:
            return replace(screened, features={"prescreen": "no setup by the technical rules"})
        deadline_at = self._deadline_of(given)
        chart, *others = self._copies
        found = look(self._asking, given, chart, deadline_at).recommendation
        if screened is not None:
            found = _with(found, {"prescreen": screened.direction.value})
        if not others or not _may_count(found):
            return found
        return _concluded(found, self._all_looks(given, found, deadline_at), len(self._copies))

    def _screen(self, given: AnalysisInput) -> Recommendation | None:
        return TechnicalAnalyst().analyse(given) if self._asking.profile.prescreen else None

    def _deadline_of(self, given: AnalysisInput) -> float:
        if self._deadline_at is not None:
            return self._deadline_at
        share_s = TIMEFRAMES[given.timeframe].total_seconds() / DEADLINE_SHARE
        return self._asking.clock.monotonic() + min(self._asking.profile.timeout_s, share_s)

    def _all_looks(self, given: AnalysisInput, found: Recommendation, deadline_at: float) -> _Looks:
        """The chart's vote and those of its copies, as long as another can still matter."""
        looks = _Looks([vote_of(self._copies[0], found)])
        for copy in self._copies[1:]:
            if not wants_more(looks.votes, len(self._copies)):
                break
            looks.add(copy, *self._copy_look(given, copy, deadline_at))
        return looks

    def _copy_look(
        self, given: AnalysisInput, copy: Copy, deadline_at: float
    ) -> tuple[Recommendation | None, str]:
        """What a copy showed, or why it counts as none."""
        try:
            found = look(self._asking, given, copy, deadline_at).recommendation
        except AnalystError as error:
            return None, str(error)
        if found.grounding is None or not found.grounding.grounded:
            return None, found.grounding.reason if found.grounding else "nobody looked"
        return (None, found.veto) if found.veto else (found, "")


@dataclass(slots=True)
class _Looks:
    """The votes so far, and why a look counts as none, by variant."""

    votes: list[Vote]
    missed: dict[str, str] = field(default_factory=dict)

    def add(self, copy: Copy, found: Recommendation | None, problem: str) -> None:
        if found is None:
            self.votes.append(Vote(copy.variant, copy.mirrored, Direction.NONE))
            self.missed[copy.variant] = reason_text(problem)
        else:
            self.votes.append(vote_of(copy, found))


def _may_count(found: Recommendation) -> bool:
    """Whether more looks are worth their price: there is a side, seen and without contradiction."""
    grounded = found.grounding is not None and found.grounding.grounded
    return grounded and not found.veto and found.direction is not Direction.NONE


def _concluded(found: Recommendation, looks: _Looks, planned: int) -> Recommendation:
    agreement = agreement_of(looks.votes, planned)
    features = dict(agreement.features)
    if looks.missed:
        features["missed"] = looks.missed
    veto = agreement.veto
    if veto and looks.missed:
        veto += "".join(f"; {variant}: {reason}" for variant, reason in looks.missed.items())
    agreeing = sum(vote.side is found.direction for vote in looks.votes)
    if agreeing > 1 and not veto:
        found = _at_median(found, agreement)
    return replace(_with(found, features), veto=veto)


def _at_median(found: Recommendation, agreement: Agreement) -> Recommendation:
    """``found`` with the prices in the middle of what the agreeing looks want."""

    def price(item: str) -> Decimal:
        distance = Decimal(agreement.features[item])
        return quantise(found.last_price + distance * found.atr)

    return replace(
        found,
        entry_price=price("entry_atr"),
        stop_loss=price("stop_atr"),
        take_profit=price("target_atr"),
    )


def _with(found: Recommendation, features: Mapping[str, Any]) -> Recommendation:
    return replace(found, features={**found.features, **features})
