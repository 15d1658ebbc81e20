"""Measures of images: drift features and a perceptual hash."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tidemill.codecs.pixels import Pixels

_SIDE, _KEPT = 32, 8


def _cosines() -> npt.NDArray[np.float64]:
    """Return the first 8 rows of the orthonormal 32-point DCT-II matrix, `[8, 32]`."""
    frequency = np.arange(_KEPT)[:, None]
    sample = np.arange(_SIDE)[None, :]
    angle = np.pi * (2 * sample + 1) * frequency / (2 * _SIDE)
    scale = np.where(frequency == 0, np.sqrt(1 / _SIDE), np.sqrt(2 / _SIDE))
    return np.asarray(scale * np.cos(angle), dtype=np.float64)


_DCT = _cosines()


def perceptual_hash(image: Image.Image) -> int:
    """Return a 64-bit hash of an RGB image; like images differ in few bits.

    The DCT hash of pHash (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010, section 3.2.1; phash.org): 32 x 32 luma, DCT, the 8 x 8 lowest frequencies,
    one bit each for being above their median. Most significant bit: the lowest frequency.
    """
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    low = _DCT @ np.asarray(small, dtype=np.float64) @ _DCT.T
    # Rounding keeps a flat image's hash from depending on rounding errors.
    low = np.round(low, 6)
    bits = (low > np.median(low)).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def visual_features(pixels: Pixels) -> dict[str, float]:
    """Return measures of RGB pixels `[h, w, 3]`, h and w at least 1.

    Channel means and saturation (HSV's, averaged) in 0..1; brightness and contrast are the mean
    and the standard deviation of luma (ITU-R BT.601), in 0..1; sharpness is the variance of its
    4-neighbour Laplacian, 0 where a side is under 3 pixels.
    """
    # A server computes this for every answer. Plane by plane, because a reduction over an axis of
    # length 3 is several times slower, and in whole numbers as long as possible.
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    red, green, blue = planes
    sums = planes.reshape(3, -1).sum(axis=1, dtype=np.uint64)
    means = dict(zip(("red", "green", "blue"), (sums / (255 * red.size)).tolist(), strict=True))
    luma = red * np.float32(0.299 / 255)
    luma += green * np.float32(0.587 / 255)
    luma += blue * np.float32(0.114 / 255)
    top = np.maximum(np.maximum(red, green), blue)
    spread = top - np.minimum(np.minimum(red, green), blue)
    saturation = np.divide(spread, np.maximum(top, 1), dtype=np.float32)
    return {
        "brightness": 0.299 * means["red"] + 0.587 * means["green"] + 0.114 * means["blue"],
        "contrast": math.sqrt(_variance(luma)),
        **means,
        "saturation": float(saturation.mean(dtype=np.float64)),
        "sharpness": _sharpness(luma),
    }


def _sharpness(luma: npt.NDArray[np.floating[Any]]) -> float:
    if min(luma.shape) < 3:
        return 0.0
    rows = luma[:-2] + luma[2:]
    rows -= 4 * luma[1:-1]
    around = rows[:, 1:-1]
    around += luma[1:-1, :-2]
    around += luma[1:-1, 2:]
    return _variance(around)


def _variance(values: npt.NDArray[np.floating[Any]]) -> float:
    apart = values.astype(np.float64)
    apart -= apart.mean()
    apart *= apart
    return float(apart.mean())
