"""Estimate how long an image takes to decode, from the structure of its file.

Nothing is decoded. Each walk ends after a fixed number of steps, so the estimate itself is cheap.
The rates are nanoseconds on one core of a usual server, measured with noise, the worst content.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from tidemill.domain.errors import BadPayload

MAX_SEGMENTS = 1_000
"""Header segments of a JPEG, and blocks of a GIF before its first frame."""
MAX_CHUNKS = 16_384
"""Chunks of a PNG. Encoders write at least 8 kB into one; 20 MB are 2,441 of them."""
MAX_COLOURS = 65_536
"""Colours that the palette of a BMP may claim; Pillow refuses more."""
UNKNOWN = math.inf
"""The estimate where the structure does not bound the cost."""

_ANY_IMAGE = 5e5
"""What the smallest image costs."""
_PER_EXIF_BYTE = 500.0
"""Pillow reads each entry of EXIF data in Python."""
_PER_COLOUR = 1_000.0
"""Pillow looks at each colour of a palette in Python."""
_PER_PIXEL = 10.0
"""Conversion to RGB and scaling, of any format."""
_TRANSPARENT = 30.0
"""More per pixel for a format that may be transparent: it is laid over white."""
_TEXT_CHUNK = 8e6
"""A compressed text or profile, which unfolds to one megabyte at most."""
_TEXT_CHUNKS = frozenset({b"zTXt", b"iTXt", b"iCCP"})
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Channels of a PNG by its colour type."""
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})


def estimate_image_ns(payload: bytes, max_pixels: int) -> float:
    """Return about how many nanoseconds a decode takes at most; UNKNOWN when nothing bounds it.

    Raises BadPayload for an image with more than `max_pixels`, and for one whose structure alone
    costs too much. A payload that is no image costs nothing: the decoder refuses it at once.
    """
    for signature, estimate in _FORMATS:
        if payload.startswith(signature):
            try:
                return _ANY_IMAGE + estimate(payload, max_pixels)
            except (struct.error, IndexError):
                return UNKNOWN  # cut off; the decoder says where
    return 0.0


def require_pixels(width: int, height: int, max_pixels: int) -> int:
    """Return the number of pixels. Raises BadPayload when they are too many."""
    if width * height > max_pixels:
        raise BadPayload(
            f"The image claims {width} x {height} pixels; the limit is {max_pixels:,}.",
            hint="Scale the image down before sending it.",
        )
    return width * height


def _jpeg(payload: bytes, max_pixels: int) -> float:
    pixels, exif = _jpeg_header(payload, max_pixels)
    if pixels is None:
        return UNKNOWN
    # The two bytes cannot stand in the pixels, so this counts each scan, and perhaps a thumbnail's.
    scans = payload.count(b"\xff\xda")
    return pixels * (_PER_PIXEL + 5.0 * scans) + 25.0 * len(payload) + _PER_EXIF_BYTE * exif


def _jpeg_header(payload: bytes, max_pixels: int) -> tuple[int | None, int]:
    """Return the pixels that the frame header claims, and the bytes of EXIF data.

    None when no pixels follow a frame header.
    """
    at, pixels, skipped, exif = 2, None, 0, 0
    for _ in range(MAX_SEGMENTS):
        start = payload.find(b"\xff", at)
        if start < 0 or start + 4 > len(payload):
            return None, exif
        # Pillow skips each other byte by itself.
        skipped += start - at
        if skipped > MAX_SEGMENTS:
            break
        at, marker = start, payload[start + 1]
        if marker == 0xDA:
            return pixels, exif
        if marker == 0xFF:
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        else:
            if marker in _FRAME_MARKERS:
                height, width = struct.unpack_from(">HH", payload, at + 5)
                pixels = max(pixels or 0, require_pixels(width, height, max_pixels))
            length = struct.unpack_from(">H", payload, at + 2)[0]
            exif += length if marker == 0xE1 else 0
            at += 2 + length
    raise _too_fragmented(f"JPEG has more than {MAX_SEGMENTS:,} segments before its pixels")


def _png(payload: bytes, max_pixels: int) -> float:
    width, height, depth, colour = struct.unpack_from(">IIBB", payload, 16)
    pixels = require_pixels(width, height, max_pixels)
    at, texts, exif = 8, 0, 0
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(payload):
            break
        length, kind = struct.unpack_from(">I4s", payload, at)
        texts += kind in _TEXT_CHUNKS
        exif += length if kind == b"eXIf" else 0
        at += length + 12
    else:
        raise _too_fragmented(f"PNG has more than {MAX_CHUNKS:,} chunks")
    samples = _CHANNELS.get(colour, 4) * (2 if depth > 8 else 1)
    per_pixel = 10.0 * samples + _PER_PIXEL + _TRANSPARENT
    extra = texts * _TEXT_CHUNK + _PER_EXIF_BYTE * min(exif, len(payload))
    return pixels * per_pixel + 25.0 * len(payload) + extra


def _gif(payload: bytes, max_pixels: int) -> float:
    width, height, flags = struct.unpack_from("<HHB", payload, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    pixels = require_pixels(width, height, max_pixels)
    for _ in range(MAX_SEGMENTS):
        if payload[at] == 0x2C:
            # A frame may be larger than the screen.
            x, y, columns, rows = struct.unpack_from("<HHHH", payload, at + 1)
            pixels = max(pixels, require_pixels(x + columns, y + rows, max_pixels))
            return pixels * (15.0 + _PER_PIXEL + _TRANSPARENT) + 20.0 * len(payload)
        # A sub-block of an extension is a step of its own: Pillow reads each by itself.
        at += 2 if payload[at] == 0x21 else 1 + payload[at]
    raise _too_fragmented(f"GIF has more than {MAX_SEGMENTS:,} blocks before its pixels")


def _webp(payload: bytes, max_pixels: int) -> float:
    if payload[8:12] != b"WEBP":
        return 0.0
    kind = payload[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(payload[24:27], "little") + 1
        height = int.from_bytes(payload[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(payload[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", payload, 26))
    else:
        return UNKNOWN
    pixels = require_pixels(width, height, max_pixels)
    # EXIF data stands behind the frames. Where the header promises some, all may be that.
    exif = len(payload) if kind == b"VP8X" and payload[20] & 0x08 else 0
    per_pixel = 30.0 + _PER_PIXEL + _TRANSPARENT
    return pixels * per_pixel + 120.0 * len(payload) + _PER_EXIF_BYTE * exif


def _bmp(payload: bytes, max_pixels: int) -> float:
    header = struct.unpack_from("<I", payload, 14)[0]
    if header < 40:
        width, height = struct.unpack_from("<HH", payload, 18)
        compression = colours = 0
    else:
        width, height, _, _, compression = struct.unpack_from("<iiHHI", payload, 18)
        colours = min(struct.unpack_from("<I", payload, 46)[0], MAX_COLOURS)
    pixels = require_pixels(abs(width), abs(height), max_pixels)
    # Pillow unfolds run lengths in Python.
    if compression not in (0, 3):
        return UNKNOWN
    return pixels * (10.0 + _PER_PIXEL + _TRANSPARENT) + _PER_COLOUR * colours


def _tiff(_payload: bytes, _max_pixels: int) -> float:
    # Any number of strips, directories and codings, one of which is JPEG.
    return UNKNOWN


def _too_fragmented(fault: str) -> BadPayload:
    return BadPayload(f"The {fault}.", hint="Save the image again with another program.")


_FORMATS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes, int], float]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    ((b"GIF87a", b"GIF89a"), _gif),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    ((b"II*\x00", b"MM\x00*"), _tiff),
)
