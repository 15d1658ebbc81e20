"""Confidence bounds for comparing two models on the same examples."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
RESAMPLES = 4_000
SEED = 0


def paired_lower_bound(challenger: Bools, champion: Bools, *, confidence: float) -> float:
    """Return the lower end of the one-sided interval of the difference challenger - champion.

    The paired percentile bootstrap of the accuracies (Efron 1979). A pair contributes -1, 0 or 1,
    so resampling n pairs with replacement is one multinomial draw over three counts. The
    distribution is the same, and the cost does not grow with n. Needs at least one pair. The seed
    is fixed, because the same evidence must give the same verdict.
    """
    gained = int(np.sum(challenger & ~champion))
    lost = int(np.sum(champion & ~challenger))
    n = len(challenger)
    shares = [lost / n, (n - gained - lost) / n, gained / n]
    draws = np.random.default_rng(SEED).multinomial(n, shares, size=RESAMPLES)
    return float(np.quantile((draws[:, 2] - draws[:, 0]) / n, 1 - confidence))


def accuracy_lower_bound(correct: Bools, *, confidence: float) -> float:
    """Return the lower end of the one-sided Wilson score interval of an accuracy (Wilson 1927)."""
    n, share = len(correct), float(correct.mean())
    z = NormalDist().inv_cdf(confidence)
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (centre - spread) / (1 + z * z / n))
