"""What every ``ExchangeClient`` must do with an order that waits for a price."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exchange.domain import Side, TimeInForce, VenueOrderStatus
from exchange.errors import OrderRejected
from tests.exchange.conformance.exchange_client import (
    Venue,
    away,
    fills,
    limit,
    position,
    report,
    report_or_none,
)


class ConditionalOrderConformance:
    """Kept back by the venue until the last price gets there, then taken at once or dropped."""

    @pytest.mark.parametrize("side", list(Side))
    def test_conditional_order_waits_for_its_price(self, venue: Venue, side: Side) -> None:
        sign = side.sign
        trigger, stop = away(venue, 2 * sign), away(venue, -3 * sign)
        order = replace(
            limit(venue, "break", away(venue, 3 * sign), side=side, stop_loss=stop),
            time_in_force=TimeInForce.IOC,
            trigger_price=trigger,
        )
        venue.client.place_order(order)
        venue.trade_at(away(venue, sign))

        assert report(venue, "break").status is VenueOrderStatus.NEW
        assert [one.order_link_id for one in venue.client.open_orders()] == ["break"]
        assert fills(venue) == []

        venue.trade_at(trigger)

        done = report(venue, "break")
        assert (done.status, done.filled_qty) == (VenueOrderStatus.FILLED, venue.qty)
        assert not [one for one in venue.client.open_orders() if one.order_link_id]
        assert (position(venue).side, position(venue).stop_loss) == (side, stop)
        assert {one.order_link_id for one in fills(venue)} == {"break"}

    def test_conditional_order_that_finds_its_limit_passed_fills_nothing(
        self, venue: Venue
    ) -> None:
        order = replace(
            limit(venue, "break", away(venue, -1), stop_loss=away(venue, -3)),
            time_in_force=TimeInForce.IOC,
            trigger_price=away(venue, 1),
        )
        venue.client.place_order(order)
        venue.trade_at(away(venue, 2))

        assert report(venue, "break").status is VenueOrderStatus.CANCELLED
        assert fills(venue) == []
        assert not venue.client.open_orders()

    def test_cancelled_conditional_order_is_not_sent(self, venue: Venue) -> None:
        order = replace(
            limit(venue, "break", away(venue, 3)),
            time_in_force=TimeInForce.IOC,
            trigger_price=away(venue, 1),
        )
        venue.client.place_order(order)
        venue.client.cancel_order(symbol=venue.instrument.symbol, order_link_id="break")
        venue.trade_at(away(venue, 2))

        assert report(venue, "break").status is VenueOrderStatus.CANCELLED
        assert fills(venue) == []

    @pytest.mark.parametrize("side", list(Side))
    def test_trigger_that_price_has_passed_is_refused(self, venue: Venue, side: Side) -> None:
        order = replace(
            limit(venue, "late", away(venue, side.sign), side=side),
            time_in_force=TimeInForce.IOC,
            trigger_price=away(venue, -side.sign),
        )
        with pytest.raises(OrderRejected) as refused:
            venue.client.place_order(order)

        assert refused.value.code == "trigger_passed"
        assert report_or_none(venue, "late") is None
