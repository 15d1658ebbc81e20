"""How surprising a distance between two sets of counts is."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc

from tidemill.loop.distance import Counts, distances

EXCEEDANCES = 20
"""As many resamples at least as far apart tell a p-value to about a fifth of itself."""
CELLS = 500_000
"""Bins times resamples that one feature may cost: 0.1 s, at the 0.2 microseconds of a cell."""
CERTAIN = 1e-3
"""As small a part of `alpha / tests` is the chi-square tail, which errs to the large side, where
drawing is spared."""
CHUNK = 20_000
"""Cells that are drawn at once: half a megabyte."""
ROUNDING = 1 - 1e-9
"""Resamples as far apart as the observed counts count as such, in whatever order bins are added."""


def p_value(
    reference: Counts, live: Counts, *, tests: int, alpha: float, rng: np.random.Generator
) -> float:
    """Return how often two samples of one source are at least this far apart.

    The larger one of two p-values, for PSI and for the Jensen-Shannon distance: both must be
    surprising. It is fine enough to be held against `alpha / tests`. The order of bins does not
    matter.

    A parametric bootstrap. Both sides are drawn anew, each in its own number, from their pooled
    shares, until 20 resamples were at least as far apart (sequential Monte Carlo p-values: Besag
    and Clifford 1991) or `20 * tests / alpha` were drawn. Drawing costs the same for any number of
    examples, and grows with bins and tests; where the bins allow fewer draws than those, fewer are
    made. Where they do not even allow `tests / alpha`, and where it is below a thousandth of
    `alpha / tests` and so leaves no doubt, p is the tail of a chi-square distribution.
    """
    known, observed = np.asarray(reference, np.int64), np.asarray(live, np.int64)
    filled = known + observed > 0
    known, observed = known[filled], observed[filled]
    # Sums are rounded by their order, so the bins get one of their own.
    order = np.lexsort((observed, known))
    known, observed = known[order], observed[order]
    if len(known) < 2:
        return 1.0
    draws = min(math.ceil(EXCEEDANCES * tests / alpha), CELLS // len(known))
    tail = chi_square(known, observed)
    if tail < CERTAIN * alpha / tests or 1 / (1 + draws) > alpha / tests:
        return tail
    return _bootstrap(known, observed, draws, rng)


def chi_square(reference: npt.NDArray[np.int64], live: npt.NDArray[np.int64]) -> float:
    """Return the same for large counts, where both distances follow a chi-square distribution.

    With `bins - 1` degrees of freedom these do, both in nats: PSI, and eight times the divergence,
    over `1/n + 1/m`. Many nearly empty bins make it too large, never much too small.
    """
    index, divergence = distances(reference, live)
    scale = 1 / reference.sum() + 1 / live.sum()
    nearer = min(float(index), 8 * float(divergence)) / scale
    return float(gammaincc((len(reference) - 1) / 2, nearer / 2))


def _bootstrap(
    reference: npt.NDArray[np.int64],
    live: npt.NDArray[np.int64],
    draws: int,
    rng: np.random.Generator,
) -> float:
    # The fullest bin first: then neither draw nor result depends on the order of bins.
    pooled = np.sort(reference + live)[::-1]
    shares = pooled / pooled.sum()
    n, m = int(reference.sum()), int(live.sum())
    observed = [ROUNDING * float(distance) for distance in distances(reference, live)]
    exceeded, done, rows = [0, 0], 0, 5 * EXCEEDANCES
    while done < draws:
        rows = min(rows, draws - done, max(1, CHUNK // len(pooled)))
        resampled = distances(
            rng.multinomial(n, shares, size=rows), rng.multinomial(m, shares, size=rows)
        )
        ends = []
        for which, distance in enumerate(resampled):
            hits = np.flatnonzero(distance >= observed[which])
            wanted = EXCEEDANCES - exceeded[which]
            if len(hits) >= wanted:
                ends.append(done + int(hits[wanted - 1]) + 1)
            exceeded[which] += len(hits)
        if ends:
            # The measure that got there first has the larger p-value of the two.
            return EXCEEDANCES / min(ends)
        done, rows = done + rows, 2 * rows
    return (1 + max(exceeded)) / (1 + draws)
