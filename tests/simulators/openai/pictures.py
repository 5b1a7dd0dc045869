"""Pictures out of requests: decoded, measured, named by their bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from dataclasses import dataclass

from PIL import Image

from tests.simulators.openai.errors import ApiError, bad_value

MEDIA_TYPES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
}
MOST_BYTES = 20 * 1024 * 1024
MOST_PIXELS = 64_000_000

_DATA_URL = re.compile(r"data:([a-z0-9.+/-]+);base64,(.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SentPicture:
    """One picture as it arrived. ``data`` are the file's bytes, ``sha256`` names them."""

    sha256: str
    width: int
    height: int
    format: str
    detail: str
    data: bytes

    def pixels(self) -> Image.Image:
        """The picture in red, green and blue."""
        return Image.open(io.BytesIO(self.data)).convert("RGB")


def picture_of(url: object, detail: str, param: str) -> SentPicture:
    """Decode a data URL. Raises ApiError as the API would on anything that is no picture."""
    found = _DATA_URL.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        raise bad_value(
            param,
            f"Invalid '{param}'. Expected a base64-encoded data URL with an image MIME type "
            "(e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got another value.",
        )
    media_type = found[1].lower()
    if media_type not in MEDIA_TYPES:
        raise bad_value(
            param,
            f"Invalid '{param}'. Expected a base64-encoded data URL with an image MIME type "
            f"(e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got unsupported MIME "
            f"type '{media_type}'.",
        )
    try:
        data = base64.b64decode(found[2], validate=True)
    except (binascii.Error, ValueError):
        raise bad_value(
            param, f"Invalid '{param}'. Invalid base64-encoded image.", "invalid_base64"
        ) from None
    if len(data) > MOST_BYTES:
        raise bad_value(param, "The image exceeds the limit of 20 MB.", "image_too_large")
    return _decoded(data, detail, param)


def _decoded(data: bytes, detail: str, param: str) -> SentPicture:
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            kind = image.format or ""
            if width * height > MOST_PIXELS:
                raise bad_value(param, "The image has too many pixels.", "image_too_large")
            image.load()
    except ApiError:
        raise
    except Exception:
        # Pillow meets broken files with many kinds of exception; all mean the same here.
        raise _no_image(param) from None
    if kind not in MEDIA_TYPES.values():
        raise _no_image(param)
    return SentPicture(hashlib.sha256(data).hexdigest(), width, height, kind, detail, data)


def _no_image(param: str) -> ApiError:
    return bad_value(
        param,
        "The image data you provided does not represent a valid image. Please check your input "
        "and try again with one of the supported image formats: ['image/jpeg', 'image/png', "
        "'image/gif', 'image/webp'].",
        "invalid_image_format",
    )
