"""What a bot's entry settings may say, and the sentence for what they may not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.entry_settings import (
    EntrySettings,
    EntrySettingsInvalid,
    MinOrderPolicy,
    SizingMethod,
)

D = Decimal
SHARES = st.decimals(min_value=0, max_value=1, places=4)


def test_nothing_stored_is_the_plain_case() -> None:
    assert EntrySettings.from_json({}) == EntrySettings()
    assert EntrySettings().words == ""


@given(
    st.builds(
        EntrySettings,
        breakout_entries=st.booleans(),
        replacement=st.booleans(),
        min_improvement=SHARES,
        method=st.sampled_from(SizingMethod),
        notional_share=SHARES.filter(lambda share: share > 0),
        min_order_policy=st.sampled_from(MinOrderPolicy),
        calibrated=st.booleans(),
    )
)
def test_what_is_stored_is_read_back(settings: EntrySettings) -> None:
    assert EntrySettings.from_json(settings.as_json()) == settings


def test_a_person_may_type_numbers() -> None:
    typed = EntrySettings.from_json({"method": "notional", "notional_share": 0.25})
    assert (typed.method, typed.notional_share) == (SizingMethod.NOTIONAL, D("0.25"))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ([], "Entry settings must be names with values."),
        ({"breakouts": True}, "There is no entry setting breakouts."),
        ({"replacement": 1}, "replacement must be true or false, not 1."),
        ({"min_improvement": "much"}, "min_improvement must be a number from 0 to 1, not 'much'."),
        ({"min_improvement": True}, "min_improvement must be a number from 0 to 1, not True."),
        ({"notional_share": "nan"}, "notional_share must be a number from 0 to 1, not 'nan'."),
        ({"notional_share": 1.5}, "notional_share must be a number from 0 to 1, not 1.5."),
        ({"notional_share": 0}, "notional_share must be above 0."),
        (
            {"method": "martingale"},
            "method must be one of risk, notional, kelly, not 'martingale'.",
        ),
        (
            {"min_order_policy": None},
            "min_order_policy must be one of reject, round_up, not None.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(typed: object, sentence: str) -> None:
    with pytest.raises(EntrySettingsInvalid) as refused:
        EntrySettings.from_json(typed)
    assert str(refused.value) == sentence


def test_what_differs_is_told_in_words() -> None:
    settings = EntrySettings.from_json(
        {
            "breakout_entries": True,
            "replacement": True,
            "method": "notional",
            "min_order_policy": "round_up",
        }
    )
    assert settings.words == (
        "positions of 10 % of capital, rounds up to the smallest order, breakout entries, "
        "replaces entries that are 10 points less confident"
    )
