"""Simulated traffic for the drift test: a reference, and windows of what came later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tidemill.bins import Bins, find_edges

Counts = npt.NDArray[np.int64]
EXAMPLES = 300
"""Held-out examples, about as many as the painted leaves leave."""
MEASURES = tuple(f"measure.{at}" for at in range(8))
DIRECTIONS = tuple(f"embedding.{at}" for at in range(4))
LABEL, CONFIDENCE = "prediction.disease", "confidence.disease"
NAMES = (*MEASURES, LABEL, CONFIDENCE, *DIRECTIONS)
SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)
"""Of the five labels."""
CORRELATION = 0.5
"""Of any two numbers."""
NAMED = tuple(tuple("abcde") if name == LABEL else () for name in NAMES)


@dataclass(frozen=True, slots=True)
class Shift:
    """What changed since the reference: by so many standard deviations the first measure, by such
    a share of all predictions the first label, at the cost of the second and third."""

    deviations: float = 0.0
    share: float = 0.0


SAME = Shift()


def values(rng: np.random.Generator, n: int, shift: Shift = SAME) -> npt.NDArray[np.float64]:
    """[F, n]: fourteen features, the numbers correlated normals, the confidence skewed."""
    shared = rng.standard_normal(n)
    own = rng.standard_normal((len(NAMES), n))
    rows: npt.NDArray[np.float64] = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
    rows[0] += shift.deviations
    rows[NAMES.index(CONFIDENCE)] = 1 / (1 + np.exp(-2 - rows[NAMES.index(CONFIDENCE)]))
    shares = np.array(SHARES)
    shares[0] += shift.share
    shares[1:3] -= shift.share / 2
    rows[NAMES.index(LABEL)] = rng.choice(len(shares), size=n, p=shares)
    return rows


@dataclass(frozen=True)
class Held:
    """A reference: bins cut at the deciles of its own examples, as a bundle's are."""

    bins: Bins
    counts: Mapping[str, Counts] = field(repr=False)

    @classmethod
    def draw(cls, rng: np.random.Generator, examples: int = EXAMPLES) -> Held:
        rows = values(rng, examples)
        numbers = [row for row, labels in zip(rows, NAMED, strict=True) if not labels]
        bins = Bins.of(NAMED, [find_edges(row) for row in numbers])
        return cls(bins, _split(bins, rows))

    def window(self, rng: np.random.Generator, n: int, shift: Shift = SAME) -> dict[str, Counts]:
        """The counts of n predictions, by feature."""
        return _split(self.bins, values(rng, n, shift))


def pairs(
    rng: np.random.Generator, n: int, number: int, shift: Shift = SAME
) -> Iterator[tuple[Mapping[str, Counts], dict[str, Counts]]]:
    """So many windows, each with a reference of its own."""
    for _ in range(number):
        reference = Held.draw(rng)
        yield reference.counts, reference.window(rng, n, shift)


def _split(bins: Bins, rows: npt.NDArray[np.float64]) -> dict[str, Counts]:
    counted = bins.count(bins.put(rows))
    return dict(zip(NAMES, np.split(counted, bins.starts[1:]), strict=True))
