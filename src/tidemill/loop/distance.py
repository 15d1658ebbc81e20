"""Measure the distance of two sets of counts over the same bins."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Counts = Sequence[int] | npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SMOOTHING = 0.5
"""Half a count is added to every bin, as for log odds (Haldane 1956).

An empty bin would be infinitely far from any other.
"""


def psi(reference: Counts, live: Counts) -> float:
    """Return the population stability index: the sum over bins of `(q - p) * ln(q / p)`.

    In nats: 0 for equal counts, without an upper limit; p and q are the shares of both sides
    (Siddiqi, Credit Risk Scorecards, 2006). Bins that are empty on both sides are left out; half a
    count is added to the others. Two samples of one source have a PSI of about `(bins - 1) * (1/n +
    1/m)` for n and m examples (Yurdakul, Statistical Properties of Population Stability Index,
    2018).
    """
    return float(distances(np.asarray(reference), np.asarray(live))[0])


def js(reference: Counts, live: Counts) -> float:
    """Return the Jensen-Shannon distance in base 2: 0 for equal counts, at most 1.

    The square root of the mean divergence of both sides from their mean (Lin, Divergence Measures
    Based on the Shannon Entropy, 1991). Bins and half counts are as for `psi`.
    """
    return math.sqrt(float(distances(np.asarray(reference), np.asarray(live))[1]) / math.log(2))


def distances(
    reference: npt.NDArray[np.int64], live: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return PSI and Jensen-Shannon divergence, both in nats, along the last axis."""
    added = SMOOTHING * (reference + live > 0)
    p, log_p = _shares(reference + added)
    q, log_q = _shares(live + added)
    log_middle = np.log(np.maximum((p + q) / 2, TINY))
    divergence = (p * (log_p - log_middle) + q * (log_q - log_middle)).sum(axis=-1) / 2
    # Rounding may make the divergence of equal counts slightly negative.
    return ((q - p) * (log_q - log_p)).sum(axis=-1), np.maximum(divergence, 0.0)


TINY = np.finfo(np.float64).tiny


def _shares(smoothed: Floats) -> tuple[Floats, Floats]:
    """Return shares and their logarithms; an omitted bin has share 0 and adds 0 to any sum."""
    shares: Floats = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return shares, np.log(np.maximum(shares, TINY))
