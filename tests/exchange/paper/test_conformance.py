"""The paper venue keeps the contract of every venue."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.models import ExchangeAccount
from exchange.paper.ledger import PaperExchange, open_ledger
from tests.exchange.conformance.conditional_orders import ConditionalOrderConformance
from tests.exchange.conformance.exchange_client import ExchangeClientConformance
from tests.exchange.paper.scripted_market import START, ScriptedMarket, bar


class PaperVenue:
    """The paper venue over a scripted market."""

    qty = Decimal(1)

    def __init__(self, account: ExchangeAccount, market: ScriptedMarket) -> None:
        self.client = PaperExchange(account, market)
        self.instrument = market.instrument("BTCUSDT")
        self._market = market
        self._liquidity = Decimal(100)

    def last(self) -> Decimal:
        return self._market.quote("BTCUSDT").last

    def thin_out(self, liquidity: Decimal) -> None:
        self._liquidity = liquidity

    def trade_at(self, price: Decimal) -> None:
        start = self.last()
        # One order gets a tenth of a step's volume.
        volume = self._liquidity * 10
        self._market.play(bar(start, max(start, price), min(start, price), price, volume=volume))


@pytest.mark.django_db(transaction=True)
class TestPaperExchange(ExchangeClientConformance, ConditionalOrderConformance):
    @pytest.fixture
    def venue(self) -> PaperVenue:
        account = ExchangeAccount.objects.create(name="paper", mode="SIM", start_equity=1000)
        open_ledger(account, START)
        return PaperVenue(account, ScriptedMarket())
