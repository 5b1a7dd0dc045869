"""The examination of a profile: what it will cost, and the sitting itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from analysis.budget import Purse
from analysis.calls.asking import Asking
from analysis.chart_style import style_of
from analysis.choices import CallPurpose, ExamState, Grade
from analysis.cost import SECOND_TRY_SHARE, expected_cost
from analysis.errors import AnalystUnavailable
from analysis.eye_test.ask import Asked
from analysis.eye_test.grading import grade_of_results, results_of
from analysis.eye_test.marks import FULL, SHORT
from analysis.eye_test.plan import Item, Question, exam_plan
from analysis.eye_test.prepare import Examiner
from analysis.eye_test.recall import RecallSource
from analysis.eye_test.sitting import Sitting, ask_all
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, EyeTest, ModelCall, PromptVersion
from analysis.prompts.tokens import text_tokens
from exchange.domain import ZERO
from exchange.market.archive import default_archive
from exchange.ports import Clock

# Progress is written down after so many answers.
STORED_EVERY = 10
NOTE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an examination is; ``cost`` in US dollars so far."""

    done: int
    planned: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """Questions of an examination and what they will cost about, in US dollars."""

    calls: int
    cost: Decimal


def eye_test_estimate(
    *,
    profile: AnalystProfile,
    prompt_version: PromptVersion,
    seed: int,
    short: bool,
    share: float | None = None,
) -> Estimate:
    """What the examination will cost if nothing of it is on record yet."""
    examiner = _examiner(prompt_version, seed)
    return _estimate(profile, examiner, _plan(profile, examiner, short, share))


def exam_purse(
    profile: AnalystProfile, prompt_version: PromptVersion, seed: int, estimate: Estimate
) -> Purse:
    """A purse for one examination: twice the estimate, and room for what is on its way, since a
    call reserves the most that it could cost."""
    identity = reading_identity(profile, prompt_version)
    on_their_way = profile.max_concurrency * profile.max_call_cost
    return Purse(f"eye_test:{identity[:8]}:{seed}", 2 * estimate.cost + on_their_way)


def eye_test_run(
    *,
    profile: AnalystProfile,
    prompt_version: PromptVersion,
    seed: int,
    short: bool,
    purses: Sequence[Purse],
    clock: Clock,
    progress: Callable[[Progress], None] | None = None,
    share: float | None = None,
) -> EyeTest:
    """Examine ``profile`` with this prompt and grade it.

    Goes on where an unfinished examination of the same identity and seed was broken off; what was
    answered then is not asked again. Stops when a purse is spent or the server pauses, and has no
    result when the server left questions unanswered: then the state is FAILED, the note says why,
    and there is no grade. ``share`` (0..1) asks for a smaller form than the two that count.
    """
    examiner = _examiner(prompt_version, seed)
    items = _plan(profile, examiner, short, share)
    exam = _opened(profile, prompt_version, seed, short=short or share is not None)
    exam.planned_calls = len(items)
    exam.estimate = _estimate(profile, examiner, items).cost
    exam.save()
    asked: list[Asked] = []
    try:
        ask_all(_sitting(exam, examiner, purses, clock), items, _teller(exam, asked, progress))
    except AnalystUnavailable as error:
        return _finished(exam, asked, clock, note=str(error))
    except BaseException as error:
        # An interrupt or a fault of this program: the answers so far are on record all the same.
        _finished(exam, asked, clock, note=f"broken off: {type(error).__name__}")
        raise
    unanswered = sum(1 for each in asked if each.unanswered and each.fresh)
    if unanswered:
        # They can be asked again; only what stays unanswered sitting after sitting counts.
        return _finished(exam, asked, clock, note=f"the server left {unanswered} unanswered")
    place = {item.key: index for index, item in enumerate(items)}
    results = results_of(
        # Parts that take the first so many answers take the same ones whoever answered sooner.
        sorted(asked, key=lambda each: place[each.item.key]),
        scale=style_of(profile.image_family).scale,
        assets=len(examiner.recall.assets) if examiner.recall else 0,
    )
    exam.results = [result.as_json() for result in results]
    exam.grade = Grade.NONE if share else grade_of_results(results, short=short)
    return _finished(exam, asked, clock)


def _examiner(prompt_version: PromptVersion, seed: int) -> Examiner:
    recall = RecallSource(default_archive())
    return Examiner(prompt_version, seed, recall if recall.is_enough else None)


def _plan(
    profile: AnalystProfile, examiner: Examiner, short: bool, share: float | None
) -> list[Item]:
    style = style_of(profile.image_family)
    size = share or (SHORT if short else FULL)
    return exam_plan(examiner.seed, size, style, recall=examiner.recall is not None)


def _estimate(profile: AnalystProfile, examiner: Examiner, items: Sequence[Item]) -> Estimate:
    cost = ZERO
    for kind in Question:
        same = [item for item in items if item.question is kind]
        if same:
            question = examiner.prepare(same[0]).question
            tokens = text_tokens(question.system) + text_tokens(question.user)
            cost += len(same) * expected_cost(profile, tokens)
    return Estimate(len(items), (cost * (1 + SECOND_TRY_SHARE)).quantize(Decimal("0.0001")))


def _opened(
    profile: AnalystProfile, prompt_version: PromptVersion, seed: int, *, short: bool
) -> EyeTest:
    """The unfinished examination of the same kind, or a new one."""
    named = {
        "profile": profile,
        "prompt_version": prompt_version,
        "identity": reading_identity(profile, prompt_version),
        "seed": seed,
        "short": short,
    }
    exam = EyeTest.objects.filter(**named).exclude(state=ExamState.DONE).first()
    exam = exam or EyeTest(**named)
    exam.profile_version = profile.version
    exam.state = ExamState.RUNNING
    exam.done_calls = 0
    exam.note = ""
    exam.finished_at = None
    return exam


def _sitting(exam: EyeTest, examiner: Examiner, purses: Sequence[Purse], clock: Clock) -> Sitting:
    asking = Asking(
        profile=exam.profile,
        prompt_version=exam.prompt_version,
        purses=tuple(purses),
        purpose=CallPurpose.EYE_TEST,
        charged_to=_charged_to(exam),
        clock=clock,
    )
    return Sitting(asking, examiner, exam.identity, salt=_salt(exam))


def _salt(exam: EyeTest) -> str:
    """Answers on record count again as long as they are behind the newest grade. Once that was
    lowered, or another examination came after theirs, everything is asked anew."""
    done = list(EyeTest.objects.filter(identity=exam.identity, state=ExamState.DONE))
    lowered = any(each.lowered_by for each in done)
    overtaken = any(each.seed == exam.seed for each in done) and done[0].seed != exam.seed
    return f"after {len(done)}" if lowered or overtaken else ""


def _charged_to(exam: EyeTest) -> str:
    return f"eye_test:{exam.pk}"


def _teller(
    exam: EyeTest, asked: list[Asked], progress: Callable[[Progress], None] | None
) -> Callable[[Asked], None]:
    """Collects answers and tells how far it is."""
    paid = exam.cost

    def told(each: Asked) -> None:
        nonlocal paid
        asked.append(each)
        paid += each.cost
        exam.done_calls = len(asked)
        if len(asked) % STORED_EVERY == 0:
            exam.save(update_fields=("done_calls",))
        if progress is not None:
            progress(Progress(len(asked), exam.planned_calls, paid))

    return told


def _finished(exam: EyeTest, asked: Sequence[Asked], clock: Clock, note: str = "") -> EyeTest:
    exam.done_calls = len(asked)
    exam.state = ExamState.FAILED if note else ExamState.DONE
    exam.note = note[:NOTE_LENGTH]
    exam.cost = cost_charged(_charged_to(exam))
    exam.finished_at = clock.now()
    exam.save()
    return exam


def cost_charged(charged_to: str) -> Decimal:
    """What all calls charged to one examination have cost, in US dollars."""
    costs = ModelCall.objects.filter(charged_to=charged_to).values_list("cost", flat=True)
    return sum((cost for cost in costs if cost is not None), ZERO)
