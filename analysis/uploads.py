"""Pictures that people bring: judged by their content, decoded within limits, drawn anew.

Nothing of the file survives but its pixels, so neither what hides in it nor what it tells about
its maker goes any further.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import NoReturn

from PIL import Image, ImageOps

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 20_000_000
LEAST_SIDE = 64
# What models take without loss; anything larger is shrunk to fit.
LARGEST = (2048, 1536)
KINDS = ("PNG", "JPEG", "WEBP")
PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
# Length, type and checksum of a PNG chunk.
CHUNK_FRAME = 12
RIFF_HEADER = 8
# What Pillow raises on broken files; its warnings too, where they are made errors.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)
WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class UploadRefused(Exception):
    """The picture is not taken; the text is a sentence for whoever brought it."""


def picture_clean(data: bytes) -> bytes:
    """The picture in ``data`` as a PNG of at most 2048 x 1536 without any metadata.

    Takes whole, still PNG, JPEG and WebP files of at most 8 MB and 20 megapixels, both checked
    before a pixel is decoded. Transparency becomes white. Raises ``UploadRefused``.
    """
    if not data:
        raise UploadRefused("The file is empty.")
    if len(data) > MAX_BYTES:
        raise UploadRefused(f"The file has {len(data) / 2**20:.1f} MB, at most 8 MB are taken.")
    kind = _kind(data)
    {"PNG": _check_png, "JPEG": _check_jpeg, "WEBP": _check_webp}[kind](data)
    try:
        with Image.open(BytesIO(data), formats=(kind,)) as image:
            _check_size(*image.size)
            if getattr(image, "n_frames", 1) > 1:
                raise UploadRefused("The picture moves; only still pictures are taken.")
            image.load()
            return _encoded(_flat(image))
    except BROKEN as exc:
        raise UploadRefused(f"The {kind} is damaged and can't be decoded.") from exc


def _kind(data: bytes) -> str:
    """The format by content; names and declared types of files are anyone's claim."""
    if data.startswith(PNG_START):
        return "PNG"
    if data.startswith(JPEG_START):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise UploadRefused("The file is not a PNG, JPEG or WebP picture.")


def _check_png(data: bytes) -> None:
    """Walk the chunks up to the end, which must be the end of the file."""
    place, first = len(PNG_START), True
    while place + CHUNK_FRAME <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if first:
            if name != b"IHDR" or length != 13 or place + CHUNK_FRAME + length > len(data):
                raise UploadRefused("The PNG is damaged and can't be decoded.")
            _check_size(*struct.unpack_from(">II", data, place + 8))
            first = False
        if name == b"acTL":
            raise UploadRefused("The picture moves; only still pictures are taken.")
        place += CHUNK_FRAME + length
        if name == b"IEND":
            if place < len(data):
                _refuse_appended("PNG")
            break
    else:
        _refuse_cut_off("PNG")
    if place > len(data):
        _refuse_cut_off("PNG")


def _check_jpeg(data: bytes) -> None:
    # Some cameras fill up with zeros.
    if not data.rstrip(b"\0").endswith(JPEG_END):
        raise UploadRefused(
            "The JPEG does not end as one: it is cut off, or something was appended to it."
        )


def _check_webp(data: bytes) -> None:
    size = int.from_bytes(data[4:8], "little") + RIFF_HEADER
    if size > len(data):
        _refuse_cut_off("WebP")
    if size < len(data):
        _refuse_appended("WebP")


def _refuse_cut_off(kind: str) -> NoReturn:
    raise UploadRefused(f"The {kind} is cut off before its end.")


def _refuse_appended(kind: str) -> NoReturn:
    raise UploadRefused(f"Something was appended to the {kind} after its end.")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UploadRefused(
            f"The picture has {width} x {height} pixels, at most 20 million are taken."
        )
    if min(width, height) < LEAST_SIDE:
        raise UploadRefused(f"{width} x {height} pixels are too few to show a chart.")


def _flat(image: Image.Image) -> Image.Image:
    """Upright and at most as large as models take it, in three colours of 8 bits, on white."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode in WIDE_MODES:
        turned = turned.convert("I").point(lambda value: value / 256).convert("L")
    # A sheet of its own: metadata would travel with the image that was opened.
    sheet = Image.new("RGB", turned.size, "white")
    if turned.has_transparency_data:
        layer = turned.convert("RGBA")
        sheet.paste(layer, mask=layer)
    else:
        sheet.paste(turned.convert("RGB"))
    sheet.thumbnail(LARGEST, Image.Resampling.LANCZOS)
    return sheet


def _encoded(sheet: Image.Image) -> bytes:
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()
