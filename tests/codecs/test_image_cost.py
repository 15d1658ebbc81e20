"""What a decode costs is estimated before it begins. The files of each format are made here."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from PIL import Image

from tidemill.codecs.image import ImageCodec
from tidemill.codecs.image_cost import MAX_CHUNKS, MAX_SEGMENTS, estimate_image_ns
from tidemill.codecs.pixels import FORMATS, Limits, decode
from tidemill.domain.errors import BadPayload

SIDE = 300
ROOM = 40_000_000
THREAD_NS = 6e7
"""The server decodes what costs more in a process of its own."""


def saved(kind: str, side: int = SIDE, mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def jpeg_of_scans(scans: int) -> bytes:
    content = saved("JPEG", progressive=True)
    at = content.rindex(b"\xff\xda")
    return content[:at] + content[at:-2] * scans + content[-2:]


def jpeg_of_segments(count: int) -> bytes:
    content = saved("JPEG")
    return content[:2] + b"\xff\xfe\x00\x02" * count + content[2:]


def chunk(kind: bytes, content: bytes) -> bytes:
    head = struct.pack(">I", len(content)) + kind
    return head + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_chunks(count: int) -> bytes:
    content = saved("PNG", 64)
    return content[:33] + chunk(b"teSt", b"") * count + content[33:]


def png_of_texts(count: int) -> bytes:
    content = saved("PNG", 64)
    text = chunk(b"zTXt", b"a\x00\x00" + zlib.compress(b"x" * 900_000, 9))
    return content[:33] + text * count + content[33:]


def gif_of_blocks(count: int) -> bytes:
    content = saved("GIF", 64, "P")
    at = 13 + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    return content[:at] + b"\x21\xfe" + b"\x01a" * count + b"\x00" + content[at:]


def gif_with_a_large_frame() -> bytes:
    content = bytearray(saved("GIF", 64, "P"))
    at = content.index(b"\x2c")
    content[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)
    return bytes(content)


def bmp_of_runs() -> bytes:
    """Run lengths, which Pillow unfolds in Python."""
    palette = b"".join(struct.pack("<BBBB", n, n, n, 0) for n in range(256))
    rows = (b"\xff\x07" * (SIDE // 255) + bytes([SIDE % 255, 7]) + b"\x00\x00") * SIDE + b"\x00\x01"
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + header + palette + rows


def bmp_of_colours() -> bytes:
    """A palette that claims more colours than the file has, each of which Pillow looks at."""
    content = bytearray(saved("BMP", 10, "P"))
    content[46:50] = struct.pack("<I", 65_536)
    return bytes(content)


ORDINARY: Mapping[str, tuple[Callable[[], bytes], ...]] = {
    "JPEG": (lambda: saved("JPEG"), lambda: saved("JPEG", progressive=True)),
    "PNG": (
        lambda: saved("PNG"),
        lambda: saved("PNG", mode="RGBA"),
        lambda: saved("PNG", mode="P"),
    ),
    "WEBP": (
        lambda: saved("WEBP"),
        lambda: saved("WEBP", lossless=True),
        lambda: saved("WEBP", mode="RGBA"),
    ),
    "BMP": (lambda: saved("BMP"),),
    "GIF": (lambda: saved("GIF", mode="P"),),
    "TIFF": (lambda: saved("TIFF"), lambda: saved("TIFF", compression="tiff_lzw")),
}
"""Files as people have them; a new format needs its row."""

COSTLY: Mapping[str, tuple[Callable[[], bytes], ...]] = {
    "JPEG": (
        lambda: jpeg_of_scans(450),
        lambda: saved("JPEG", 3_000),
        lambda: jpeg_of_segments(MAX_SEGMENTS + 1),
        lambda: saved("JPEG")[:20] + b"\x00" * 100_000 + saved("JPEG")[20:],
        lambda: saved("JPEG")[:40],
    ),
    "PNG": (
        lambda: saved("PNG", 3_000),
        lambda: png_of_chunks(MAX_CHUNKS + 1),
        lambda: png_of_texts(50),
        lambda: saved("PNG")[:20],
    ),
    "WEBP": (lambda: saved("WEBP", 1_500), lambda: b"RIFF\x00\x00\x00\x00WEBPXXXX"),
    "BMP": (bmp_of_runs, bmp_of_colours, lambda: saved("BMP", 2_000), lambda: saved("BMP")[:20]),
    "GIF": (
        lambda: gif_of_blocks(MAX_SEGMENTS + 1),
        gif_with_a_large_frame,
        lambda: saved("GIF", 2_000, "P"),
    ),
    "TIFF": (lambda: saved("TIFF", 8),),
}
"""Files that cost much, or whose cost nothing bounds; a new format needs its row."""


def test_each_format_has_its_rows() -> None:
    assert set(ORDINARY) == set(COSTLY) == set(FORMATS)


def rows(table: Mapping[str, tuple[Callable[[], bytes], ...]]) -> list[object]:
    return [
        pytest.param(kind, make, id=f"{kind}{at}")
        for kind, makes in table.items()
        for at, make in enumerate(makes)
    ]


@pytest.mark.parametrize(("kind", "make"), rows(ORDINARY))
def test_an_ordinary_image_is_for_a_thread(kind: str, make: Callable[[], bytes]) -> None:
    content = make()
    estimate = estimate_image_ns(content, ROOM)
    if kind == "TIFF":
        assert estimate == math.inf
        return
    decode(content, Limits(ROOM, ROOM))
    pixels = SIDE * SIDE
    assert 15 * pixels < estimate < THREAD_NS, "at least what the fastest decoder takes"


def test_each_image_costs_something_and_exif_data_costs_more() -> None:
    tiny = estimate_image_ns(saved("PNG", 8), ROOM)
    assert tiny > 4e5
    exif = Image.Exif()
    exif[0x010E] = "x" * 20_000
    for kind in ("PNG", "JPEG", "WEBP"):
        plain, tagged = saved(kind, 8), saved(kind, 8, exif=exif)
        more = estimate_image_ns(tagged, ROOM) - estimate_image_ns(plain, ROOM)
        assert more > 400 * 20_000, kind


@pytest.mark.parametrize(("kind", "make"), rows(COSTLY))
def test_a_costly_image_is_refused_or_goes_to_a_process(
    kind: str, make: Callable[[], bytes]
) -> None:
    try:
        estimate = estimate_image_ns(make(), ROOM)
    except BadPayload:
        return
    assert estimate > THREAD_NS, kind


@pytest.mark.parametrize(("kind", "make"), rows(ORDINARY))
def test_more_pixels_than_the_limit_are_refused_before_decoding(
    kind: str, make: Callable[[], bytes]
) -> None:
    if kind == "TIFF":
        return  # its process refuses it
    with pytest.raises(BadPayload, match="the limit is 1,000"):
        estimate_image_ns(make(), 1_000)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_what_is_no_image_costs_nothing(content: bytes) -> None:
    assert estimate_image_ns(content, ROOM) == 0.0


def test_a_file_above_its_limit_costs_nothing_because_it_is_refused_at_once() -> None:
    config = {"width": 8, "height": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "max_bytes": 10}
    assert ImageCodec.from_config(config).estimate_ns(saved("TIFF", 8)) == 0.0
