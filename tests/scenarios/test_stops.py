"""Stops that somebody removes or moves in the exchange's app."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.scenarios.stand import SYMBOL, Stand, page
from trading.models import Trade

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_removed_stop_is_set_again_every_time(stand: Stand, console: Client) -> None:
    trade = stand.opened()
    for _ in range(3):
        told = len(stand.told("stop_restored"))
        stand.venue.user_stop(SYMBOL, None)
        stand.until(lambda: stand.stop_on_exchange() == trade.stop_loss)
        stand.until(lambda: len(stand.told("stop_restored")) > told)  # noqa: B023
    sentence = f"{SYMBOL}: stop set again, it was missing."
    assert stand.told("stop_restored") == [sentence] * 3
    assert sentence in page(console, "events")
    trade.refresh_from_db()
    assert trade.state == "open"
    assert stand.worst_gap_s() <= 5


@pytest.mark.parametrize("share", ["0.98", "0.965"], ids=["nearer", "farther"])
def test_a_stop_moved_within_the_maximum_is_kept(stand: Stand, console: Client, share: str) -> None:
    trade = stand.opened()
    moved = stand.price(SYMBOL, share)
    stand.venue.user_stop(SYMBOL, moved)
    stand.until(lambda: stand.told("stop_adopted"), leaping=True)
    trade.refresh_from_db()
    assert (trade.stop_loss, stand.stop_on_exchange()) == (moved, moved)
    (told,) = stand.told("stop_adopted")
    assert told.startswith(f"{SYMBOL}: stop and target were moved on the exchange, to ")
    assert told.endswith("they are kept.")
    assert told in page(console, "events")


def test_a_stop_moved_too_far_away_is_set_back(stand: Stand, console: Client) -> None:
    trade = stand.opened()
    stand.venue.user_stop(SYMBOL, stand.price(SYMBOL, "0.90"))
    stand.until(lambda: stand.stop_on_exchange() == trade.stop_loss)
    sentence = f"{SYMBOL}: stop set again, it stood elsewhere."
    assert stand.told("stop_restored") == [sentence]
    assert sentence in page(console, "events")
    assert Trade.objects.get().stop_loss == trade.stop_loss
