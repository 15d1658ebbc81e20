"""What is taken over of a pretrained model's image processor, and what none can follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.domain.errors import DataError
from tidemill.learn.processor import images

PLAIN: dict[str, Any] = {
    "size": {"height": 224, "width": 192},
    "image_mean": [0.1, 0.2, 0.3],
    "image_std": [0.4, 0.5, 0.6],
}


def written(folder: Path, **settings: Any) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(PLAIN | settings))
    return folder


@pytest.mark.parametrize(
    ("settings", "sides"),
    [
        ({}, (192, 224)),
        ({"size": 160}, (160, 160)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384)),
        ({"do_center_crop": True, "crop_size": {"height": 64, "width": 96}}, (96, 64)),
        ({"do_center_crop": True, "crop_size": 64}, (64, 64)),
        ({"do_center_crop": False, "crop_size": 64}, (192, 224)),
    ],
)
def test_the_size(tmp_path: Path, settings: dict[str, Any], sides: tuple[int, int]) -> None:
    size = images(written(tmp_path, **settings))
    assert (size["width"], size["height"]) == sides
    assert (size["mean"], size["std"]) == (PLAIN["image_mean"], PLAIN["image_std"])
    assert images(written(tmp_path, **settings), 48)["width"] == 48


def test_images_that_are_not_normalised(tmp_path: Path) -> None:
    size = images(written(tmp_path, do_normalize=False, image_mean=None, image_std=None))
    assert (size["mean"], size["std"]) == ([0.0] * 3, [1.0] * 3)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"do_rescale": False}, "another range"),
        ({"rescale_factor": 1 / 127.5}, "another range"),
        ({"rescale_offset": True}, "moves the range"),
        ({"do_flip_channel_order": True}, "order of the channels"),
        ({"image_std": None}, "does not say image_mean"),
        ({"size": {"longest_edge": 9}}, "how large"),
        ({"size": None}, "how large"),
        ({"image_mean": [0.5]}, "cannot be read"),
    ],
)
def test_what_no_codec_does(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        images(written(tmp_path, **settings))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"preprocessor_config\.json cannot be read"):
        images(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("[]")
    with pytest.raises(DataError, match=r"preprocessor_config\.json cannot be read"):
        images(tmp_path)
