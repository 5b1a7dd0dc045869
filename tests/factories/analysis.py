"""Analysts, prompts, pictures and answers."""

# factory_boy declares itself typed but leaves its declarations without annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

from decimal import Decimal

from factory.declarations import LazyAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from analysis.choices import AnalystKind, CallPurpose
from analysis.models import (
    Analysis,
    AnalystHealth,
    AnalystProfile,
    CanaryRun,
    ChartImage,
    ChartUpload,
    EyeTest,
    ModelCall,
    Prompt,
    PromptVersion,
    Spend,
)
from tests.factories.exchange import NOON, digest


class PromptFactory(DjangoModelFactory[Prompt]):
    class Meta:
        model = Prompt

    name = Sequence(lambda n: f"prompt {n}")


class PromptVersionFactory(DjangoModelFactory[PromptVersion]):
    class Meta:
        model = PromptVersion

    prompt = SubFactory(PromptFactory)
    number = Sequence(lambda n: n + 1)
    system_text = "Read the chart."
    user_text = "Chart of {{ timeframe }}."
    sha256 = LazyAttribute(lambda o: digest(o.system_text + o.user_text))


class AnalystProfileFactory(DjangoModelFactory[AnalystProfile]):
    class Meta:
        model = AnalystProfile

    name = Sequence(lambda n: f"technical {n}")
    kind = AnalystKind.TECHNICAL


class ModelProfileFactory(DjangoModelFactory[AnalystProfile]):
    """A model behind a server on this machine; pass its ``base_url``."""

    class Meta:
        model = AnalystProfile

    name = Sequence(lambda n: f"model {n}")
    kind = AnalystKind.OPENAI
    base_url = "http://127.0.0.1:9/v1"
    model = "sim-reader"
    input_price = Decimal("2.5")
    cached_input_price = Decimal("1.25")
    output_price = Decimal(15)
    timeout_s = 10
    prescreen = False


class ChartImageFactory(DjangoModelFactory[ChartImage]):
    """A picture by its recipe; pass ``png`` for one that a model saw."""

    class Meta:
        model = ChartImage

    input_hash = Sequence(lambda n: digest(f"chart {n}"))
    renderer_version = "1"
    chart_id = Sequence(lambda n: f"{n % 10000:04d}")


class AnalysisFactory(DjangoModelFactory[Analysis]):
    """A long on BTCUSDT at 97,000 with its stop at 95,450 and its target at 99,900."""

    class Meta:
        model = Analysis

    input_hash = Sequence(lambda n: digest(f"analysis {n}"))
    profile = SubFactory(AnalystProfileFactory)
    profile_version = 1
    source = "sim:7"
    symbol = "BTCUSDT"
    timeframe = "15m"
    candle_time = NOON
    direction = "long"
    entry_price = Decimal(97000)
    stop_loss = Decimal(95450)
    take_profit = Decimal(99900)
    setup_quality = Decimal("0.8")
    market_environment = Decimal("0.7")
    environment = "trend_up"
    evidence = [
        {"kind": "trend", "text": "EMA 20 rises above EMA 50.", "supports": "long"},
        {"kind": "momentum", "text": "RSI 14 stands at 58 and turns up.", "supports": "long"},
        {"kind": "level", "text": "Resistance at 98,200 is near.", "supports": "short"},
    ]
    strongest_objection = "The range high at 98,200 held twice."
    invalidation = "A close below 95,450."
    atr = Decimal(600)
    last_price = Decimal(97010)
    duration_ms = 12


class AnalystHealthFactory(DjangoModelFactory[AnalystHealth]):
    class Meta:
        model = AnalystHealth

    profile = SubFactory(ModelProfileFactory)


class ModelCallFactory(DjangoModelFactory[ModelCall]):
    """A call that was reserved and not sent yet."""

    class Meta:
        model = ModelCall

    question = Sequence(lambda n: digest(f"question {n}"))
    purpose = CallPurpose.CYCLE
    profile = SubFactory(ModelProfileFactory)
    profile_version = 1
    prompt_version = SubFactory(PromptVersionFactory)
    chart = SubFactory(ChartImageFactory)
    symbol = "BTCUSDT"
    timeframe = "1h"
    candle_time = NOON
    charged_to = "bot:1"
    reserved_cost = Decimal("0.05")


class ChartUploadFactory(DjangoModelFactory[ChartUpload]):
    class Meta:
        model = ChartUpload

    user = SubFactory("tests.factories.bots.UserFactory")
    image = SubFactory(ChartImageFactory, reproducible=False)
    file_name = "chart.png"


class SpendFactory(DjangoModelFactory[Spend]):
    class Meta:
        model = Spend

    key = Sequence(lambda n: f"bot:{n}")
    day = NOON.date()


class EyeTestFactory(DjangoModelFactory[EyeTest]):
    class Meta:
        model = EyeTest

    profile = SubFactory(ModelProfileFactory)
    profile_version = 1
    prompt_version = SubFactory(PromptVersionFactory)
    identity = Sequence(lambda n: digest(f"identity {n}"))
    seed = 7


class CanaryRunFactory(DjangoModelFactory[CanaryRun]):
    class Meta:
        model = CanaryRun

    profile = SubFactory(ModelProfileFactory)
    prompt_version = SubFactory(PromptVersionFactory)
    identity = Sequence(lambda n: digest(f"identity {n}"))
