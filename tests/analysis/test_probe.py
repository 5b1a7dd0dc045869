from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from analysis.budget import Purse
from analysis.chart_layout import TILE_SCALE, Layout
from analysis.choices import CallPurpose, ImageFamily
from analysis.errors import AnalystUnavailable
from analysis.eye_test.pictures import card, card_numbers
from analysis.eye_test.plan import CARD_SIZES
from analysis.models import AnalystProfile, ModelCall
from analysis.probe import CHART, PictureCost, ProbeReport, family_of, probe_run, probe_save
from analysis.profiles import api_key_set
from exchange.market.clock import WallClock
from tests.factories import AnalystProfileFactory, ModelProfileFactory
from tests.simulators.openai.server import OpenAiSim

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sim() -> Iterator[OpenAiSim]:
    """A reader of type from 12 px on."""
    with OpenAiSim() as running:
        for size in CARD_SIZES:
            numbers = card_numbers(CHART.seed, CHART.number, size)
            png = card(numbers, size, Layout(TILE_SCALE))
            read = list(numbers) if size >= 12 else ["00000", *numbers[1:]]
            running.plant(hashlib.sha256(png).hexdigest(), {"numbers": read})
        yield running


def reader(sim: OpenAiSim, model: str = "sim-reader", **fields: Any) -> AnalystProfile:
    profile = ModelProfileFactory.create(
        base_url=sim.url, model=model, timeout_s=30, name="Reader", **fields
    )
    api_key_set(profile, sim.key)
    return profile


def probe(profile: AnalystProfile) -> ProbeReport:
    return probe_run(profile=profile, purses=(Purse("probe", Decimal(10)),), clock=WallClock())


def test_a_tile_model_is_recognised_by_what_pictures_cost(sim: OpenAiSim) -> None:
    report = probe(reader(sim))
    assert [(cost.width, cost.height) for cost in report.costs] == [
        (1152, 768),
        (1536, 1024),
        (1920, 1280),
    ]
    assert {cost.tokens for cost in report.costs} == {1105}
    assert report.family is ImageFamily.TILE
    assert report.image_tokens == 1105
    assert report.keys_in_order
    assert (report.floor, report.is_legible) == (12, True)
    assert ModelCall.objects.filter(purpose=CallPurpose.PROBE).count() == 4 + len(CARD_SIZES)


def test_a_patch_model_is_recognised_and_saved_as_a_new_version(sim: OpenAiSim) -> None:
    profile = reader(sim, "sim-patch")
    report = probe(profile)
    assert report.family is ImageFamily.PATCH
    assert report.image_tokens == 1844
    saved = probe_save(profile, report)
    assert (saved.image_family, saved.image_tokens, saved.version) == ("patch", 1844, 2)
    # The same measures again are no change.
    assert probe_save(saved, report).version == 2


def test_a_second_probe_asks_again(sim: OpenAiSim) -> None:
    profile = reader(sim)
    probe(profile)
    calls = len(sim.calls)
    probe(profile)
    assert len(sim.calls) == 2 * calls


def test_another_order_of_fields_is_noticed(sim: OpenAiSim) -> None:
    sim.script("reordered", times=1)
    assert not probe(reader(sim)).keys_in_order


def test_type_of_which_a_larger_size_is_misread_is_no_floor() -> None:
    report = ProbeReport((), None, {10: 1.0, 12: 1.0, 14: 0.9, 16: 1.0}, True)
    assert report.floor == 16
    assert not report.is_legible
    # A model of patches gets larger charts.
    assert replace(report, family=ImageFamily.PATCH).is_legible


def test_without_counted_tokens_nothing_is_guessed_or_saved() -> None:
    costs = tuple(PictureCost(*size, None) for size in ((1152, 768), (1536, 1024), (1920, 1280)))
    assert family_of(costs) is None
    profile = ModelProfileFactory.create()
    with pytest.raises(AnalystUnavailable):
        probe_save(profile, ProbeReport(costs, None, {}, True))


def test_a_profile_changed_meanwhile_is_left_alone() -> None:
    profile = ModelProfileFactory.create()
    costs = (PictureCost(1152, 768, 1037), PictureCost(1536, 1024, 1844))
    report = ProbeReport(costs, family_of(costs), {}, True)
    AnalystProfile.objects.filter(pk=profile.pk).update(version=5)
    with pytest.raises(AnalystUnavailable):
        probe_save(profile, report)
    profile.refresh_from_db()
    assert (profile.version, profile.image_tokens) == (5, None)


def test_the_command_prints_and_saves(sim: OpenAiSim) -> None:
    profile = reader(sim, "sim-patch")
    out = StringIO()
    call_command("probe", "--profile", "Reader", "--save", stdout=out)
    text = out.getvalue()
    assert "1536 x 1024" in text
    assert "1844" in text
    assert "Smallest type read: 12 px" in text
    profile.refresh_from_db()
    assert profile.image_tokens == 1844


def test_the_command_says_what_is_missing(sim: OpenAiSim) -> None:
    AnalystProfileFactory.create(name="Rules")
    with pytest.raises(CommandError, match="no profile named"):
        call_command("probe", "--profile", "Nobody")
    with pytest.raises(CommandError, match="asks no model"):
        call_command("probe", "--profile", "Rules")
    reader(sim)
    with pytest.raises(CommandError, match="has spent"):
        call_command("probe", "--profile", "Reader", "--cap", "0.0001")
