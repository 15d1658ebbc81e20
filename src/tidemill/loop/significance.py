"""Compute the p-value of a distance between two sets of counts."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tidemill.loop.distance import Counts, distances

EXCEEDANCES = 20
"""So many resamples at least as far apart give a p-value with a relative error of a fifth."""
CELLS = 500_000
"""The most bins times resamples for one feature: 0.1 s, at 0.2 microseconds a cell."""
CERTAIN = 1e-3
"""Draws are skipped when the chi-square tail is below this share of `alpha / tests`.

The tail errs towards larger p-values.
"""
CHUNK = 20_000
"""The number of cells drawn at once: half a megabyte."""
ROUNDING = 1 - 1e-9
"""Tolerance for rounding: resamples as far apart as the observed counts count as such."""


def p_value(
    reference: Counts, live: Counts, *, tests: int, alpha: float, rng: np.random.Generator
) -> float:
    """Return the probability that two samples of one source are at least this far apart.

    The larger of two p-values, for PSI and for the Jensen-Shannon distance, so both must be
    significant. It is precise enough for a comparison with `alpha / tests`. The order of bins does
    not matter.

    A parametric bootstrap. Both sides are drawn from their pooled shares, each with its own size,
    until 20 resamples are at least as far apart (sequential Monte Carlo p-values: Besag and
    Clifford 1991) or `20 * tests / alpha` are drawn. The cost does not depend on the number of
    examples, and grows with bins and tests. CELLS limits the draws for many bins. If it allows
    fewer than `tests / alpha`, p is the tail of a chi-square distribution. So it is when that tail
    is below a thousandth of `alpha / tests`, which leaves no doubt.
    """
    known, observed = np.asarray(reference, np.int64), np.asarray(live, np.int64)
    filled = known + observed > 0
    known, observed = known[filled], observed[filled]
    # Rounding of sums depends on their order, so the bins are sorted.
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

    PSI, and eight times the divergence, both in nats and over `1/n + 1/m`, have `bins - 1` degrees
    of freedom. With many nearly empty bins the p-value is too large, never much too small.
    """
    # Loaded here, because SciPy takes a quarter of a second and most processes test nothing.
    from scipy.special import gammaincc

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
    # The fullest bin comes first, so that neither draws nor result depend on the order of bins.
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
            # The measure that reaches the number first has the larger p-value.
            return EXCEEDANCES / min(ends)
        done, rows = done + rows, 2 * rows
    return (1 + max(exceeded)) / (1 + draws)
