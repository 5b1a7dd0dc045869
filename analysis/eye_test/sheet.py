"""A contact sheet of what an examination shows, for people."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw

from analysis.chart_style import ChartStyle
from analysis.chart_type import font
from analysis.eye_test.plan import Group, Item, exam_plan
from analysis.eye_test.prepare import Examiner

COLUMNS = 4
THUMBNAIL = (720, 480)
CAPTION = 28
CAPTION_SIZE = 18
# Large enough a form that every kind of trend, ending, control and extreme occurs.
SHARE = 0.25


def contact_sheet(examiner: Examiner, style: ChartStyle) -> bytes:
    """A PNG with one picture of each kind and its name over it."""
    items = _samples(exam_plan(examiner.seed, SHARE, style, recall=False))
    width, height = THUMBNAIL
    rows = -(-len(items) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * (height + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, item in enumerate(items):
        row, column = divmod(index, COLUMNS)
        left, top = column * width, row * (height + CAPTION)
        pen.text((left + 8, top + 4), caption(item), fill="black", font=font(CAPTION_SIZE, 1.0))
        with Image.open(BytesIO(examiner.prepare(item).question.images[0])) as picture:
            small = picture.convert("RGB").resize(THUMBNAIL, Image.Resampling.LANCZOS)
        sheet.paste(small, (left, top + CAPTION))
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def caption(item: Item) -> str:
    """What a picture is, in words."""
    words = [item.group.value, item.variant]
    if item.spec is not None:
        words += [item.spec.market.value, f"t {item.spec.drift_t:+g}" if item.spec.drift_t else ""]
    return ", ".join(dict.fromkeys(word for word in words if word))


def _samples(items: list[Item]) -> list[Item]:
    """The first item of each kind: repeats of one and the same picture are no kind."""
    kinds = {_kind(item): item for item in reversed(items) if item.group is not Group.STABILITY}
    return sorted(kinds.values(), key=items.index)


def _kind(item: Item) -> tuple[object, ...]:
    """Where the drift is the point of a picture, every drift is a kind of its own."""
    spec = item.spec
    if spec is None:
        return (item.group, item.variant)
    drifts = item.group in (Group.READING, Group.DRIFT) and not item.mirrored
    market = spec.market if item.group is Group.EXTREMES else ""
    return (item.group, item.variant, market, spec.drift_t if drifts else 0.0, spec.ending)
