"""What pictures look like, in numbers: drift features and a perceptual hash."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tidemill.codecs.pixels import Pixels

_SIDE, _KEPT = 32, 8


def _cosines() -> npt.NDArray[np.float64]:
    """The first 8 rows of the orthonormal 32-point DCT-II matrix, `[8, 32]`."""
    frequency = np.arange(_KEPT)[:, None]
    sample = np.arange(_SIDE)[None, :]
    angle = np.pi * (2 * sample + 1) * frequency / (2 * _SIDE)
    scale = np.where(frequency == 0, np.sqrt(1 / _SIDE), np.sqrt(2 / _SIDE))
    return np.asarray(scale * np.cos(angle), dtype=np.float64)


_DCT = _cosines()


def perceptual_hash(picture: Image.Image) -> int:
    """A 64-bit hash of an RGB picture; like pictures differ in few bits.

    The DCT hash of pHash (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010, section 3.2.1; phash.org): 32 x 32 luma, DCT, the 8 x 8 lowest frequencies,
    one bit each for being above their median. Most significant bit: the lowest frequency.
    """
    small = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    low = _DCT @ np.asarray(small, dtype=np.float64) @ _DCT.T
    # Rounding keeps a flat picture's hash from being made of rounding errors.
    low = np.round(low, 6)
    bits = (low > np.median(low)).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def visual_features(pixels: Pixels) -> dict[str, float]:
    """Measures of RGB pixels `[h, w, 3]`, h and w at least 1.

    Channel means and saturation (HSV's, averaged) in 0..1; brightness and contrast are the mean
    and the standard deviation of luma (ITU-R BT.601), in 0..1; sharpness is the variance of its
    4-neighbour Laplacian, 0 where a side is under 3 pixels.
    """
    # Plane by plane: reducing over an axis of length 3 is several times slower, and a server
    # does this for every answer.
    red, green, blue = (np.ascontiguousarray(pixels[..., c], np.float32) / 255 for c in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    top = np.maximum(np.maximum(red, green), blue)
    bottom = np.minimum(np.minimum(red, green), blue)
    saturation = np.divide(top - bottom, top, out=np.zeros_like(top), where=top > 0)
    return {
        "brightness": float(luma.mean(dtype=np.float64)),
        "contrast": float(luma.std(dtype=np.float64)),
        "red": float(red.mean(dtype=np.float64)),
        "green": float(green.mean(dtype=np.float64)),
        "blue": float(blue.mean(dtype=np.float64)),
        "saturation": float(saturation.mean(dtype=np.float64)),
        "sharpness": _sharpness(luma),
    }


def _sharpness(luma: npt.NDArray[np.floating[Any]]) -> float:
    if min(luma.shape) < 3:
        return 0.0
    centre = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * centre).var(dtype=np.float64))
