"""The common tools of the painters: random streams, a canvas, and drawing by signed distance.

Images must be the same on every machine, so the painters keep to + - * /, square roots,
comparisons and rounding down, which IEEE 754 fixes to the last bit; waves are parabolas and
rotations come from a half-angle tangent. No sine, no power, no matrix product and no long sum:
those differ between math libraries and processors by a last bit, and a last bit flips a pixel.
Random numbers come from PCG64 through `random` and `integers` only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float64]
"""One number per pixel, `[h, w]`."""
Colour = tuple[float, float, float]
"""Red, green, blue in 0..1."""
Disc = tuple[float, float, float]
"""Centre x, y and radius, in units."""

REFERENCE_HEIGHT = 48
"""A unit is one pixel of an image this high; everything is drawn in units."""


class Dice:
    """Scalar draws in plain floats, all from one stream."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def between(self, low: float, high: float) -> float:
        """Draw evenly from low up to high, without high."""
        return low + (high - low) * float(self._generator.random())

    def whole(self, low: int, high: int) -> int:
        """Draw evenly from low to high, both included."""
        return int(self._generator.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return float(self._generator.random()) < probability

    def mix(self, one: Colour, other: Colour) -> Colour:
        """Return a colour somewhere between the two."""
        return blend(one, other, float(self._generator.random()))


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """Return `one` with a `share` of `other`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


@dataclass(slots=True)
class Canvas:
    """An image in the making: `rgb` float `[h, w, 3]`, about 0..1 but not yet clipped.

    `x` `[1, w]` and `y` `[h, 1]` are the pixel centres in units, with 0 in the middle. `unit` is
    the number of pixels per unit. Textures come from `grain`, so that a nearer camera, which
    needs other textures, leaves the scene's own dice alone.
    """

    width: int
    height: int
    unit: float
    grain: np.random.Generator
    x: Field = field(init=False)
    y: Field = field(init=False)
    rgb: Field = field(init=False)

    def __post_init__(self) -> None:
        self.x = _centres(self.width, self.unit)[None, :]
        self.y = _centres(self.height, self.unit)[:, None]
        self.rgb = np.zeros((self.height, self.width, 3))

    def lay(self, colour: Colour, share: Field) -> None:
        """Blend a colour in; `share` is 0 where it leaves the image alone, 1 where it covers."""
        for channel, level in enumerate(colour):
            plane = self.rgb[..., channel]
            plane += (level - plane) * share

    def shade(self, factor: Field) -> None:
        """Darken or lighten."""
        self.rgb *= factor[..., None]

    def cover(self, distance: Field, soft: float = 0.0) -> Field:
        """Return how much of each pixel lies inside, given the signed distance in units (inside >
        0).

        `soft` widens the edge, in units.
        """
        return clip(distance * (self.unit / (1.0 + soft * self.unit)) + 0.5)

    def noise(self, cell: float) -> Field:
        """Return smooth value noise in 0..1 whose lumps are about `cell` units wide."""
        step = cell * self.unit
        rows, row_share = _lattice(self.height, step, float(self.grain.random()))
        columns, column_share = _lattice(self.width, step, float(self.grain.random()))
        knots = self.grain.random((int(rows[-1]) + 2, int(columns[-1]) + 2))
        lines = knots[rows]
        lines += (knots[rows + 1] - lines) * row_share[:, None]
        left = lines[:, columns]
        left += (lines[:, columns + 1] - left) * column_share
        return left

    def discs(self, discs: Iterable[Disc], reach: float = 3.0) -> Field:
        """Return the signed distance in units to a union of discs; minus `reach` where none is
        near.
        """
        depth = np.full((self.height, self.width), -float(reach))
        for x, y, radius in discs:
            rows = self._span(y, radius + reach, self.height)
            columns = self._span(x, radius + reach, self.width)
            dx, dy = self.x[:, columns] - x, self.y[rows] - y
            window = depth[rows, columns]
            np.maximum(window, radius - np.sqrt(dx * dx + dy * dy), out=window)
        return depth

    def _span(self, centre: float, reach: float, length: int) -> slice:
        """Return the rows or columns within `reach` of a centre; empty when it lies outside."""
        low = int((centre - reach) * self.unit + length / 2)
        high = int((centre + reach) * self.unit + length / 2) + 1
        return slice(min(max(low, 0), length), min(max(high, 0), length))


def clip(values: Field) -> Field:
    """Clip to 0..1."""
    return np.minimum(np.maximum(values, 0.0), 1.0)


def wave(turns: Field) -> Field:
    """Return a sine-like wave from -1 to 1 made of parabolas; one period per turn."""
    phase = 2.0 * (turns - np.floor(turns)) - 1.0
    return 4.0 * phase * (1.0 - np.abs(phase))


def _centres(length: int, unit: float) -> Field:
    """Return the pixel centres of one side in units, 0 in the middle."""
    pixels = np.arange(length, dtype=np.float64)
    return (pixels + (0.5 - length / 2)) / unit


def _lattice(length: int, step: float, offset: float) -> tuple[npt.NDArray[np.int64], Field]:
    """Return, for each pixel, the knot before it and the eased share of the knot after it."""
    place = np.arange(length) / step + offset
    before = np.floor(place)
    share = place - before
    return before.astype(np.int64), share * share * (3.0 - 2.0 * share)
