"""The base of all networks of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from tidemill.learn.augment import augment
from tidemill.learn.network import Network, Tensors
from tidemill.learn.plan import TrainPlan


class ImageNetwork(Network):
    """Takes `image` uint8 [n, h, w, 3].

    `mean` and `std` are per channel, on the scale 0 to 1, and travel inside the graph, so that
    serving cannot normalise otherwise than training did.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    def normalised(self, image: Tensor) -> Tensor:
        """Return float32 [n, 3, h, w]; the permuted view has the fastest layout for the CPU."""
        pixels = image.permute(0, 3, 1, 2).float() / 255
        return (pixels - self.mean) / self.std

    def varied(self, arrays: Tensors, generator: Generator, plan: TrainPlan) -> Tensors:
        """Return images flipped, warped and recoloured."""
        images = augment(
            arrays["image"], generator, jitter=plan.jitter, warp=plan.warp, flip=plan.flip
        )
        return arrays | {"image": images}
