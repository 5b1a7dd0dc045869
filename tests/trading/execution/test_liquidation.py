"""A gap through stop and margin on the paper venue, as the trader books it."""

from __future__ import annotations

from decimal import Decimal

from exchange.models import PaperAccount, PaperLedgerEntry
from tests.exchange.paper.scripted_market import bar
from tests.trading.execution.floor import Floor
from trading.choices import ExitReason, TradeState
from trading.models import Event, Trade

D = Decimal


def test_a_liquidated_trade_says_so_and_loses_its_margin_at_most(paper_floor: Floor) -> None:
    signal = paper_floor.signal(leverage=D(10), stop_loss=D(95))
    paper_floor.rounds(2)
    paper_floor.play(100)
    trade = Trade.objects.get(signal=signal)
    assert trade.state == TradeState.OPEN
    paper_floor.market.play(bar(60, 60, 60, 60))
    paper_floor.rounds(3)

    trade = Trade.objects.get(pk=trade.pk)
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.LIQUIDATION)
    assert not paper_floor.client.positions()
    assert trade.net_pnl is not None
    assert -trade.net_pnl <= trade.entry_value / 10 + trade.fees
    assert Event.objects.filter(kind="trade_liquidation").count() == 1
    wallet = PaperAccount.objects.get(account=paper_floor.account).wallet
    booked = PaperLedgerEntry.objects.filter(account=paper_floor.account)
    assert wallet == paper_floor.account.start_equity + sum(one.amount for one in booked)
    assert wallet - paper_floor.account.start_equity == trade.net_pnl
    balance = paper_floor.client.balance()
    assert balance.available == balance.wallet == wallet
