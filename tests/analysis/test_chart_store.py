"""Stored pictures: exact, once per question, and checked when they are read."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from analysis.chart import ChartStyle, RenderedChart, render
from analysis.chart_layout import RENDERER_VERSION
from analysis.errors import AnalysisInvalid
from analysis.models import ChartImage
from analysis.picture_store import PictureDamaged, chart_store, foreign_store, picture_bytes
from tests import factories
from tests.analysis.candle_makers import given, random_window

pytestmark = pytest.mark.django_db


def drawn(seed: int = 1, style: ChartStyle | None = None) -> RenderedChart:
    return render(given(random_window(seed)), style or ChartStyle())


def test_bytes_come_back_exactly() -> None:
    chart = drawn()
    row = ChartImage.objects.get(pk=chart_store(chart).pk)
    assert picture_bytes(row) == chart.png
    assert row.sha256 == chart.sha256 == hashlib.sha256(chart.png).hexdigest()
    assert (row.input_hash, row.chart_id) == (chart.input_hash, chart.facts.chart_id)
    assert (row.renderer_version, row.reproducible) == (RENDERER_VERSION, True)


def test_same_chart_is_stored_once() -> None:
    assert chart_store(drawn()).pk == chart_store(drawn()).pk
    assert ChartImage.objects.count() == 1


def test_copies_of_a_chart_are_rows_of_their_own() -> None:
    rows = {chart_store(drawn(style=style)).pk for style in (ChartStyle(), ChartStyle(dark=True))}
    assert len(rows) == 2


def test_recipe_gets_its_bytes_once_a_model_looks() -> None:
    chart = drawn()
    recipe = factories.ChartImageFactory.create(input_hash=chart.input_hash)
    row = chart_store(chart)
    assert row.pk == recipe.pk
    assert picture_bytes(row) == chart.png


def test_other_bytes_for_the_same_inputs_are_refused_and_change_nothing() -> None:
    chart = drawn()
    row = chart_store(chart)
    other = chart.png + b"\0"
    with pytest.raises(AnalysisInvalid, match="other bytes"):
        chart_store(replace(chart, png=other, sha256=hashlib.sha256(other).hexdigest()))
    row.refresh_from_db()
    assert picture_bytes(row) == chart.png


def test_changed_bytes_are_found_out() -> None:
    row = chart_store(drawn())
    ChartImage.objects.update(png=drawn(2).png)
    row.refresh_from_db()
    with pytest.raises(PictureDamaged, match="not the ones stored"):
        picture_bytes(row)


def test_recipe_has_no_bytes_to_read() -> None:
    with pytest.raises(PictureDamaged, match="no bytes"):
        picture_bytes(factories.ChartImageFactory.create())


def test_bytes_outlive_their_renderer() -> None:
    chart = drawn()
    row = chart_store(chart)
    # A later renderer draws the same candles under another hash, beside the old picture.
    later = replace(chart, input_hash="f" * 64, png=b"later", sha256="0" * 64)
    assert chart_store(later).pk != row.pk
    row.refresh_from_db()
    assert picture_bytes(row) == chart.png


def test_pictures_from_elsewhere_are_known_by_their_bytes() -> None:
    row = foreign_store(b"pixels", "upload")
    assert foreign_store(b"pixels", "upload").pk == row.pk
    assert foreign_store(b"pixels", "capture").pk != row.pk
    assert (row.reproducible, row.renderer_version, row.chart_id) == (False, "upload", "")
    assert picture_bytes(row) == b"pixels"
