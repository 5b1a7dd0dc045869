"""Who analyses, what was asked, what was answered, and the picture that goes with it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from analysis.choices import AnalystKind
from exchange.fields import AmountField


class Prompt(models.Model):
    """A named line of prompt versions."""

    name = models.CharField(max_length=80, unique=True)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class PromptVersion(models.Model):
    """One immutable text of a prompt."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("prompt", "number"), name="prompt_version_number")
        ]

    def __str__(self) -> str:
        return f"{self.prompt} v{self.number}"


class AnalystProfile(models.Model):
    """An analyst with its settings. A change makes a new version, so old analyses keep theirs."""

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=12, choices=AnalystKind.choices)
    version = models.PositiveIntegerField(default=1)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class ChartImage(models.Model):
    """A picture known by the hash of its inputs.

    ``png`` holds the exact bytes when a model saw them. For analysts that do not look it stays
    null and the picture is drawn again from its recipe (source, symbol, timeframe, candle time).
    """

    input_hash = models.CharField(max_length=64, unique=True)
    renderer_version = models.CharField(max_length=20)
    chart_id = models.CharField(max_length=4)
    png = models.BinaryField(null=True)
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
    duration_ms = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "analyses"
        indexes = [models.Index(fields=("symbol", "candle_time"), name="analysis_symbol_time")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} {self.candle_time:%m-%d %H:%M}: {self.direction}"
