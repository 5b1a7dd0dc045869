"""Whether a profile can read the charts drawn here, and whether it still can."""

from __future__ import annotations

from django.db import models

from analysis.choices import ExamState, Grade
from analysis.models.profiles import AnalystProfile
from analysis.models.prompts import PromptVersion
from exchange.domain import ZERO
from exchange.fields import AmountField


class EyeTest(models.Model):
    """One examination. It speaks for its ``identity`` only: model id, server, prompt, schema,
    renderer, scale and detail. ``results`` lists the parts: {part, title, n, value, interval, mark,
    passed, text}."""

    profile = models.ForeignKey(AnalystProfile, on_delete=models.PROTECT, related_name="eye_tests")
    profile_version = models.PositiveIntegerField()
    prompt_version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT)
    identity = models.CharField(max_length=64)
    seed = models.PositiveBigIntegerField()
    short = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=ExamState.choices, default=ExamState.RUNNING)
    grade = models.CharField(max_length=8, choices=Grade.choices, default=Grade.NONE)
    lowered_by = models.CharField(
        max_length=200, blank=True, help_text="Why the grade was lowered since."
    )
    planned_calls = models.PositiveIntegerField(default=0)
    done_calls = models.PositiveIntegerField(default=0)
    estimate = AmountField(default=ZERO, help_text="US dollars, before.")
    cost = AmountField(default=ZERO, help_text="US dollars, after.")
    results = models.JSONField(default=list)
    note = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=("profile", "identity"), name="eye_test_identity")]

    def __str__(self) -> str:
        return f"{self.profile} {self.started_at:%Y-%m-%d}: {self.grade}"


class CanaryRun(models.Model):
    """The golden set asked again. ``results`` holds the distribution of answers, grounding and
    scores; ``alarm`` says in a sentence what has shifted against the baseline."""

    profile = models.ForeignKey(
        AnalystProfile, on_delete=models.PROTECT, related_name="canary_runs"
    )
    prompt_version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT)
    identity = models.CharField(max_length=64)
    is_baseline = models.BooleanField(default=False)
    results = models.JSONField(default=dict)
    alarm = models.CharField(max_length=300, blank=True)
    cost = AmountField(default=ZERO)
    ran_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.profile} {self.ran_at:%Y-%m-%d}: {self.alarm or 'as before'}"
