"""Decode an image file into upright RGB pixels, or raise BadPayload with the reason.

A call uses only its own objects, so any number of threads may decode.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from tidemill.codecs.image_cost import require_pixels
from tidemill.domain.errors import BadPayload

Pixels = npt.NDArray[np.uint8]

GREY = 128
"""The padding of a letterboxed image, on all three channels."""

_Opener = Callable[[BytesIO], ImageFile.ImageFile]

# Opened by class, because `Image.open` tries all plugins that other libraries have registered. It
# also reports large images through `warnings`, whose state all threads share. Our own limit checks
# the size instead.
_SIGNATURES: tuple[tuple[tuple[bytes, ...], _Opener], ...] = (
    ((b"\xff\xd8\xff",), JpegImageFile),
    ((b"\x89PNG\r\n\x1a\n",), PngImageFile),
    ((b"BM",), BmpImageFile),
    ((b"GIF87a", b"GIF89a"), GifImageFile),
    ((b"II*\x00", b"MM\x00*"), TiffImageFile),
)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

# The errors of Pillow for broken files. `Warning` is included for processes that turn warnings into
# errors, because Pillow warns about odd metadata.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Warning,
    Image.DecompressionBombError,
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = frozenset({5, 6, 7, 8})
"""The orientations whose width is the height of the upright image."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the cost of a payload, checked before decoding."""

    bytes: int
    pixels: int


Size = tuple[int, int]
"""Width and height."""


def decode(payload: bytes, limits: Limits, *, fit: Size | None = None) -> tuple[Image.Image, Size]:
    """Return the image in `payload`, mode RGB, turned upright by its EXIF orientation, and its
    size.

    Of an animation, the first frame. Transparent parts lie on white, as a browser shows them. With
    `fit`, a JPEG that is at least four times as large as what fits into that is decoded at a half,
    a quarter or an eighth of its size, and stays at least twice as large.
    Raises BadPayload; the size is judged from the header, before any pixel is decoded.
    """
    if not payload:
        raise BadPayload("The image is empty.", hint="Send the bytes of an image file.")
    if len(payload) > limits.bytes:
        raise BadPayload(
            f"The image has {len(payload):,} bytes; the limit is {limits.bytes:,}.",
            hint="Send a smaller or more strongly compressed image.",
        )
    opener = _opener(payload)
    try:
        image = opener(BytesIO(payload))
        width, height = image.size
    except _BROKEN as error:
        raise BadPayload(f"The image's header cannot be read: {_reason(error)}.") from error
    require_pixels(width, height, limits.pixels)
    try:
        if fit is not None and isinstance(image, JpegImageFile):
            _reduce(image, fit)
        is_whole = image.size == (width, height)
        image.load()
        orientation = image.getexif().get(Base.Orientation, 1)
        upright = to_rgb(image)
    except _BROKEN as error:
        raise BadPayload(
            f"The image cannot be decoded: {_reason(error)}.",
            hint="It may be truncated or damaged; save it again.",
        ) from error
    if (turn := _UPRIGHT.get(orientation)) is not None:
        upright = upright.transpose(turn)
    if is_whole:
        return upright, upright.size
    return upright, (height, width) if orientation in _TURNED else (width, height)


def _reduce(image: JpegImageFile, fit: Size) -> None:
    """Let a JPEG decode fewer pixels: its blocks are scaled before they become pixels.

    Twice what is needed leaves the rest to a filter, which is sharper than blocks.
    """
    if image.getexif().get(Base.Orientation, 1) in _TURNED:
        fit = fit[::-1]
    inner = inner_size(image.size, fit)
    image.draft(None, (2 * inner[0], 2 * inner[1]))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the same image in mode RGB: 16-bit grey scaled to 8 bits, transparency over white.

    Raises ValueError for 32-bit pixels, whose white point no file format fixes.
    """
    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels have no agreed brightness")
    if image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        sheet = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(sheet, clear).convert("RGB")
    return image.convert("RGB")


def inner_size(size: Size, fit: Size) -> Size:
    """Return the largest size of the same shape that fits."""
    scale = min(fit[0] / size[0], fit[1] / size[1])
    return (
        min(fit[0], max(1, round(size[0] * scale))),
        min(fit[1], max(1, round(size[1] * scale))),
    )


def letterbox(
    image: Image.Image, width: int, height: int, size: Size | None = None
) -> tuple[Pixels, tuple[int, int, int, int]]:
    """Fit an RGB image into `width` x `height` without distorting it.

    `size` is that of the original, when the image has a rounded part of it.

    Returns pixels `[height, width, 3]` and the box (x0, y0, x1, y1) that the image fills; the
    rest is GREY. An image of exactly that size comes through untouched.
    """
    if image.size == (width, height):
        return np.asarray(image), (0, 0, width, height)
    inner = inner_size(size or image.size, (width, height))
    fitted = image.resize(inner, Image.Resampling.BILINEAR)
    x0, y0 = (width - inner[0]) // 2, (height - inner[1]) // 2
    pixels = np.full((height, width, 3), GREY, dtype=np.uint8)
    pixels[y0 : y0 + inner[1], x0 : x0 + inner[0]] = np.asarray(fitted)
    return pixels, (x0, y0, x0 + inner[0], y0 + inner[1])


def _opener(payload: bytes) -> _Opener:
    if payload.startswith(b"RIFF") and payload[8:12] == b"WEBP":
        return WebPImageFile
    for prefixes, opener in _SIGNATURES:
        if payload.startswith(prefixes):
            return opener
    raise BadPayload(
        "The payload is not an image that Tidemill knows.",
        hint=f"Send one of: {', '.join(FORMATS)}.",
    )


def _reason(error: BaseException) -> str:
    """Return Pillow's own message, shortened for clients."""
    return (str(error).splitlines() or [""])[0][:120].rstrip(".") or type(error).__name__
