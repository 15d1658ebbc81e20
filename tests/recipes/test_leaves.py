"""The painted leaves: the same everywhere, varied, and hard enough to need a network."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations, islice

import numpy as np
import numpy.typing as npt
import pytest

from tidemill.codecs.bitmap import encode_bitmap
from tidemill.codecs.image import ImageCodec
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Example, payload_id
from tidemill.recipes.shared.leaves import CLASSES, Camera, Sample, examples, paint

CODEC = ImageCodec.from_config(
    {"width": 96, "height": 48, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
)
# One worker paints the leaves that these tests share.
pytestmark = pytest.mark.xdist_group("leaves")
SAMPLE = Sample(train=300, val=0, test=150)
ODD_CAMERA = Camera(light=0.8, blur=1.3, tint=(1.1, 1.0, 0.9), season=0.4, scale=1.2)


def mean_feature(name: str, camera: Camera) -> float:
    images = (paint(label, seed, camera=camera) for label in CLASSES for seed in range(6))
    return float(np.mean([CODEC.features(CODEC.decode(encode_bitmap(p)))[name] for p in images]))


@pytest.mark.parametrize(
    ("label", "digest"),
    [
        ("healthy", "9e5b0e29dbcea625a01aeff713372f1e"),
        ("miner", "2c4e005348d3f945a2a39293a617c2aa"),
        ("phoma", "8a7720ef010f446880b5cd744edd3938"),
        ("red spider mite", "6713ab9502abe2577ee07da96035b29c"),
        ("rust", "fdbb7a69d2f6c60d57df3b7d61e8f2a5"),
    ],
)
def test_pixels_are_the_same_on_every_machine(label: str, digest: str) -> None:
    # When these change on purpose, raise PAINTER_VERSION.
    assert hashlib.sha256(paint(label, 11).tobytes()).hexdigest()[:32] == digest


def test_camera_and_size_are_the_same_on_every_machine() -> None:
    pixels = paint("rust", 12, size=(64, 64), camera=ODD_CAMERA)
    assert pixels.shape == (64, 64, 3)
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:32] == "fa6225cfbb76183f44a9d88aa8b1d38b"


def test_a_file_is_an_uncompressed_bmp_with_the_same_bytes_everywhere() -> None:
    pixels = paint("rust", 11)
    file = encode_bitmap(pixels)
    assert np.array_equal(CODEC.decode(file).pixels, pixels)
    assert hashlib.sha256(file).hexdigest()[:32] == "2d84b639b1eae58f4468ffce150375da"


def test_rows_of_any_width_are_padded_rightly() -> None:
    pixels = paint("miner", 1, size=(33, 17))
    codec = ImageCodec.from_config(CODEC.config() | {"width": 33, "height": 17})
    assert np.array_equal(codec.decode(encode_bitmap(pixels)).pixels, pixels)


def test_unknown_label() -> None:
    with pytest.raises(UsageError, match="blight") as caught:
        paint("blight", 0)
    assert "rust" in caught.value.hint


@pytest.mark.parametrize("size", [(8, 48), (96, 4096)])
def test_impossible_size(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="Cannot draw"):
        paint("rust", 0, size=size)


@pytest.mark.parametrize(
    "knobs", [{"light": 0.0}, {"blur": -1.0}, {"season": 1.5}, {"scale": 0.0}, {"blur": 50.0}]
)
def test_impossible_camera(knobs: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="No such camera"):
        Camera(**knobs)  # type: ignore[arg-type]


def test_a_longer_sample_begins_with_a_shorter_one() -> None:
    def by_split(sample: Sample) -> dict[str, list[str]]:
        samples: dict[str, list[str]] = {}
        for example in examples(sample):
            samples.setdefault(str(example.split), []).append(example.id)
        return samples

    short = by_split(Sample(train=7, val=3, test=4))
    long = by_split(Sample(train=11, val=6, test=9))
    for split, ids in short.items():
        assert long[split][: len(ids)] == ids
    assert by_split(Sample(seed=1, train=7, val=0, test=0))["train"] != short["train"]


def test_examples_are_balanced_and_say_where_they_come_from() -> None:
    rows = list(examples(Sample(train=20, val=10, test=5)))
    assert Counter((e.split, e.labels["disease"]) for e in rows) == {
        (split, label): count
        for split, count in (("train", 4), ("val", 2), ("test", 1))
        for label in CLASSES
    }
    assert len({e.id for e in rows}) == 35
    assert all(e.id == payload_id(e.payload) and e.source == "sample" for e in rows)
    assert rows[4].origin == "sample/train/rust/000004.bmp"


@pytest.mark.parametrize(
    ("camera", "feature", "rises"),
    [
        (Camera(light=0.6), "brightness", False),
        (Camera(light=1.3), "brightness", True),
        (Camera(blur=1.0), "sharpness", False),
        (Camera(tint=(1.2, 1.0, 0.8)), "red", True),
        (Camera(tint=(1.2, 1.0, 0.8)), "blue", False),
        (Camera(season=1.0), "red", True),
        (Camera(season=1.0), "green", False),
        (Camera(scale=1.6), "sharpness", False),
        (Camera(scale=1.6), "saturation", True),
    ],
)
def test_each_knob_moves_its_feature(camera: Camera, feature: str, rises: bool) -> None:
    before, after = mean_feature(feature, Camera()), mean_feature(feature, camera)
    assert (after > 1.04 * before) if rises else (after < 0.96 * before)


def test_knobs_keep_the_scene() -> None:
    # The scene's dice do not depend on the camera: a dimmed image is the same image, darker.
    plain, dim = paint("phoma", 5), paint("phoma", 5, camera=Camera(light=0.5))
    inside = (plain > 20) & (plain < 235)
    ratio = dim[inside].astype(float) / plain[inside]
    assert abs(float(np.median(ratio)) - 0.5) < 0.03


@pytest.fixture(scope="module")
def leaves() -> list[Example]:
    return list(examples(SAMPLE))


def test_no_near_duplicates(leaves: list[Example]) -> None:
    hashes = [CODEC.fingerprint(example.payload).near for example in leaves[:120]]
    assert min((a ^ b).bit_count() for a, b in combinations(hashes, 2)) > 6


def test_mean_colours_do_not_tell_the_disease(leaves: list[Example]) -> None:
    rows, labels = [], []
    for example in leaves:
        rows.append(list(CODEC.features(CODEC.decode(example.payload)).values()))
        labels.append(CLASSES.index(example.labels["disease"]))
    accuracy = linear_accuracy(np.array(rows), np.array(labels), train=SAMPLE.train)
    # Well above chance, and far below what a network reaches.
    assert 0.3 < accuracy < 0.75


def linear_accuracy(
    rows: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], train: int
) -> float:
    """Held-out accuracy of multinomial logistic regression, by plain gradient descent."""
    spread = rows[:train].std(axis=0)
    # Aspect is the same in every image.
    useful = spread > 1e-9
    scaled = (rows - rows[:train].mean(axis=0))[:, useful] / spread[useful]
    scaled = np.hstack([scaled, np.ones((len(rows), 1))])
    truth = np.eye(len(CLASSES))[labels[:train]]
    weights = np.zeros((scaled.shape[1], len(CLASSES)))
    for _ in range(1500):
        logits = scaled[:train] @ weights
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        weights -= 0.5 * scaled[:train].T @ (shares - truth) / train
    return float(((scaled[train:] @ weights).argmax(axis=1) == labels[train:]).mean())


def test_images_come_one_at_a_time() -> None:
    endless = examples(Sample(train=10**12))
    assert len(list(islice(endless, 3))) == 3
