"""Who reads the charts of a cycle: rules, or a model with a purse and a deadline and, where the
bot says so, rules in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from analysis.budget import Purse
from analysis.choices import CallPurpose
from analysis.domain import AnalysisInput
from analysis.errors import (
    AnalysisInvalid,
    AnalystError,
    AnalystPaused,
    AnalystUnavailable,
    BudgetSpent,
)
from analysis.models import Analysis, AnalystProfile, ModelCall, PromptVersion
from analysis.ports import Analyst
from analysis.services import analysis_obtain, profile_technical
from exchange.domain import TIMEFRAMES, ZERO
from exchange.ports import Clock
from trading.ai import bot_key, call_cost, purse_states, purses_of
from trading.choices import AiFallback, EventLevel
from trading.domain.risk import ai_budget
from trading.domain.verdict import Verdict, dollars
from trading.events import record
from trading.models import Bot, Cycle, Event

# An answer must leave most of the candle for acting on it.
DEADLINE_SHARE = 3
TOO_LATE = ("timeout", "late", "sender_died")
REFUSED = "refused"
INVALID_WORDS = {
    REFUSED: "refused",
    "ungrounded": "ungrounded",
    "chart_id": "about another chart",
    "question_id": "about another chart",
}
# From an answer in time to its stored row.
STORING = timedelta(seconds=5)
CHANGED = "bot_analyst"

Answers = dict[str, Analysis | AnalystError]


class ModelDoor(Protocol):
    """The way to a bot's model."""

    @property
    def prompt_version(self) -> PromptVersion | None: ...

    @property
    def from_record(self) -> bool:
        """Whether answers are only looked up, which nobody has to pay for."""

    def refusal(self) -> str:
        """Why this model may not trade on the bot's market, as one sentence, or ""."""

    def analyst(self, purses: tuple[Purse, ...], deadline_at: float) -> Analyst:
        """The analyst that is paid from ``purses`` and answers by ``deadline_at`` (monotonic)."""


def deadline_s(profile: AnalystProfile, timeframe: timedelta) -> float:
    """Seconds that all answers of a cycle may take: the profile's, at most a third of a bar."""
    return min(float(profile.timeout_s), timeframe.total_seconds() / DEADLINE_SHARE)


class Readers:
    """Reads the charts of one cycle. ``rules`` is the analyst without a model; ``door`` leads to
    the model of a bot that has one."""

    def __init__(self, cycle: Cycle, rules: Analyst, door: ModelDoor | None, clock: Clock) -> None:
        self._cycle, self._bot = cycle, cycle.bot
        self._rules, self._door, self._clock = rules, door, clock
        self._purses: tuple[Purse, ...] = ()
        self._spent = ""
        self.took_over: dict[str, str] = {}

    def admission(self, equity: Decimal) -> tuple[Verdict, ...]:
        """What has to hold before the model is asked anything; nothing without a model."""
        if self._door is None:
            return ()
        if not self._door.from_record:
            self._purses = purses_of(self._bot, equity)
        budget = ai_budget(purse_states(self._purses, self._clock.now().date()))
        if budget.passed is False and self._may_take_over:
            # The rules read on for nothing, so an empty purse stops nobody.
            self._spent = budget.text
            budget = Verdict("budget", None, budget.value, budget.limit, budget.text)
        elif budget.passed is False:
            self._tell_change("stopped", budget.text)
        return (_may_ask(self._door.refusal()), budget)

    def read(self, inputs: Sequence[AnalysisInput]) -> Answers:
        """An answer or the reason for none, by symbol."""
        if not inputs:
            return {}
        if self._door is None:
            return self._by_rules(inputs, self._bot.analyst_profile)
        if self._spent:
            return self._take_over(inputs, {given.symbol: self._spent for given in inputs})
        answers = self._by_model(inputs, self._door)
        reasons = {
            symbol: str(answer)
            for symbol, answer in answers.items()
            if isinstance(answer, BudgetSpent | AnalystPaused)
        }
        if reasons and self._may_take_over:
            left = [given for given in inputs if given.symbol in reasons]
            return answers | self._take_over(left, reasons)
        answered = any(isinstance(answer, Analysis) for answer in answers.values())
        # Where some were asked and some not, the next cycle will tell which way it goes.
        if reasons and not answered:
            self._tell_change("stopped", next(iter(reasons.values())))
        elif answered and not reasons:
            self._tell_change("model", f"{self._bot.analyst_profile.name} answers again.")
        return answers

    @property
    def _may_take_over(self) -> bool:
        return self._bot.ai_fallback == AiFallback.TECHNICAL

    def _by_rules(self, inputs: Sequence[AnalysisInput], profile: AnalystProfile) -> Answers:
        return analysis_obtain(
            profile=profile, analyst=self._rules, source=self._source, inputs=inputs
        )

    def _by_model(self, inputs: Sequence[AnalysisInput], door: ModelDoor) -> Answers:
        profile = self._bot.analyst_profile
        allowed_s = deadline_s(profile, TIMEFRAMES[self._cycle.timeframe])
        latest = self._clock.now() + timedelta(seconds=allowed_s) + STORING
        answers = analysis_obtain(
            profile=profile,
            analyst=door.analyst(self._purses, self._clock.monotonic() + allowed_s),
            source=self._source,
            inputs=inputs,
            prompt_version=door.prompt_version,
            workers=profile.max_concurrency,
        )
        # Analysts keep the deadline themselves. One that does not must not get a late answer in.
        return {
            symbol: AnalystUnavailable(f"The answer came after the {allowed_s:.0f} s it had.")
            if isinstance(answer, Analysis) and answer.created_at > latest
            else answer
            for symbol, answer in answers.items()
        }

    def _take_over(self, inputs: Sequence[AnalysisInput], reasons: Mapping[str, str]) -> Answers:
        """The rules read what the model could not be asked."""
        self.took_over = dict(reasons)
        if reasons:
            self._tell_change("technical", next(iter(reasons.values())))
        return self._by_rules(inputs, profile_technical())

    @property
    def _source(self) -> str:
        return f"account:{self._bot.account_id}"

    def _tell_change(self, state: str, why: str) -> None:
        """An event when somebody else reads than in the cycle before."""
        if self._cycle.observe_only:
            return
        told = Event.objects.filter(kind=CHANGED, data__bot=self._bot.pk).first()
        if (told.data["state"] if told else "model") == state:
            return
        what = {
            "model": "the model reads its charts again",
            "technical": "the technical rules read its charts for now",
            "stopped": "no new entries for now, its model can't be asked",
        }[state]
        record(
            CHANGED,
            f"{self._bot}: {what}. {why}",
            account=self._bot.account,
            level=EventLevel.NOTICE if state == "model" else EventLevel.WARNING,
            data={"bot": self._bot.pk, "cycle": self._cycle.pk, "state": state},
        )


def _may_ask(refusal: str) -> Verdict:
    return Verdict(
        "analyst",
        not refusal,
        "refused" if refusal else "allowed",
        "allowed",
        refusal or "The model may be asked.",
    )


def no_answer(error: AnalystError) -> Verdict:
    """Why a symbol has no reading, as a rule that failed."""
    rules: dict[type[AnalystError], str] = {BudgetSpent: "budget", AnalystPaused: "analyst_paused"}
    rule = rules.get(type(error), "analysis")
    if isinstance(error, AnalysisInvalid) and error.code == "ungrounded":
        rule = "ungrounded"
    return Verdict(rule, False, "none", "one", str(error))


def was_grounded(analysis: Analysis) -> bool:
    """Whether the answer may count as a reading: nobody looked, or what was seen was read back."""
    return analysis.grounding is None or analysis.grounding.get("grounded") is True


def reading_summary(bot: Bot, cycle: Cycle, answers: Answers, took_over: Iterable[str]) -> str:
    """One line on the step: "8 of 10 read, 1 too late, 1 ungrounded, $0.042"."""
    calls = _calls_of(bot, cycle) if bot.analyst_profile.asks_a_model else []
    ends = {call.symbol: call.reason_code for call in calls}
    counted = Counter(_outcome(answer, ends.get(symbol, "")) for symbol, answer in answers.items())
    read = counted.pop("read", 0)
    parts = [f"{read} of {len(answers)} read"]
    parts += [f"{count} {what}" for what, count in counted.most_common()]
    by_rules = len(list(took_over))
    if by_rules:
        parts.append(f"{by_rules} by the technical rules")
    if bot.analyst_profile.asks_a_model:
        parts.append(dollars(sum((call_cost(call) for call in calls), ZERO)))
    return ", ".join(parts)


def _calls_of(bot: Bot, cycle: Cycle) -> list[ModelCall]:
    rows = ModelCall.objects.filter(
        charged_to=bot_key(bot.pk), purpose=CallPurpose.CYCLE, candle_time=cycle.boundary
    )
    since = cycle.started_at
    rows = rows if since is None else rows.filter(created_at__gte=since)
    return list(rows.order_by("pk"))


def _outcome(answer: Analysis | AnalystError, end: str) -> str:
    """What became of one symbol, where ``end`` is how its newest call ended."""
    if isinstance(answer, Analysis):
        return "read" if was_grounded(answer) else "ungrounded"
    if isinstance(answer, AnalysisInvalid):
        return INVALID_WORDS.get(answer.code, "unusable")
    if isinstance(answer, BudgetSpent):
        return "over budget"
    if isinstance(answer, AnalystPaused):
        return "paused"
    if end in TOO_LATE:
        return "too late"
    return "refused" if end == REFUSED else "unanswered"
