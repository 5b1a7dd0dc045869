"""Charts are drawn from the account's market and kept by browsers as long as they stay true."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.test import Client
from django.urls import reverse

from analysis.chart import render
from analysis.models import ChartImage
from analysis.picture_store import chart_store
from dashboard.selectors.equity import POINTS, equity_line, thin
from dashboard.selectors.trades import trade_row
from exchange.models import ExchangeAccount
from tests import factories
from tests.analysis.candle_makers import given, random_window
from tests.dashboard.conftest import Desk
from tests.factories import MINUTE, NOON
from trading.models import Trade

PNG = b"\x89PNG"


def test_picture_of_an_analysis_never_changes(console: Client, desk: Desk) -> None:
    address = reverse("chart", args=[desk.trade.signal.analysis_id])
    people = console.get(address)
    dark = console.get(address, {"theme": "dark"})
    model = console.get(address, {"view": "model"})
    pictures = {answer.content for answer in (people, dark, model)}
    assert all(picture.startswith(PNG) for picture in pictures)
    assert len(pictures) == 3
    assert people["Cache-Control"] == "private, max-age=31536000, immutable"
    assert console.get(address).content == people.content


def test_stored_bytes_are_served_after_the_renderer_changed(console: Client, desk: Desk) -> None:
    analysis = desk.trade.signal.analysis
    assert analysis is not None
    seen = render(given(random_window(1)))
    analysis.chart = chart_store(seen)
    analysis.save()
    # The row as a renderer before this one left it; drawn again it would be another picture.
    ChartImage.objects.update(renderer_version="1")
    address = reverse("chart", args=[analysis.pk])
    answer = console.get(address, {"view": "model"})
    assert answer.content == seen.png
    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    drawn_again = console.get(address).content
    assert drawn_again != seen.png


def test_damaged_bytes_are_not_served(console: Client, desk: Desk) -> None:
    analysis = desk.trade.signal.analysis
    assert analysis is not None
    analysis.chart = chart_store(render(given(random_window(1))))
    analysis.save()
    ChartImage.objects.update(png=PNG + b" something else")
    answer = console.get(reverse("chart", args=[analysis.pk]), {"view": "model"})
    assert answer.status_code == 404


def test_analysis_without_a_market_has_no_picture(console: Client, db: None) -> None:
    analysis = factories.AnalysisFactory.create()
    assert console.get(reverse("chart", args=[analysis.pk])).status_code == 404


def test_picture_of_a_trade_is_final_once_it_closed(console: Client, desk: Desk) -> None:
    live = console.get(reverse("trade_chart", args=[desk.trade.pk]), {"theme": "dark"})
    closed = console.get(reverse("trade_chart", args=[desk.closed.pk]))
    assert live.content.startswith(PNG)
    assert live["Cache-Control"] == "private, max-age=20"
    assert "immutable" in closed["Cache-Control"]


def test_a_trade_of_which_a_part_was_taken_goes_on(console: Client, desk: Desk) -> None:
    when = desk.trade.opened_market
    Trade.objects.filter(pk=desk.trade.pk).update(
        closed_market=when, exit_reason="partial_take_profit", exit_qty=Decimal("0.02")
    )
    desk.trade.refresh_from_db()
    picture = console.get(reverse("trade_chart", args=[desk.trade.pk]))
    assert picture["Cache-Control"] == "private, max-age=20"
    row = trade_row(desk.trade)
    assert (row.closed, row.held, row.ended) == (None, "–", "")


def test_equity_curve_needs_two_points(account: ExchangeAccount) -> None:
    account.equity_points.all().delete()
    factories.EquityPointFactory.create(account=account, time=NOON)
    assert equity_line(account, NOON) is None


def test_equity_curve_spans_its_box(account: ExchangeAccount) -> None:
    account.equity_points.all().delete()
    for minute, equity in enumerate((100, 90, 120)):
        moment = NOON - timedelta(hours=1) + minute * MINUTE
        factories.EquityPointFactory.create(account=account, time=moment, equity=equity)
    line = equity_line(account, NOON)
    assert line is not None
    assert line.line == "M0.0 78.0 L300.0 114.0 L600.0 6.0"
    assert line.change == "+20.00"
    assert "lowest 90.00, highest 120.00" in line.summary


def test_thinning_keeps_spikes_and_both_ends() -> None:
    series = [(NOON + minute * MINUTE, Decimal(100)) for minute in range(1440)]
    series[700] = (series[700][0], Decimal(40))
    series[701] = (series[701][0], Decimal(400))
    thinned = thin(series)
    assert len(thinned) <= POINTS + 2
    assert {value for _, value in thinned} == {Decimal(40), Decimal(100), Decimal(400)}
    assert (thinned[0], thinned[-1]) == (series[0], series[-1])
