"""The camera: how a scene is seen, and how it becomes eight-bit pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidemill.domain.errors import UsageError
from tidemill.recipes.shared.canvas import Canvas, Colour, Field

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Camera:
    """The knobs that make live images drift; the defaults change nothing.

    `light` multiplies the exposure, `tint` each channel; `blur` is the radius (standard
    deviation) in pixels; `season` turns leaves from green (0) to autumn colours (1); `scale` is
    how near the camera is. Raises UsageError for values that are no camera.
    """

    light: float = 1.0
    blur: float = 0.0
    tint: Colour = (1.0, 1.0, 1.0)
    season: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        fine = (
            self.light > 0
            and 0 <= self.blur <= 8
            and len(self.tint) == 3
            and min(self.tint) >= 0
            and 0 <= self.season <= 1
            and 0.25 <= self.scale <= 4
        )
        if not fine:
            raise UsageError(
                f"No such camera: {self}.",
                hint="light > 0, blur 0 to 8, three tints >= 0, season 0 to 1, scale 0.25 to 4.",
            )


def expose(canvas: Canvas, camera: Camera, noise: float) -> Pixels:
    """Return the finished image, uint8 `[h, w, 3]`: lens, exposure, sensor noise, eight bits.

    `noise` is the sensor noise's greatest deviation, in 0..1.
    """
    rgb = _blurred(canvas.rgb, camera.blur)
    rgb = rgb * np.array([camera.light * tint for tint in camera.tint])
    rgb += (canvas.grain.random(rgb.shape) - 0.5) * (2.0 * noise)
    levels = np.floor(rgb * 255.0 + 0.5)
    pixels: Pixels = np.minimum(np.maximum(levels, 0.0), 255.0).astype(np.uint8)
    return pixels


def _blurred(rgb: Field, radius: float) -> Field:
    """Return an image after repeated three-tap smoothing, close to a Gaussian of this variance."""
    variance = radius * radius
    passes = int(2.0 * variance) + 1
    # A pass [k, 1 - 2k, k] adds a variance of 2k; k stays under 1/4, where it is a plain blur.
    share = variance / (2.0 * passes)
    for _ in range(passes if radius > 0 else 0):
        for axis in (0, 1):
            line = np.moveaxis(rgb, axis, 0)
            padded = np.concatenate([line[:1], line, line[-1:]])
            line = line + (padded[:-2] + padded[2:] - 2.0 * line) * share
            rgb = np.moveaxis(line, 0, axis)
    return rgb
