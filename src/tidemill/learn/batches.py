"""Batches of an encoded split, as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from tidemill.learn.arrays import EncodedSplit, Indices

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]
"""The codec's arrays by name, batch first, and per target positions int64 [n]."""

POOL = 32
"""The number of batches whose examples are sorted by length together."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Goes over a split once per iteration, in batches of like lengths, padded as they are drawn.

    With `shuffle` each iteration draws a new order from that generator and leaves the remainder
    out, so that batch normalisation never sees a batch of one or two; a split smaller than a
    batch is one batch. Without it, every example comes, the shortest first where lengths differ.
    """

    split: EncodedSplit
    size: int
    shuffle: Generator | None = None

    def __len__(self) -> int:
        n = len(self.split)
        return -(-n // self.size) if self.shuffle is None else max(1, n // self.size)

    def __iter__(self) -> Iterator[Batch]:
        for at in self.order():
            arrays = {name: torch.from_numpy(row) for name, row in self.split.take(at).items()}
            labels = {
                target: torch.from_numpy(column[at]) for target, column in self.split.labels.items()
            }
            yield arrays, labels

    def order(self) -> list[Indices]:
        """Return the examples of each batch of the next iteration."""
        n, lengths = len(self.split), self.split.lengths
        if self.shuffle is None:
            return self._cut(np.arange(n) if lengths is None else _sorted(np.arange(n), lengths))
        drawn = torch.randperm(n, generator=self.shuffle).numpy()[: len(self) * self.size]
        if lengths is None:
            return self._cut(drawn)
        pool = POOL * self.size
        batches = [
            batch
            for start in range(0, len(drawn), pool)
            for batch in self._cut(_sorted(drawn[start : start + pool], lengths))
        ]
        # Otherwise every pool would begin with its shortest texts.
        return [batches[at] for at in torch.randperm(len(batches), generator=self.shuffle)]

    def _cut(self, order: Indices) -> list[Indices]:
        return [order[start : start + self.size] for start in range(0, len(order), self.size)]


def _sorted(at: Indices, lengths: Indices) -> Indices:
    return at[np.argsort(lengths[at], kind="stable")]
