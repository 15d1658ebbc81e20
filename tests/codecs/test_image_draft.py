"""A large JPEG is decoded at a part of its size, to nearly the same pixels."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from tests.codecs.test_image import CONFIG, file_of, patchwork
from tidemill.codecs.image import ImageCodec
from tidemill.codecs.pixels import Limits, decode, inner_size

FIT = (96, 48)
LIMITS = Limits(bytes=20_000_000, pixels=40_000_000)
SIZES = [(1600, 800), (803, 401), (777, 2003), (385, 190), (192, 96), (1201, 31)]


@pytest.fixture
def codecs() -> tuple[ImageCodec, ImageCodec]:
    """One that decodes everything, and one that drafts."""
    return ImageCodec.from_config(CONFIG), ImageCodec.from_config(CONFIG | {"draft": True})


def photo(width: int, height: int, orientation: int = 1, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    return file_of(patchwork(width, height), "JPEG", quality=95, exif=exif, **options)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size", SIZES)
def test_an_image_stays_twice_as_large_as_the_models(
    size: tuple[int, int], orientation: int
) -> None:
    payload = photo(*size, orientation)
    whole, full = decode(payload, LIMITS)
    image, size_then = decode(payload, LIMITS, fit=FIT)
    inner = inner_size(full, FIT)
    assert size_then == full == whole.size
    reduction = whole.width / image.width
    # It is the largest reduction that leaves twice what is needed, and a JPEG has three.
    room = min(full[0] // (2 * inner[0]), full[1] // (2 * inner[1]))
    expected = max(step for step in (1, 2, 4, 8) if step <= max(1, room))
    assert reduction == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("size", "orientation"), [*product(SIZES[:3], range(1, 9))])
def test_the_pixels_are_nearly_the_same(
    codecs: tuple[ImageCodec, ImageCodec], size: tuple[int, int], orientation: int
) -> None:
    payload = photo(*size, orientation)
    whole, drafted = (codec.decode(payload) for codec in codecs)
    assert (drafted.inner, drafted.size) == (whole.inner, whole.size)
    assert np.abs(drafted.pixels.astype(int) - whole.pixels).mean() < 5


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_only_a_large_jpeg_is_drafted(codecs: tuple[ImageCodec, ImageCodec], format: str) -> None:
    for size in ((383, 190), (1600, 800)):
        payload = file_of(patchwork(*size), format)
        whole, drafted = (codec.decode(payload).pixels for codec in codecs)
        assert np.array_equal(whole, drafted) == (format != "JPEG" or size == (383, 190))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_drafted_too(codecs: tuple[ImageCodec, ImageCodec], mode: str) -> None:
    payload = file_of(patchwork(1600, 800).convert(mode), "JPEG", quality=95)
    whole, drafted = (codec.decode(payload).pixels.astype(int) for codec in codecs)
    assert np.abs(drafted - whole).mean() < 5


def test_a_duplicate_is_found_at_full_size(codecs: tuple[ImageCodec, ImageCodec]) -> None:
    payload = photo(1600, 800)
    whole, drafted = (codec.fingerprint(payload) for codec in codecs)
    assert whole == drafted


def test_an_older_bundle_keeps_its_pixels() -> None:
    """Its configuration does not have the key."""
    assert not ImageCodec.from_config(CONFIG).settings.draft
