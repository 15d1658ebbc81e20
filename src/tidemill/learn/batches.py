"""Batches of an encoded split, as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from tidemill.learn.arrays import EncodedSplit

Batch = tuple[Tensor, dict[str, Tensor]]
"""Images uint8 [n, h, w, 3] and, per target, positions int64 [n]."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Goes over a split once per iteration.

    With `shuffle` each iteration draws a new order from that generator and leaves the remainder
    out, so that batch normalisation never sees a batch of one or two; a split smaller than a
    batch is one batch. Without it, every example comes, in order.
    """

    split: EncodedSplit
    size: int
    shuffle: Generator | None = None

    def __len__(self) -> int:
        n = len(self.split)
        return -(-n // self.size) if self.shuffle is None else max(1, n // self.size)

    def __iter__(self) -> Iterator[Batch]:
        n = len(self.split)
        if self.shuffle is None:
            order = np.arange(n)
        else:
            order = torch.randperm(n, generator=self.shuffle).numpy()
        for start in range(0, len(self) * self.size, self.size):
            yield self._batch(order[start : start + self.size])

    def _batch(self, at: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Batch:
        # Reading a mapped file in its own order touches each page once; then back to the draw.
        forward = np.argsort(at)
        images = np.empty((len(at), *self.split.images.shape[1:]), np.uint8)
        images[forward] = self.split.images[at[forward]]
        labels = {
            target: torch.from_numpy(column[at]) for target, column in self.split.labels.items()
        }
        return torch.from_numpy(images), labels
