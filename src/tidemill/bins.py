"""Bins of features: their edges, and the bin of each value.

The inner edges of a number are the deciles of the reference values (order statistics, as in
R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", 1996, definition 1), so that
each bin holds a tenth of them, which is usual for the population stability index (N. Siddiqi,
"Credit Risk Scorecards", 2006). A value that a tenth of them share has a bin of its own, so that a
rise of a constant is noticed. Values that are not finite fall into the last bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from tidemill.domain.errors import DataError

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
BinRows = npt.NDArray[np.uint8]

MOST = 255
"""Bins that a feature may have: a bin is stored as one byte."""


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The bins of several features, concatenated; `ends` are the upper edges of each."""

    ends: tuple[Floats, ...]
    sizes: tuple[int, ...]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, named: Sequence[Sequence[str]], edges: Sequence[Floats]) -> Self:
        """Return one feature for each row of `named`: its classes, or none for the next row of
        `edges`.
        """
        numbers = iter(edges)
        ends = tuple(
            np.arange(1.0, len(names)) if names else np.append(next(numbers), np.inf)
            for names in named
        )
        sizes = tuple(len(row) + 1 for row in ends)
        return cls(ends, sizes, np.cumsum([0, *sizes[:-1]]))

    def put(self, values: Floats) -> BinRows:
        """Return the bins [n, F] of values [F, n]. Changes `values`."""
        values[~np.isfinite(values)] = np.inf
        out = np.empty(values.shape[::-1], np.uint8)
        for at, (ends, row) in enumerate(zip(self.ends, values, strict=True)):
            out[:, at] = ends.searchsorted(row, "right")
        return out

    def count(self, rows: BinRows) -> Counts:
        """Count the rows in each bin. Raises DataError for an unknown bin."""
        if (rows >= np.array(self.sizes)).any():
            raise DataError("What was seen of an answer is in a bin that the reference has not.")
        places = (rows + self.starts).ravel()
        return np.bincount(places, minlength=sum(self.sizes)).astype(np.int64, copy=False)


def find_edges(values: Floats) -> Floats:
    """Return the deciles of the finite values, and both sides of each value that a tenth of them
    share.
    """
    ordered = np.sort(values[np.isfinite(values)])
    if not len(ordered):
        return ordered
    deciles = ordered[np.arange(1, 10) * len(ordered) // 10]
    distinct, times = np.unique(ordered, return_counts=True)
    shared = distinct[(times > 1) & (10 * times >= len(ordered))]
    with np.errstate(over="ignore"):  # above the largest number there is none
        above = np.nextafter(shared, np.inf)
    edges = np.unique(np.concatenate([deciles, shared, above]))
    finite: Floats = edges[np.isfinite(edges)]
    return finite


def describe_bins(edges: Floats) -> tuple[str, ...]:
    """Describe each bin of a number for people."""
    if not len(edges):
        return "any number", "not a number"
    alone = [after == np.nextafter(edge, np.inf) for edge, after in pairwise(edges)]
    written = _written(edges, [False, *alone])
    between = [
        low if one else f"{low}..{high}"
        for (low, high), one in zip(pairwise(written), alone, strict=True)
    ]
    last = f"over {written[-1]}" if [False, *alone][-1] else f"{written[-1]} or more"
    return f"under {written[0]}", *between, last, "not a number"


def _written(edges: Floats, again: Sequence[bool]) -> list[str]:
    """Return edges in as few digits as distinguish them, without the end of a single value's bin.

    Seventeen digits distinguish any two numbers.
    """
    own_edges = [edge for edge, closes in zip(edges.tolist(), again, strict=True) if not closes]
    for digits in range(2, 18):
        texts = [f"{edge:.{digits}g}" for edge in own_edges]
        if len(set(texts)) == len(texts):
            break
    each = iter(texts)
    written: list[str] = []
    for closes in again:
        written.append(written[-1] if closes else next(each))
    return written
