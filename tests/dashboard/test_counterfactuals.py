"""The page of what each no saved or cost, and the line under a decision."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.selectors.counterfactuals import hindsight, span_words
from exchange.models import ExchangeAccount
from tests.factories.bots import BotFactory, UserFactory
from tests.factories.cycles import ApprovalFactory, CycleFactory, SignalFactory
from tests.factories.exchange import NOON
from tests.factories.trades import CounterfactualFactory
from trading.choices import ApprovalDecision, CounterfactualState, ExitReason, SignalState
from trading.models import Counterfactual


def ended(account: ExchangeAccount, result: str = "-1.04", **changes: Any) -> Counterfactual:
    """A rejected long that would have been stopped after 2 h 10 min."""
    bot = account.bots.first() or BotFactory.create(account=account)
    signal = SignalFactory.create(cycle=CycleFactory.create(bot=bot), rejected=True)
    known: dict[str, Any] = {
        "state": CounterfactualState.ENDED,
        "entry_time": NOON,
        "entry_price": Decimal(97000),
        "exit_time": NOON + timedelta(hours=2, minutes=10),
        "exit_price": Decimal(95450),
        "exit_reason": ExitReason.STOP_LOSS,
        "r_multiple": Decimal(result),
    }
    return CounterfactualFactory.create(signal=signal, **(known | changes))


def text_of(console: Client, address: str = "") -> str:
    answer = console.get(address or reverse("counterfactuals"))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_rule_that_stopped_losers_is_shown_as_saving(
    console: Client, account: ExchangeAccount
) -> None:
    for result in ("-1.04", "-0.90", "-1.10", "-0.40") * 3:
        ended(account, result)
    text = text_of(console)
    assert "net reward/risk" in text
    assert "saved 10.3 R" in text
    assert "few outcomes" in text
    assert "\N{MINUS SIGN}0.86 R" in text
    assert "Would have hit the stop after 2 h 10 min (\N{MINUS SIGN}1.04 R)." in text


def test_a_handful_of_outcomes_proves_nothing(console: Client, account: ExchangeAccount) -> None:
    for result in ("-1.04", "-1.05", "-1.06"):
        ended(account, result)
    text = text_of(console)
    assert "can&#x27;t tell" in text
    assert "saved 3" not in text


def test_nothing_known_is_a_dash_and_no_verdict(console: Client, account: ExchangeAccount) -> None:
    ended(account, state=CounterfactualState.UNKNOWN, r_multiple=None, note="No candles.")
    text = text_of(console)
    assert "1 can&#x27;t be known" in text
    assert "What it would have come to can&#x27;t be known: no candles." in text
    assert "NaN" not in text
    assert "saved" not in text.split("By rule")[1].split("Each signal")[0]


def test_a_refusal_counts_for_its_person(console: Client, account: ExchangeAccount) -> None:
    row = ended(account, "1.50", stopped_by="refused")
    row.signal.state = SignalState.REFUSED
    row.signal.save()
    person = UserFactory.create(username="ada")
    ApprovalFactory.create(signal=row.signal, decision=ApprovalDecision.REFUSED, actor=person)
    text = text_of(console)
    assert "ada" in text.split("By person")[1].split("Can't be known")[0]


def test_the_decision_says_what_would_have_become_of_it(
    console: Client, account: ExchangeAccount
) -> None:
    row = ended(account)
    address = reverse("cycle", args=[row.signal.cycle_id])
    assert "Would have hit the stop after 2 h 10 min" in text_of(console, address)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "note", "words"),
    [
        (CounterfactualState.UNFILLED, "Expired.", "Its entry would not have filled: expired."),
        (CounterfactualState.FOLLOWED, "", "Nothing would have ended it yet."),
    ],
)
def test_what_has_no_outcome_says_so(state: CounterfactualState, note: str, words: str) -> None:
    row = CounterfactualFactory.create(state=state, note=note, entry_time=NOON)
    assert hindsight(row) == words


def test_spans_are_told_in_their_two_largest_units() -> None:
    assert span_words(timedelta(minutes=45)) == "45 min"
    assert span_words(timedelta(hours=2, minutes=10)) == "2 h 10 min"
    assert span_words(timedelta(days=1, hours=12)) == "1 d 12 h"


def test_the_page_asks_little_however_many_rows(console: Client, account: ExchangeAccount) -> None:
    ended(account)
    text_of(console)
    few = _queries(console)
    for _ in range(8):
        ended(account)
    assert _queries(console) == few
    assert few <= 16


def _queries(console: Client) -> int:

    with CaptureQueriesContext(connection) as asked:
        text_of(console)
    return len(asked)
