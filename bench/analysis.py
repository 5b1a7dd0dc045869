"""What an analysis by a model costs besides the model's own time, and how long fifty take.

The model is the simulated server in a process of its own, told beforehand what each picture
shows. The overhead of a symbol is all the time until its row stands, less what the server took.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any

from analysis.chart import render
from analysis.domain import AnalysisInput
from tests.analysis.candle_makers import given, random_window
from tests.simulators.openai.truths import truth_of

if TYPE_CHECKING:
    from analysis.models import AnalystProfile

ROOT = Path(__file__).resolve().parents[1]
ALONE = 60
TOGETHER = 50
CONCURRENCY = 10
MODEL_S = 2.0
START_S = 20.0
PURSE = Decimal(100)


def run() -> dict[str, float]:
    """Overhead per symbol in milliseconds, its ratio to drawing the chart, and the seconds that
    ``TOGETHER`` symbols take with a model of ``MODEL_S`` beside what the model alone would."""
    with _model_server() as (url, tell):
        profile = _profile(url)
        alone = _inputs("A", ALONE)
        _plant(tell, alone)
        overheads, draws = [], []
        _overhead_ms(profile, alone[0])  # loads fonts, client and code
        for each in alone[1:]:
            overheads.append(_overhead_ms(profile, each))
            draws.append(_draw_ms(each))
        together = _inputs("T", TOGETHER)
        _plant(tell, together)
        tell("script", {"mode": "slow", "s": MODEL_S})
        seconds = _together_s(profile, together)
    ideal_s = MODEL_S * TOGETHER / CONCURRENCY
    return {
        "overhead_p50_ms": round(median(overheads), 2),
        "overhead_p95_ms": round(quantiles(overheads, n=20)[-1], 2),
        "overhead_to_chart": round(median(overheads) / median(draws), 2),
        "fifty_symbols_s": round(seconds, 2),
        "fifty_symbols_to_model_alone": round(seconds / ideal_s, 2),
    }


def _inputs(letter: str, count: int) -> list[AnalysisInput]:
    return [given(random_window(seed, symbol=f"{letter}{seed}USDT")) for seed in range(count)]


def _plant(tell: Any, inputs: Sequence[AnalysisInput]) -> None:
    for each in inputs:
        chart = render(each)
        truth = truth_of(chart.facts, direction="none")
        tell("plant", {"sha256": chart.sha256, "truth": truth})


def _profile(url: str) -> AnalystProfile:
    from analysis.models import AnalystProfile
    from analysis.profiles import api_key_set
    from tests.factories import ModelProfileFactory

    made = ModelProfileFactory.create(
        name="Bench", base_url=url, model="gpt-4o", timeout_s=60, max_concurrency=CONCURRENCY
    )
    profile = AnalystProfile.objects.get(pk=made.pk)
    api_key_set(profile, "sim-key")
    return profile


def _obtain(profile: AnalystProfile, inputs: Sequence[AnalysisInput]) -> None:
    """Analyse them all as a cycle does. Raises where any got no row."""
    from analysis.analysts.openai import OpenAiAnalyst
    from analysis.budget import Purse
    from analysis.calls.asking import Asking
    from analysis.choices import CallPurpose
    from analysis.models import Analysis
    from analysis.prompts.versions import prompt_default
    from analysis.services import analysis_obtain
    from trading.wiring import WALL

    prompt = prompt_default()
    purses = (Purse("bench", PURSE),)
    asking = Asking(profile, prompt, purses, CallPurpose.CYCLE, "bench", WALL)
    found = analysis_obtain(
        profile=profile,
        analyst=OpenAiAnalyst(asking, WALL.monotonic() + profile.timeout_s),
        source="bench",
        inputs=inputs,
        prompt_version=prompt,
        workers=profile.max_concurrency,
    )
    failed = [str(each) for each in found.values() if not isinstance(each, Analysis)]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(inputs)} were not read: {failed[0]}")


def _overhead_ms(profile: AnalystProfile, each: AnalysisInput) -> float:
    from analysis.models import ModelCall

    started = perf_counter()
    _obtain(profile, [each])
    whole_ms = (perf_counter() - started) * 1000
    call = ModelCall.objects.get(symbol=each.symbol)
    return whole_ms - float(call.latency_ms or 0)


def _draw_ms(each: AnalysisInput) -> float:
    started = perf_counter()
    render(each)
    return (perf_counter() - started) * 1000


def _together_s(profile: AnalystProfile, inputs: Sequence[AnalysisInput]) -> float:
    started = perf_counter()
    _obtain(profile, inputs)
    return perf_counter() - started


@contextmanager
def _model_server() -> Iterator[tuple[str, Any]]:
    """A simulated server in a process of its own: its base address, and what tells it things."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.simulators.openai", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--mode", "perfect"], cwd=ROOT, stdout=subprocess.DEVNULL, env=dict(os.environ)
    )

    def tell(act: str, params: Mapping[str, Any]) -> None:
        body = json.dumps(params, default=float).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/_sim/{act}",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    try:
        _wait_for(tell)
        yield f"http://127.0.0.1:{port}/v1", tell
    finally:
        process.terminate()
        process.wait()


def _wait_for(tell: Any) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            tell("usage", {})
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
