from __future__ import annotations

from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from analysis.choices import ExamState
from analysis.eye_test.run import exam_purse, eye_test_estimate
from analysis.management.naming import prompt_named
from analysis.models import EyeTest, ModelCall
from analysis.profiles import api_key_set
from analysis.prompts.versions import prompt_default
from tests.factories import ModelProfileFactory
from tests.simulators.openai.server import OpenAiSim

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_contact_sheet_needs_no_profile_and_asks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    call_command("eye_test", "--sheet", str(path), stdout=StringIO())
    with Image.open(BytesIO(path.read_bytes())) as sheet:
        assert sheet.width > 2000
        assert sheet.height > 2000
    assert not ModelCall.objects.exists()


def test_a_sheet_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("eye_test", "--sheet", str(tmp_path / "none" / "sheet.png"))


@pytest.mark.parametrize("cap", ["much", "nan", "inf", "-1"])
@pytest.mark.parametrize("command", ["eye_test", "probe", "canary"])
def test_a_cap_that_is_no_amount_is_refused(command: str, cap: str) -> None:
    with pytest.raises(CommandError, match="is no amount in dollars"):
        call_command(command, "--profile", "Reader", f"--cap={cap}")


@pytest.mark.parametrize("seed", ["x", "0", "-3", "1.5", "99999999999"])
def test_a_seed_that_is_no_number_is_refused(seed: str) -> None:
    with pytest.raises(CommandError, match="is no whole number from 1 to"):
        call_command("eye_test", "--profile", "Reader", f"--seed={seed}")


def test_over_a_dollar_nothing_is_asked_without_consent() -> None:
    ModelProfileFactory.create(name="Reader", output_price=Decimal(15))
    out = StringIO()
    with pytest.raises(CommandError, match="--yes"):
        call_command("eye_test", "--profile", "Reader", "--short", stdout=out)
    assert "about $" in out.getvalue()
    assert not EyeTest.objects.exists()
    assert not ModelCall.objects.exists()


def test_it_asks_within_its_cap_and_says_how_to_go_on() -> None:
    with OpenAiSim() as sim:
        profile = ModelProfileFactory.create(name="Reader", base_url=sim.url, max_concurrency=1)
        api_key_set(profile, sim.key)
        out = StringIO()
        with pytest.raises(CommandError, match="again with --seed 5"):
            call_command(
                "eye_test",
                *("--profile", "Reader", "--short", "--seed", "5", "--yes", "--cap", "0.12"),
                stdout=out,
            )
        assert len(sim.calls) > 0
    exam = EyeTest.objects.get()
    assert (exam.seed, exam.short, exam.state) == (5, True, ExamState.FAILED)
    assert "At most $0.12 a day" in out.getvalue()
    assert "Grade: Not passed" in out.getvalue()


def test_the_estimate_scales_with_form_and_prices() -> None:
    prompt = prompt_default()
    cheap = ModelProfileFactory.create()
    dear = ModelProfileFactory.create(input_price=Decimal(25), output_price=Decimal(150))
    full = eye_test_estimate(profile=cheap, prompt_version=prompt, seed=1, short=False)
    short = eye_test_estimate(profile=cheap, prompt_version=prompt, seed=1, short=True)
    dearer = eye_test_estimate(profile=dear, prompt_version=prompt, seed=1, short=True)
    assert Decimal("0.17") < short.cost / full.cost < Decimal("0.23")
    assert dearer.cost == pytest.approx(10 * short.cost, rel=Decimal("0.001"))
    purse = exam_purse(cheap, prompt, 1, short)
    assert purse.cap > 2 * short.cost
    assert len(purse.key) <= 40


@pytest.mark.parametrize("name", ["Nothing", "Chart reading v99"])
def test_unknown_prompts_are_named(name: str) -> None:
    prompt_default()
    ModelProfileFactory.create(name="Reader")
    with pytest.raises(CommandError, match="no prompt version"):
        call_command("eye_test", "--profile", "Reader", "--prompt", name)


def test_a_prompt_is_found_by_name_and_number() -> None:
    default = prompt_default()
    assert prompt_named("") == prompt_named("Chart reading") == default
    assert prompt_named(f"Chart reading v{default.number}") == default
