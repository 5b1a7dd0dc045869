"""One process of the spending case: makes the database, asks, or tells what is booked."""

from __future__ import annotations

import os
import sys
from decimal import Decimal

import django

CALL_S = 20


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    role, *words = sys.argv[1:]
    if role == "prepare":
        _prepare()
    elif role == "work":
        _work(Decimal(words[0]), int(words[1]), int(words[2]))
    else:
        _tell_booked()


def _prepare() -> None:
    from django.core.management import call_command

    from analysis.profiles import api_key_set
    from analysis.prompts.versions import prompt_default
    from tests.crash.spending import CACHED_PRICE, INPUT_PRICE, OUTPUT_PRICE
    from tests.factories import ModelProfileFactory

    call_command("migrate", verbosity=0)
    profile = ModelProfileFactory.create(
        name="Spender",
        base_url=os.environ["SPENDING_URL"],
        model="gpt-4o",
        input_price=INPUT_PRICE,
        cached_input_price=CACHED_PRICE,
        output_price=OUTPUT_PRICE,
        max_output_tokens=2000,
        timeout_s=CALL_S,
        safe_mode_after=1000,
    )
    api_key_set(profile, "sim-key")
    prompt_default()


def _work(cap: Decimal, charts: int, side: int) -> None:
    """Ask about every chart, from the first or from the last one on."""
    from analysis.analysts.openai import OpenAiAnalyst
    from analysis.budget import Purse
    from analysis.calls.asking import Asking
    from analysis.choices import CallPurpose
    from analysis.models import AnalystProfile
    from analysis.prompts.versions import prompt_default
    from analysis.services import analysis_obtain
    from tests.analysis.candle_makers import given, random_window
    from tests.crash.spending import PURSE
    from trading.wiring import WALL

    profile, prompt = AnalystProfile.objects.get(), prompt_default()
    purses = (Purse(PURSE, cap),)
    asking = Asking(profile, prompt, purses, CallPurpose.CYCLE, PURSE, WALL)
    inputs = [given(random_window(seed, symbol=f"C{seed}USDT")) for seed in range(charts)][::side]
    for start in range(0, charts, 6):
        analysis_obtain(
            profile=profile,
            analyst=OpenAiAnalyst(asking, WALL.monotonic() + CALL_S),
            source="spending",
            inputs=inputs[start : start + 6],
            prompt_version=prompt,
            workers=3,
        )


def _tell_booked() -> None:
    from analysis.models import Spend
    from tests.crash.spending import PURSE

    print(sum(Spend.objects.filter(key=PURSE).values_list("amount", flat=True), Decimal(0)))


if __name__ == "__main__":
    main()
