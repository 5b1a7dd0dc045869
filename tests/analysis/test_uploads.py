"""Uploaded pictures: whatever is brought, clean pixels or one clear sentence come out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from analysis.chart import render
from analysis.uploads import MAX_BYTES, PNG_START, UploadRefused, picture_clean
from tests.analysis import candle_makers

RED, GREEN = (200, 20, 20), (20, 200, 20)
KINDS = ("PNG", "JPEG", "WEBP")


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def half_red(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red on the left, green on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (size[0] // 2, 0, *size))
    return image


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def near(image: Image.Image, place: tuple[int, int], colour: tuple[int, ...], off: int) -> bool:
    found = image.getpixel(place)
    assert isinstance(found, tuple)
    return max(abs(one - other) for one, other in zip(found, colour, strict=True)) <= off


def outcome(data: bytes) -> str:
    """The mode of the clean picture, or the last character of the refusal."""
    try:
        return opened(picture_clean(data)).mode
    except UploadRefused as refused:
        return str(refused)[-1]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_claiming(width: int, height: int) -> bytes:
    """A tiny file that says it is large."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return PNG_START + header + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def webp_claiming(width: int, height: int) -> bytes:
    data = bytearray(saved(half_red(), "WEBP", lossless=True))
    bits = struct.unpack_from("<I", data, 21)[0] >> 28 << 28
    struct.pack_into("<I", data, 21, bits | (width - 1) | (height - 1) << 14)
    return bytes(data)


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(saved(half_red(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, frame + 5, height, width)
    return bytes(data)


def moving(kind: str) -> bytes:
    frames = [half_red(), half_red().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_comes_out_as_the_same_picture(kind: str) -> None:
    clean = opened(picture_clean(saved(half_red(), kind)))
    assert (clean.format, clean.mode, clean.size) == ("PNG", "RGB", (120, 80))
    for place, colour in (((20, 40), RED), ((100, 40), GREEN)):
        assert near(clean, place, colour, 6)


def test_our_own_chart_comes_out_pixel_for_pixel() -> None:
    png = render(candle_makers.given(candle_makers.random_window(1))).png
    before, after = opened(png).convert("RGB"), opened(picture_clean(png))
    assert np.array_equal(np.asarray(before), np.asarray(after))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((4096, 2048), (2048, 1024)), ((1000, 3072), (500, 1536)), ((2048, 1536), (2048, 1536))],
)
def test_large_picture_is_shrunk_in_its_shape(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert opened(picture_clean(saved(Image.new("L", size, 90)))).size == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(mode: str) -> None:
    image = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (50, 0, 100, 100))
    clean = opened(picture_clean(saved(image.convert(mode))))
    assert clean.getpixel((10, 50)) == (255, 255, 255)
    assert clean.getpixel((90, 50)) == (0, 0, 0)


def test_colour_named_transparent_becomes_white() -> None:
    clean = opened(picture_clean(saved(half_red(), transparency=RED)))
    assert clean.getpixel((10, 50)) == (255, 255, 255)
    assert clean.getpixel((100, 50)) == GREEN


def test_sixteen_bit_greys_keep_their_shade() -> None:
    wide = Image.fromarray(np.full((80, 80), 0x8000, dtype=np.uint16))
    assert opened(picture_clean(saved(wide))).getpixel((5, 5)) == (128, 128, 128)


def test_inks_of_print_become_screen_colours() -> None:
    clean = opened(picture_clean(saved(half_red().convert("CMYK"), "JPEG")))
    assert near(clean, (20, 40), RED, 12)


def test_nothing_but_pixels_is_kept() -> None:
    notes = PngInfo()
    notes.add_text("Comment", "secret-note")
    exif = Image.Exif()
    exif[0x010E] = "secret-note"
    options = {"exif": exif, "icc_profile": b"secret-note"}
    for data in (
        saved(half_red(), "PNG", pnginfo=notes, **options),
        saved(half_red(), "JPEG", comment=b"secret-note", **options),
        saved(half_red(), "WEBP", **options),
    ):
        assert b"secret-note" in data
        clean = picture_clean(data)
        assert b"secret-note" not in clean
        assert opened(clean).info == {}


def test_picture_that_a_camera_turned_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    clean = opened(picture_clean(saved(half_red((120, 80)), "JPEG", exif=exif)))
    assert clean.size == (80, 120)
    assert near(clean, (40, 10), RED, 6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\0" * (MAX_BYTES + 1), "at most 8 MB"),
        (b"not a picture", "not a PNG, JPEG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG, JPEG or WebP"),
        (b"%PDF-1.7\n" + saved(half_red()), "not a PNG, JPEG or WebP"),
        (saved(half_red(), "GIF"), "not a PNG, JPEG or WebP"),
        (saved(half_red(), "TIFF"), "not a PNG, JPEG or WebP"),
        (PNG_START, "cut off"),
        (PNG_START + b"\0" * 40, "damaged"),
        (PNG_START + chunk(b"IEND", b""), "damaged"),
        (b"\xff\xd8\xff" + b"\xff\xd9", "damaged"),
        (b"RIFF\x04\0\0\0WEBP", "damaged"),
    ],
    ids=[
        *("empty", "heavy", "text", "svg", "pdf first", "gif", "tiff"),
        *("png start", "png zeros", "png end only", "jpeg shell", "webp shell"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UploadRefused, match=reason):
        picture_clean(data)


@pytest.mark.parametrize("claiming", [png_claiming, jpeg_claiming, webp_claiming])
@pytest.mark.parametrize("size", [(6000, 5000), (16_000, 16_000)])
def test_bomb_is_refused_before_its_pixels_are_made(
    claiming: Callable[[int, int], bytes], size: tuple[int, int]
) -> None:
    data = claiming(*size)
    assert len(data) < 4000
    with pytest.raises(UploadRefused, match=r"at most 20 million|can't be decoded"):
        picture_clean(data)


def test_largest_size_a_header_can_claim_is_refused() -> None:
    with pytest.raises(UploadRefused, match="at most 20 million"):
        picture_clean(png_claiming(2**31 - 1, 2**31 - 1))


def test_picture_too_small_for_a_chart_is_refused() -> None:
    with pytest.raises(UploadRefused, match="too few"):
        picture_clean(saved(half_red((63, 400))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_file_cut_off_is_refused(kind: str, share: float) -> None:
    data = saved(half_red(), kind)
    with pytest.raises(UploadRefused, match="cut off"):
        picture_clean(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", KINDS)
def test_file_with_something_appended_is_refused(kind: str) -> None:
    with pytest.raises(UploadRefused, match="appended"):
        picture_clean(saved(half_red(), kind) + b"PK\x03\x04 an archive")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_moving_picture_is_refused(kind: str) -> None:
    with pytest.raises(UploadRefused, match="moves"):
        picture_clean(moving(kind))


def test_damaged_pixels_are_refused() -> None:
    data = bytearray(saved(half_red()))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    with pytest.raises(UploadRefused, match="damaged"):
        picture_clean(bytes(data))


@given(
    st.sampled_from([saved(half_red(), kind) for kind in KINDS]),
    st.lists(st.tuples(st.integers(8, 4000), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_broken_gives_a_picture_or_a_sentence(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    broken = bytearray(data)
    for place, value in changes:
        broken[place % len(broken)] = value
    assert outcome(bytes(broken)) in {"RGB", "."}
