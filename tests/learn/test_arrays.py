from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tidemill.codecs.image import ImageCodec
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example
from tidemill.learn.arrays import LOOK_AHEAD, EncodedSplit, encode_split
from tidemill.learn.batches import Batches
from tidemill.recipes.shared.leaves import CLASSES, Sample, examples

SMALL = Sample(train=45, val=0, test=0, size=(48, 32))
LABELS = {"disease": CLASSES}


@pytest.fixture(scope="module")
def codec() -> ImageCodec:
    return ImageCodec.from_config(
        {"width": 48, "height": 32, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
    )


@pytest.fixture(scope="module")
def leaves() -> list[Example]:
    return list(examples(SMALL))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "train"


def test_order_and_pixels_are_those_given(
    codec: ImageCodec, leaves: list[Example], store: Path
) -> None:
    steps: list[int] = []
    split = encode_split(leaves, codec, LABELS, store, progress=steps.append)
    direct = codec.encode([codec.decode(example.payload) for example in leaves])["image"]
    np.testing.assert_array_equal(_pixels(split), direct)
    assert split.lengths is None
    assert set(split.sources) == {"sample"}
    names = [CLASSES[at] for at in split.labels["disease"]]
    assert names == [example.labels["disease"] for example in leaves]
    assert steps == list(range(1, 46))


def _pixels(split: EncodedSplit) -> npt.NDArray[np.uint8]:
    return split.take(np.arange(len(split)))["image"]


def test_a_split_is_a_file_that_is_mapped(
    codec: ImageCodec, leaves: list[Example], store: Path
) -> None:
    split = encode_split(leaves, codec, LABELS, store)
    assert isinstance(split.arrays["image"].values, np.memmap)
    np.testing.assert_array_equal(
        np.load(store / "image.npy").reshape(45, 32, 48, 3), _pixels(split)
    )


def test_no_more_than_the_look_ahead_is_drawn_early(
    codec: ImageCodec, leaves: list[Example], store: Path
) -> None:
    drawn: list[int] = []

    def source() -> Iterator[Example]:
        for at, example in enumerate(leaves):
            drawn.append(at)
            yield example

    ahead: list[int] = []
    encode_split(
        source(), codec, LABELS, store, progress=lambda done: ahead.append(len(drawn) - done)
    )
    assert max(ahead) < LOOK_AHEAD


def _changed(example: Example, **change: object) -> Example:
    fields = {name: getattr(example, name) for name in Example.__dataclass_fields__}
    return Example(**{**fields, **change})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"payload": b"nonsense"}, "sample/train"),
        ({"labels": {}}, "no label for target 'disease'"),
        ({"labels": {"disease": "plague"}}, "unknown label 'plague'"),
    ],
)
def test_a_fault_names_its_example(
    codec: ImageCodec,
    leaves: list[Example],
    store: Path,
    change: dict[str, object],
    sentence: str,
) -> None:
    faulty = [*leaves[:3], _changed(leaves[3], **change), *leaves[4:]]
    with pytest.raises(DataError, match=sentence) as caught:
        encode_split(faulty, codec, LABELS, store)
    assert leaves[3].origin in caught.value.message


def test_nothing_is_refused(codec: ImageCodec, store: Path) -> None:
    with pytest.raises(DataError, match="no example"):
        encode_split([], codec, LABELS, store)


def test_batches_cover_a_split_in_order(
    codec: ImageCodec, leaves: list[Example], store: Path
) -> None:
    split = encode_split(leaves, codec, LABELS, store)
    parts = [arrays["image"].numpy() for arrays, _ in Batches(split, 16)]
    assert [len(part) for part in parts] == [16, 16, 13]
    np.testing.assert_array_equal(np.concatenate(parts), _pixels(split))


def test_shuffled_batches_keep_images_and_labels_together(
    codec: ImageCodec, leaves: list[Example], store: Path
) -> None:
    import torch

    split = encode_split(leaves, codec, LABELS, store)
    known = {
        image.tobytes(): int(at)
        for image, at in zip(_pixels(split), split.labels["disease"], strict=True)
    }
    batches = Batches(split, 16, shuffle=torch.Generator().manual_seed(0))
    first, second = ([(arrays["image"], labels) for arrays, labels in batches] for _ in range(2))
    assert [len(images) for images, _ in first] == [16, 16]
    assert not torch.equal(first[0][0], second[0][0])
    for images, labels in first:
        for image, at in zip(images.numpy(), labels["disease"].tolist(), strict=True):
            assert known[image.tobytes()] == at
