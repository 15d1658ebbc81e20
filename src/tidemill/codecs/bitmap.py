"""Write RGB pixels as an uncompressed image file."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""`[h, w, 3]`."""


def encode_bitmap(pixels: Pixels) -> bytes:
    """RGB pixels `[h, w, 3]` as an uncompressed BMP, byte for byte the same everywhere.

    Written by hand: an image library may compress or describe a file differently from one
    release to the next, and an example's id is the digest of its bytes.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, (width * 3 + 3) // 4 * 4), dtype=np.uint8)
    rows[:, : width * 3] = pixels[::-1, :, ::-1].reshape(height, -1)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, rows.size, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + rows.size, 0, 0, 54) + info + rows.tobytes()
