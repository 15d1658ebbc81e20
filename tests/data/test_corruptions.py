"""Images made worse: deterministic, ever worse, and still images that the codec takes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tidemill.codecs.bitmap import encode_bitmap
from tidemill.codecs.image import ImageCodec
from tidemill.codecs.pixels import Limits
from tidemill.data.corruptions import KINDS, SIDE, STRENGTHS, corrupt_image, variants
from tidemill.domain.errors import BadPayload, UsageError
from tidemill.recipes.shared.leaves import paint


@pytest.fixture(scope="module")
def leaf() -> bytes:
    return encode_bitmap(paint("rust", 5))


def pixels(file: bytes) -> npt.NDArray[np.float64]:
    return np.asarray(Image.open(BytesIO(file)), np.float64)


def flat(width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), (90, 120, 60)).save(file, "PNG")
    return file.getvalue()


def test_strength_0_is_the_payload_itself(leaf: bytes) -> None:
    assert all(corrupt_image(leaf, kind, 0) == leaf for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_arguments_give_the_same_bytes_and_each_strength_others(
    leaf: bytes, kind: str
) -> None:
    files = [corrupt_image(leaf, kind, strength, 3) for strength in STRENGTHS]
    assert files == [corrupt_image(leaf, kind, strength, 3) for strength in STRENGTHS]
    assert len(set(files)) == len(STRENGTHS)


@pytest.mark.parametrize("kind", KINDS)
def test_it_gets_worse_with_strength(leaf: bytes, kind: str) -> None:
    height, width = pixels(corrupt_image(leaf, kind, 1)).shape[:2]
    scaled = Image.open(BytesIO(leaf)).resize((width, height), Image.Resampling.BILINEAR)
    whole = np.asarray(scaled, np.float64)
    gaps = [
        np.abs(pixels(corrupt_image(leaf, kind, strength)) - whole).mean() for strength in STRENGTHS
    ]
    assert gaps[0] < gaps[2] < gaps[4]
    assert gaps[0] > 0.05


def test_noise_depends_on_the_seed_and_on_the_image(leaf: bytes) -> None:
    assert corrupt_image(leaf, "noise", 1, 0) != corrupt_image(leaf, "noise", 1, 1)
    one, other = (pixels(corrupt_image(flat(60, side), "noise", 1)) for side in (60, 61))
    assert not np.array_equal(one[:50, :50], other[:50, :50])


def test_all_variants_are_what_each_is_by_itself(leaf: bytes) -> None:
    corrupted = list(variants(leaf, 7))
    assert [(kind, strength) for kind, strength, _ in corrupted] == [
        (kind, strength) for kind in KINDS for strength in STRENGTHS
    ]
    assert all(file == corrupt_image(leaf, kind, strength, 7) for kind, strength, file in corrupted)


@pytest.mark.parametrize("size", [(2048, 1024), (30, 20), (1, 5000), (3000, 1)])
def test_every_image_has_as_many_pixels_whatever_its_shape(size: tuple[int, int]) -> None:
    height, width = pixels(corrupt_image(flat(*size), "contrast", 1)).shape[:2]
    assert width * height <= SIDE * SIDE
    assert width * height > 0.9 * SIDE * SIDE or min(width, height) == 1


@pytest.mark.parametrize(("size", "most"), [((400, 300), 5_000), ((1, 3_000), 3_000)])
def test_a_codec_that_takes_small_files_only_takes_them_still(
    size: tuple[int, int], most: int
) -> None:
    codec = ImageCodec.from_config(
        {
            **{"width": 32, "height": 32, "mean": [0, 0, 0], "std": [1, 1, 1]},
            **{"max_bytes": most, "max_pixels": 120_000},
        }
    )
    limits = Limits(bytes=most, pixels=120_000)
    for _, _, file in variants(flat(*size), limits=limits):
        assert len(file) <= most
        codec.decode(file)


def test_an_unknown_kind_or_strength_is_refused(leaf: bytes) -> None:
    with pytest.raises(UsageError, match="'fog'") as caught:
        corrupt_image(leaf, "fog", 1)
    assert "rotation" in caught.value.hint
    for strength in (-1, 6):
        with pytest.raises(UsageError, match=str(strength)):
            corrupt_image(leaf, "blur", strength)


def test_what_is_no_image_is_said(leaf: bytes) -> None:
    with pytest.raises(BadPayload):
        corrupt_image(b"no image", "blur", 1)
    with pytest.raises(BadPayload, match="limit"):
        corrupt_image(leaf, "blur", 1, limits=Limits(bytes=100, pixels=100))
