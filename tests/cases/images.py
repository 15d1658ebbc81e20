"""Image files: noise, and plain ones that pack to almost nothing."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32


def save_noise(draw: np.random.Generator, file: Path, kind: str = "PNG") -> None:
    """Write a small image of noise, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind)


def save_class(draw: np.random.Generator, folder: Path, count: int) -> None:
    """Write so many images of noise into the folder of a class."""
    for at in range(count):
        save_noise(draw, folder / f"{at}.png")


def green_png() -> bytes:
    """An ordinary small image, as a person would ask about."""
    file = io.BytesIO()
    Image.new("RGB", (96, 48), "green").save(file, "PNG")
    return file.getvalue()


def black_png(side: int, *, alpha: bool = False) -> bytes:
    """A black square, which packs to almost nothing however large it is."""
    pack, row = zlib.compressobj(9), bytes(1 + side * (4 if alpha else 3))
    data = b"".join(pack.compress(row) for _ in range(side)) + pack.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 6 if alpha else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    )
