"""What was shown, what was asked and what was answered."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from analysis.choices import CallPurpose, CallState
from analysis.models.profiles import AnalystProfile
from analysis.models.prompts import PromptVersion
from exchange.domain import ZERO
from exchange.fields import AmountField


class ChartImage(models.Model):
    """A picture known by the hash of its inputs.

    ``png`` holds the exact bytes when a model saw them. For analysts that do not look it stays
    null and the picture is drawn again from its recipe (source, symbol, timeframe, candle time).
    """

    input_hash = models.CharField(max_length=64, unique=True)
    renderer_version = models.CharField(max_length=20)
    chart_id = models.CharField(max_length=4)
    png = models.BinaryField(null=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the bytes.")
    reproducible = models.BooleanField(
        default=True, help_text="Drawn here from candles; a captured or uploaded picture is not."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"chart {self.chart_id}"


class Analysis(models.Model):
    """One answer about one chart. Unique on what was asked, so nothing is asked twice.

    ``input_hash`` covers candles and numbers, renderer version, prompt version, profile and its
    version, and variant: nothing of account, positions, bot or wall time.
    """

    input_hash = models.CharField(max_length=64, unique=True)
    profile = models.ForeignKey(AnalystProfile, on_delete=models.PROTECT, related_name="analyses")
    profile_version = models.PositiveIntegerField()
    prompt_version = models.ForeignKey(
        PromptVersion, on_delete=models.PROTECT, null=True, blank=True
    )
    chart = models.ForeignKey(ChartImage, on_delete=models.PROTECT, null=True, blank=True)
    source = models.CharField(max_length=80, help_text="Which market the candles came from.")
    symbol = models.CharField(max_length=40)
    timeframe = models.CharField(max_length=4)
    candle_time = models.DateTimeField(help_text="Close of the newest candle, market time.")
    direction = models.CharField(max_length=5)
    entry_price = AmountField(null=True)
    stop_loss = AmountField(null=True)
    take_profit = AmountField(null=True)
    setup_quality = AmountField()
    market_environment = AmountField()
    environment = models.CharField(max_length=12)
    evidence = models.JSONField(default=list)
    strongest_objection = models.CharField(max_length=300, blank=True)
    invalidation = models.CharField(max_length=300, blank=True)
    atr = AmountField()
    last_price = AmountField()
    grounding = models.JSONField(
        null=True, help_text="Read-back against what was drawn; null where nobody looked."
    )
    features = models.JSONField(default=dict, help_text="Agreement of mirror and copies.")
    veto = models.CharField(max_length=200, blank=True, help_text="Why it may not be traded on.")
    answer = models.JSONField(default=dict, help_text="The parsed answer, in real prices.")
    cost = AmountField(default=ZERO, help_text="US dollars, of all calls for it.")
    duration_ms = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "analyses"
        indexes = [models.Index(fields=("symbol", "candle_time"), name="analysis_symbol_time")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} {self.candle_time:%m-%d %H:%M}: {self.direction}"


class ModelCall(models.Model):
    """One question to a model, stored before it leaves, with everything that came of it.

    ``question`` is the ``input_hash`` of one look (the chart itself or one of its copies) and
    there are at most two attempts at it in its life. ``request`` is what was sent, without keys and
    with pictures by their hash. Costs are US dollars; ``reserved_cost`` is the most it could cost,
    and it counts until ``cost`` is known. Wall time.
    """

    question = models.CharField(max_length=64)
    attempt = models.PositiveSmallIntegerField(default=1)
    purpose = models.CharField(max_length=8, choices=CallPurpose.choices)
    state = models.CharField(max_length=8, choices=CallState.choices, default=CallState.RESERVED)
    reason_code = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    profile = models.ForeignKey(AnalystProfile, on_delete=models.PROTECT, related_name="calls")
    profile_version = models.PositiveIntegerField()
    prompt_version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, null=True)
    renderer_version = models.CharField(max_length=20, blank=True)
    chart = models.ForeignKey(ChartImage, on_delete=models.PROTECT, null=True, related_name="calls")
    analysis = models.ForeignKey(
        Analysis, on_delete=models.PROTECT, null=True, related_name="calls"
    )
    symbol = models.CharField(max_length=40, blank=True)
    timeframe = models.CharField(max_length=4, blank=True)
    candle_time = models.DateTimeField(null=True)
    variant = models.CharField(max_length=40, blank=True)
    charged_to = models.CharField(max_length=40, blank=True, help_text="Such as bot:12.")
    request = models.JSONField(default=dict)
    raw_answer = models.TextField(blank=True)
    answered_model = models.CharField(
        max_length=120, blank=True, help_text="As the server named it."
    )
    response_id = models.CharField(max_length=120, blank=True)
    input_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    reserved_cost = AmountField(default=ZERO)
    cost = AmountField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    grounding = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("question", "attempt"), name="one_call_per_attempt"),
            models.CheckConstraint(
                condition=models.Q(attempt__in=(1, 2)), name="at_most_two_attempts"
            ),
        ]
        indexes = [
            models.Index(fields=("profile", "created_at"), name="call_profile_time"),
            models.Index(fields=("charged_to", "created_at"), name="call_charged_time"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol or self.purpose} {self.variant} {self.attempt}: {self.state}"


class ChartUpload(models.Model):
    """A chart picture that a person brought. It can't be grounded, so it is never traded on."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    image = models.ForeignKey(ChartImage, on_delete=models.PROTECT)
    file_name = models.CharField(max_length=120, blank=True)
    note = models.CharField(max_length=300, blank=True)
    call = models.ForeignKey(ModelCall, on_delete=models.PROTECT, null=True)
    reading = models.JSONField(default=dict)
    problem = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.file_name or 'chart'} {self.created_at:%Y-%m-%d %H:%M}"
