"""Who analyses, and how that server is doing."""

from __future__ import annotations

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from analysis.choices import (
    AnalystKind,
    ApiStyle,
    HealthState,
    ImageDetail,
    ImageFamily,
    ReasoningEffort,
)
from exchange.domain import ZERO
from exchange.fields import AmountField

NOT_NEGATIVE = MinValueValidator(Decimal(0))


class AnalystProfile(models.Model):
    """An analyst with its settings. A change makes a new version, so old analyses keep theirs.

    Everything from ``base_url`` on concerns models only. Prices are US dollars per million
    tokens; ``max_output_tokens`` includes what a model thinks before it writes.
    """

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=12, choices=AnalystKind.choices)
    version = models.PositiveIntegerField(default=1)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    base_url = models.CharField(
        max_length=200, blank=True, help_text="Empty for OpenAI itself, else its address with /v1."
    )
    model = models.CharField(max_length=80, blank=True)
    api_style = models.CharField(
        max_length=10, choices=ApiStyle.choices, default=ApiStyle.RESPONSES
    )
    api_key_sealed = models.TextField(blank=True, editable=False)
    image_family = models.CharField(
        max_length=6, choices=ImageFamily.choices, default=ImageFamily.TILE
    )
    image_detail = models.CharField(
        max_length=8, choices=ImageDetail.choices, default=ImageDetail.HIGH
    )
    image_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of one picture, as measured by probe."
    )
    reasoning_effort = models.CharField(
        max_length=8, choices=ReasoningEffort.choices, default=ReasoningEffort.UNSET, blank=True
    )
    max_output_tokens = models.PositiveIntegerField(
        default=6000, validators=[MinValueValidator(500), MaxValueValidator(200_000)]
    )
    timeout_s = models.PositiveIntegerField(
        default=120, validators=[MinValueValidator(5), MaxValueValidator(1200)]
    )
    input_price = AmountField(default=ZERO, validators=[NOT_NEGATIVE])
    cached_input_price = AmountField(default=ZERO, validators=[NOT_NEGATIVE])
    output_price = AmountField(default=ZERO, validators=[NOT_NEGATIVE])
    knowledge_cutoff = models.DateField(null=True, blank=True)
    max_call_cost = AmountField(
        default=Decimal("0.25"),
        validators=[NOT_NEGATIVE],
        help_text="US dollars that a single call may cost at most.",
    )
    max_concurrency = models.PositiveSmallIntegerField(
        default=4, validators=[MinValueValidator(1), MaxValueValidator(32)]
    )
    copies = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(6)],
        help_text="0: one look. 2: the chart and its mirror. Up to 6 transformed copies.",
    )
    prescreen = models.BooleanField(
        default=True, help_text="Ask only where the technical rules see a setup."
    )
    safe_mode_after = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1)], help_text="Failures in a row."
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def asks_a_model(self) -> bool:
        return self.kind != AnalystKind.TECHNICAL


class AnalystHealth(models.Model):
    """How a profile's server is doing, for all processes. Wall time."""

    profile = models.OneToOneField(AnalystProfile, on_delete=models.CASCADE, related_name="health")
    state = models.CharField(max_length=6, choices=HealthState.choices, default=HealthState.OK)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    open_until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    last_ok_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "analyst health"

    def __str__(self) -> str:
        return f"{self.profile}: {self.state}"
