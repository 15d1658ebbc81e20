"""Corrupt images in six ways and five strengths, to test how robust a model is.

Noise, blur, JPEG, brightness and contrast have the strengths of ImageNet-C (D. Hendrycks and
T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019); rotation is our own. Those strengths are made for images of SIDE x SIDE pixels, so
every image is first scaled to that area. Otherwise a model's codec would average the noise of a
large photograph away, and a strength would depend on the camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from tidemill.codecs.bitmap import encode_bitmap
from tidemill.codecs.pixels import GREY, Limits, decode
from tidemill.data.random_stream import stream
from tidemill.domain.errors import UsageError
from tidemill.domain.types import payload_id

SIDE = 224
"""A corrupted image has SIDE x SIDE pixels in all, whatever its shape."""
STRENGTHS = (1, 2, 3, 4, 5)
LIMITS = Limits(bytes=20_000_000, pixels=40_000_000)
"""The defaults of the image codec."""

_Change = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def corrupt_image(
    payload: bytes, kind: str, strength: int, seed: int = 0, *, limits: Limits = LIMITS
) -> bytes:
    """Return the image in `payload`, corrupted, as a BMP file; strength 0 returns the payload.

    `kind` is one of KINDS, `strength` is 0 to 5. The same arguments give the same pixels. The noise
    depends on the image as well as on the seed. The file stays within `limits`, too. Raises
    BadPayload, and UsageError for an unknown kind or strength.
    """
    if kind not in KINDS:
        raise UsageError(
            f"No corruption is called {kind!r}.", hint=f"Known ones: {', '.join(KINDS)}."
        )
    if strength not in (0, *STRENGTHS):
        raise UsageError(f"A corruption has no strength {strength}.", hint="It is 0 to 5.")
    if strength == 0:
        return payload
    return _changed(_opened(payload, limits), kind, strength, _dice(payload, kind, strength, seed))


def variants(
    payload: bytes, seed: int = 0, *, limits: Limits = LIMITS
) -> Iterator[tuple[str, int, bytes]]:
    """Yield every kind and strength of one image, as from `corrupt_image`, decoding it once.

    Raises BadPayload.
    """
    image = _opened(payload, limits)
    for kind in KINDS:
        for strength in STRENGTHS:
            dice = _dice(payload, kind, strength, seed)
            yield kind, strength, _changed(image, kind, strength, dice)


def _opened(payload: bytes, limits: Limits) -> Image.Image:
    """Return the decoded image, scaled to SIDE x SIDE pixels or to the most that `limits` allow."""
    image, _ = decode(payload, limits)
    # A BMP needs less than 54 bytes besides its rows, and at most 4 bytes a pixel.
    area = max(1, min(SIDE * SIDE, limits.pixels, limits.bytes // 4 - 14))
    scale = math.sqrt(area / (image.width * image.height))
    width, height = (min(area, max(1, int(side * scale))) for side in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _dice(payload: bytes, kind: str, strength: int, seed: int) -> np.random.Generator:
    return stream(seed, kind, strength, payload_id(payload))


def _changed(image: Image.Image, kind: str, strength: int, dice: np.random.Generator) -> bytes:
    change, levels = _KINDS[kind]
    return encode_bitmap(np.asarray(change(image, levels[strength - 1], dice)))


def _noise(image: Image.Image, level: float, dice: np.random.Generator) -> Image.Image:
    """Add Gaussian noise of standard deviation `level`, where white is 1."""
    pixels = np.asarray(image, np.float32)
    return _rounded(pixels + dice.standard_normal(pixels.shape, np.float32) * (level * 255))


def _blur(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    """Blur with a Gaussian of `level` pixels."""
    return image.filter(ImageFilter.GaussianBlur(level))


def _jpeg(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    """Write the image as a JPEG of quality `level`, and read it again."""
    file = BytesIO()
    image.save(file, "JPEG", quality=int(level))
    return Image.open(file, formats=["JPEG"]).convert("RGB")


def _brightness(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    """Add `level` to the value in HSV."""
    hue, saturation, value = image.convert("HSV").split()
    brighter = value.point([min(255, round(at + level * 255)) for at in range(256)])
    return Image.merge("HSV", (hue, saturation, brighter)).convert("RGB")


def _contrast(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    """Move each channel towards its mean; `level` is the remaining share of its spread."""
    pixels = np.asarray(image, np.float32)
    mean = pixels.mean(axis=(0, 1))
    return _rounded((pixels - mean) * np.float32(level) + mean)


def _rotation(image: Image.Image, level: float, dice: np.random.Generator) -> Image.Image:
    """Rotate by `level` degrees in a random direction; the new corners are grey."""
    degrees = level if dice.random() < 0.5 else -level
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(GREY,) * 3)


def _rounded(pixels: npt.NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


_KINDS: dict[str, tuple[_Change, tuple[float, ...]]] = {
    "noise": (_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    "blur": (_blur, (1, 2, 3, 4, 6)),
    "jpeg": (_jpeg, (25, 18, 15, 10, 7)),
    "brightness": (_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": (_contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "rotation": (_rotation, (5, 10, 15, 20, 30)),
}
KINDS = tuple(_KINDS)
