"""``analyze`` as somebody at a terminal sees it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image
from pytest_django.fixtures import Settings

from analysis.chart import RenderedChart, render
from analysis.chart_source import MarketChartSource
from analysis.models import Analysis, AnalystProfile, ChartImage, ModelCall
from analysis.profiles import api_key_set
from analysis.uploads import picture_clean
from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.analysis.test_capture import serving
from tests.factories import ModelProfileFactory
from tests.simulators.openai.server import OpenAiSim
from tests.simulators.openai.truths import truth_of
from trading.choices import RiskProfile
from trading.models import Signal
from trading.services import account_create
from trading.wiring import forget_markets, market_for

pytestmark = pytest.mark.django_db(transaction=True)

BOUNDARY = datetime(2026, 1, 6, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def surroundings(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    tmp_path.chmod(0o700)
    forget_markets()
    yield
    forget_markets()


@pytest.fixture
def account() -> ExchangeAccount:
    return account_create(
        name="Desk",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT", "ETHUSDT"],
        market_start=BOUNDARY + timedelta(seconds=10),
        seed=3,
    )


@pytest.fixture
def sim() -> Iterator[OpenAiSim]:
    with OpenAiSim() as running:
        yield running


@pytest.fixture
def reader(account: ExchangeAccount, sim: OpenAiSim) -> AnalystProfile:
    profile: AnalystProfile = ModelProfileFactory.create(
        name="Reader", base_url=sim.url, model="gpt-4o", max_output_tokens=2000, timeout_s=30
    )
    api_key_set(profile, sim.key)
    return profile


def analyze(*words: str) -> str:
    out = io.StringIO()
    call_command("analyze", *words, stdout=out)
    return out.getvalue()


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as refused:
        analyze(*words)
    return str(refused.value)


def chart_of(account: ExchangeAccount) -> RenderedChart:
    source = MarketChartSource(market_for(account))
    return render(source.chart_input("BTCUSDT", "1h", candle_time=BOUNDARY))


def test_the_rules_read_for_nothing_and_the_picture_is_written(
    account: ExchangeAccount, tmp_path: Path
) -> None:
    out = tmp_path / "chart.png"
    said = analyze("btcusdt", "1h", "--out", str(out))
    assert "BTCUSDT 1h at 2026-01-06 12:00, by Technical rules v1" in said
    for label in ("direction", "scores", "evidence", "objection", "invalidation"):
        assert label in said
    assert "nobody looked at a picture" in said
    assert "cost         $0.00" in said
    assert out.read_bytes() == chart_of(account).png
    assert not Signal.objects.exists()


def test_the_picture_has_a_name_of_its_own(
    account: ExchangeAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    analyze("BTCUSDT", "1h")
    with Image.open(tmp_path / "BTCUSDT-1h-20260106-1200.png") as picture:
        assert picture.size == (1152, 768)


def test_a_model_is_asked_once_and_pays_from_the_account(
    account: ExchangeAccount, sim: OpenAiSim, reader: AnalystProfile, tmp_path: Path
) -> None:
    chart = chart_of(account)
    sim.plant(chart.sha256, truth_of(chart.facts, direction="long"))
    words = ("BTCUSDT", "1h", "--profile", "Reader", "--out", str(tmp_path / "chart.png"))
    said = analyze(*words)
    assert "direction    long" in said
    assert "R)" in said
    assert "grounding    grounded" in said
    assert "marker_1: 0.0" in said
    call = ModelCall.objects.get()
    assert (call.charged_to, call.purpose) == (f"account:{account.pk}", "analyze")
    assert call.cost is not None
    assert f"cost         ${call.cost.quantize(Decimal('0.0001'))}" in said

    assert "nothing now; it is on record" in analyze(*words)
    assert ModelCall.objects.count() == 1
    assert (tmp_path / "chart.png").read_bytes() == chart.png


def test_what_the_model_did_not_see_is_said(
    account: ExchangeAccount, sim: OpenAiSim, reader: AnalystProfile, tmp_path: Path
) -> None:
    chart = chart_of(account)
    sim.plant(chart.sha256, truth_of(chart.facts, direction="long"))
    sim.script("ungrounded")
    said = analyze("BTCUSDT", "1h", "--profile", "Reader", "--out", str(tmp_path / "chart.png"))
    assert "grounding    NO: marker_1 is" in said


def test_a_failed_reading_is_an_error_and_leaves_the_picture(
    account: ExchangeAccount, sim: OpenAiSim, reader: AnalystProfile, tmp_path: Path
) -> None:
    sim.script("refusing")
    out = tmp_path / "chart.png"
    said = refusal("BTCUSDT", "1h", "--profile", "Reader", "--out", str(out))
    assert said.startswith("no reading: ")
    assert out.exists()
    assert not Analysis.objects.exists()


SEEN = {
    "shown": "An empty sheet.",
    "legible": "no",
    "environment": "unclear",
    "observations": ["There are no candles."],
    "case_long": ["None."],
    "case_short": ["None."],
    "strongest_objection": "There is nothing to see.",
    "setup_quality": 0,
    "direction": "none",
}


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_a_page_is_captured_read_and_marked_as_not_reproducible(
    account: ExchangeAccount, sim: OpenAiSim, reader: AnalystProfile
) -> None:
    with serving() as pages:
        pages.pages["/BTCUSDT/60"] = "<html><body>chart</body></html>"
        template = f"{pages.address}/{{symbol}}/{{minutes}}"
        sim.script("scripted", text=json.dumps(SEEN))
        said = analyze("btcusdt", "1h", "--page", template, "--profile", "Reader")
    assert "An empty sheet." in said
    assert "never traded on" in said
    image = ChartImage.objects.get()
    assert not image.reproducible
    assert image.renderer_version == "capture"


def test_two_pictures_at_once_are_refused(account: ExchangeAccount, reader: AnalystProfile) -> None:
    both = ("--image", "a.png", "--page", "https://charts.example/{symbol}")
    assert refusal("BTCUSDT", "1h", "--profile", "Reader", *both) == (
        "--image and --page are two pictures; name one"
    )


def test_a_picture_of_your_own_is_read_and_never_traded_on(
    account: ExchangeAccount, sim: OpenAiSim, reader: AnalystProfile, tmp_path: Path
) -> None:
    own = tmp_path / "mine.png"
    Image.new("RGB", (640, 480), "white").save(own)
    sim.plant(hashlib.sha256(picture_clean(own.read_bytes())).hexdigest(), SEEN)
    said = analyze("BTCUSDT", "1h", "--profile", "Reader", "--image", str(own))
    assert "mine.png, by Reader v1" in said
    assert "shows        An empty sheet." in said
    assert "never traded on" in said
    assert ModelCall.objects.get().purpose == "upload"
    assert not Analysis.objects.exists()
    assert not Signal.objects.exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("BTCUSDT", "7m"), "there is no timeframe '7m'; use 1m"),
        (("SOLUSDT", "1h"), "Desk has no SOLUSDT; it has BTCUSDT, ETHUSDT"),
        (("BTCUSDT", "1h", "--account", "Other"), "named 'Other'; there are: Desk"),
        (("BTCUSDT", "1h", "--profile", "Nobody"), "there is no profile named 'Nobody'"),
        (("BTCUSDT", "1h", "--prompt", "Chart reading v9"), "takes no prompt"),
        (("BTCUSDT", "1h", "--image", "x.png"), "only a model can read a picture"),
        (("BTCUSDT", "1h", "--out", "/nowhere/x.png"), "the picture can't go to /nowhere/x.png"),
    ],
)
def test_every_wrong_word_has_its_sentence(
    account: ExchangeAccount, words: tuple[str, ...], why: str
) -> None:
    assert why in refusal(*words)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--prompt", "Chart reading v9"), "there is no prompt version"),
        (("--image", "no-such.png"), "no-such.png can't be read: No such file"),
        (("--image", __file__), "test_analyze_command.py: "),
    ],
)
def test_every_wrong_word_about_a_model_has_its_sentence(
    account: ExchangeAccount, reader: AnalystProfile, words: tuple[str, ...], why: str
) -> None:
    assert why in refusal("BTCUSDT", "1h", "--profile", "Reader", *words)
    assert not ModelCall.objects.exists()


def test_without_an_account_there_is_no_market(db: None) -> None:
    assert refusal("BTCUSDT", "1h") == "there is no active account; there are: none yet"
