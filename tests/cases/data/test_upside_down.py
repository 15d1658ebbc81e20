"""Images of a person's own folder. Does training turn them upside down unless told not to?

A leaf has no upper side; a digit, a face or a road sign has.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tests.cases.names import plan_experiment
from tests.cases.training_names import augment
from tests.cases.verdict import falls_short, require

IMAGES, SIDE = 400, 16


@falls_short(
    "data", "half of the images of a person's own folder are turned upside down by default"
)
def test_images_of_a_folder_keep_their_upper_side(tmp_path: Path) -> None:
    _, experiment = plan_experiment("coffee", ["data=folder", f"data.path={tmp_path}"])
    flip = experiment.tree()["train"]["flip"]
    images = torch.zeros(IMAGES, SIDE, SIDE, 3, dtype=torch.uint8)
    images[:, : SIDE // 2] = 255
    augmented = augment(images, torch.Generator().manual_seed(0), jitter=0, warp=0, flip=flip)
    halves = (augmented[:, : SIDE // 2], augmented[:, SIDE // 2 :])
    upper, lower = (half.float().mean((1, 2, 3)) for half in halves)
    share = float((upper < lower).float().mean())
    require(
        share == 0,
        f"with data=folder {share:.0%} of {IMAGES} images are turned upside down in training"
        f" (train.flip={str(flip).lower()} by default)",
    )
