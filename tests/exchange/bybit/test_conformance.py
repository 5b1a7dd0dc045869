"""Bybit, simulated over HTTP and sockets, keeps the contract of every venue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exchange.bybit.simulated_venue import SimulatedVenue, simulated_venue
from tests.exchange.conformance.conditional_orders import ConditionalOrderConformance
from tests.exchange.conformance.exchange_client import ExchangeClientConformance


class TestBybitExchange(ExchangeClientConformance, ConditionalOrderConformance):
    @pytest.fixture
    def venue(self) -> Iterator[SimulatedVenue]:
        with simulated_venue() as venue:
            yield venue
