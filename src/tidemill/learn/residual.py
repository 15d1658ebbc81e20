"""A small residual network for images, trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from tidemill.learn.image_base import ImageNetwork
from tidemill.learn.network import EMBEDDING, logits_of

STEM = 16
"""Channels of the first convolution. Not fewer: torch 2.13's CPU kernel for its weight gradient
writes out of bounds below 16 (3 channels in, channels last, 224 x 112: the process dies)."""


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, section 3.3), halving the size."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(before, after, 1, stride=2, bias=False), nn.BatchNorm2d(after)
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.body(features) + self.shortcut(features))


class ResidualCNN(ImageNetwork):
    """A strided stem, four residual blocks, the mean over the image, one linear head per target.

    `width` is the number of channels after the first block; 24 gives about 0.35 million weights.
    Any size from 32 x 32 up works. The initial weights depend on `seed` alone; the global
    generator is left as it was.
    """

    def __init__(
        self,
        targets: Mapping[str, int],
        mean: Sequence[float],
        std: Sequence[float],
        *,
        width: int = 24,
        seed: int = 0,
    ) -> None:
        super().__init__(mean, std)
        self.targets = dict(targets)
        widths = (STEM, width, 2 * width, 4 * width, 4 * width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem = nn.Sequential(
                nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(STEM),
                nn.ReLU(),
            )
            self.blocks = nn.Sequential(*(Block(a, b) for a, b in pairwise(widths)))
            # A list, because a target may have a name that a ModuleDict refuses ("keys").
            self.heads = nn.ModuleList(nn.Linear(widths[-1], k) for k in self.targets.values())

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features: Tensor = self.blocks(self.stem(self.normalised(image)))
        embedding = features.mean(dim=(2, 3))
        outputs = {EMBEDDING: embedding}
        for target, head in zip(self.targets, self.heads, strict=True):
            outputs[logits_of(target)] = head(embedding)
        return outputs
