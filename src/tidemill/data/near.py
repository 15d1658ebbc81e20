"""Groups of near-duplicates among 64-bit perceptual hashes, without comparing every pair.

The pigeonhole principle: cut the 64 bits into d + 1 chunks. Two hashes that differ in at most d
bits agree in at least one whole chunk. So only hashes with an equal chunk are compared, and no pair
is missed. With d = 6 a chunk has nine bits, so n random hashes cost about 7 * n^2 / 2^10
comparisons instead of n^2 / 2. Equal hashes are joined first, so a thousand copies of one image
cost nothing. The saving shrinks as d grows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tidemill.domain.errors import UsageError

BITS = 64
CELLS = 2**21
"""The number of pairs compared at once, which limits the memory of a large bucket."""

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class NearGroups:
    """`groups` are ascending positions of hashes, two or more each; `compared` counts pairs."""

    groups: tuple[tuple[int, ...], ...]
    compared: int


def group(hashes: Sequence[int], distance: int) -> NearGroups:
    """Join hashes that lie within `distance` bits of each other, transitively.

    Groups come in the order of their first members. Raises UsageError when `distance` is not in
    0..63.
    """
    if not 0 <= distance < BITS:
        raise UsageError(f"A near-duplicate distance of {distance} is not in 0..{BITS - 1}.")
    values, inverse = np.unique(np.array(hashes, dtype=np.uint64), return_inverse=True)
    forest = list(range(len(values)))
    compared = 0
    for bucket in _buckets(values, distance + 1):
        compared += len(bucket) * (len(bucket) - 1) // 2
        for left, right in _close_pairs(values, bucket, distance):
            _join(forest, left, right)
    members: dict[int, list[int]] = {}
    for position, value in enumerate(inverse.tolist()):
        members.setdefault(_root(forest, value), []).append(position)
    return NearGroups(
        tuple(tuple(positions) for positions in members.values() if len(positions) > 1), compared
    )


def _buckets(values: Hashes, chunks: int) -> Iterator[Positions]:
    """Yield the positions that agree in one chunk, for every value that two or more share."""
    edges = [BITS * chunk // chunks for chunk in range(chunks + 1)]
    for low, high in pairwise(edges):
        mask = np.uint64((1 << (high - low)) - 1)
        keys = (values >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order])) + 1
        for bucket in np.split(order, starts):
            if len(bucket) > 1:
                yield bucket


def _close_pairs(values: Hashes, bucket: Positions, distance: int) -> Iterator[tuple[int, int]]:
    own = values[bucket]
    height = max(1, CELLS // len(bucket))
    for start in range(0, len(bucket), height):
        block = own[start : start + height]
        apart = np.bitwise_count(block[:, None] ^ own[None, start:])
        # Row r of the block is column r here: above the diagonal each pair appears once.
        rows, columns = np.nonzero(np.triu(apart <= distance, k=1))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            yield int(bucket[start + row]), int(bucket[start + column])


def _root(forest: list[int], node: int) -> int:
    while forest[node] != node:
        forest[node] = forest[forest[node]]
        node = forest[node]
    return node


def _join(forest: list[int], left: int, right: int) -> None:
    forest[_root(forest, right)] = _root(forest, left)
