"""Pictures kept as evidence: the exact bytes a model saw, never changed, checked when read."""

from __future__ import annotations

import hashlib
from typing import Literal

from analysis.chart import RenderedChart
from analysis.chart_layout import RENDERER_VERSION
from analysis.errors import AnalysisInvalid
from analysis.models import ChartImage

Origin = Literal["upload", "capture"]


class PictureDamaged(Exception):
    """Stored bytes are missing or not the ones that were stored."""


def chart_store(chart: RenderedChart) -> ChartImage:
    """The row of a picture drawn here, made at the first call.

    Raises ``AnalysisInvalid`` when other bytes are on record for the same inputs: the renderer
    changed without a new version, and what a model saw before would no longer be what it sees.
    """
    row = _stored(
        ChartImage(
            input_hash=chart.input_hash,
            renderer_version=RENDERER_VERSION,
            chart_id=chart.facts.chart_id,
            png=chart.png,
            sha256=chart.sha256,
        )
    )
    if row.sha256 != chart.sha256:
        raise AnalysisInvalid(f"chart {row.chart_id} is on record with other bytes", "picture")
    return row


def foreign_store(png: bytes, origin: Origin) -> ChartImage:
    """The row of a picture that was not drawn here and can't be drawn again."""
    digest = hashlib.sha256(png).hexdigest()
    return _stored(
        ChartImage(
            input_hash=hashlib.sha256(f"{origin}|{digest}".encode()).hexdigest(),
            renderer_version=origin,
            png=png,
            sha256=digest,
            reproducible=False,
        )
    )


def _stored(image: ChartImage) -> ChartImage:
    """``image`` or the row that was there first. A row that was a mere recipe gets its bytes."""
    same = ChartImage.objects.filter(input_hash=image.input_hash)
    found = same.first()
    if found is not None and found.png is not None:
        return found
    ChartImage.objects.bulk_create([image], ignore_conflicts=True)
    same.filter(png__isnull=True).update(png=image.png, sha256=image.sha256)
    return same.get()


def picture_bytes(image: ChartImage) -> bytes:
    """The bytes as they were stored. Raises ``PictureDamaged`` unless they have their hash."""
    if image.png is None:
        raise PictureDamaged(f"no bytes of chart {image.chart_id} are kept")
    png = bytes(image.png)
    if hashlib.sha256(png).hexdigest() != image.sha256:
        raise PictureDamaged(f"the bytes of chart {image.chart_id} are not the ones stored")
    return png
