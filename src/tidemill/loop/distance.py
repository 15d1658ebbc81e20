"""How far apart two sets of counts over the same bins are, whatever was counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Counts = Sequence[int] | npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SMOOTHING = 0.5
"""Added to every count that is compared, since an empty bin would be infinitely far from any
other: half a count, as for log odds (Haldane 1956)."""


def psi(reference: Counts, live: Counts) -> float:
    """Return the population stability index: the sum over bins of `(q - p) * ln(q / p)`.

    In nats, 0 for equal counts and without an upper end; p and q are the shares of both sides
    (Siddiqi, Credit Risk Scorecards, 2006). Bins empty on both sides are left out, half a count is
    added to the others. Counts of one source are not 0 apart: about `(bins - 1) * (1/n + 1/m)` for
    n and m examples (Yurdakul, Statistical Properties of Population Stability Index, 2018).
    """
    return float(distances(np.asarray(reference), np.asarray(live))[0])


def js(reference: Counts, live: Counts) -> float:
    """Return the Jensen-Shannon distance in base 2: 0 for equal counts, 1 is never exceeded.

    The square root of the mean divergence of both sides from the middle between them (Lin,
    Divergence Measures Based on the Shannon Entropy, 1991). The same bins and the same half count
    as for `psi`.
    """
    return math.sqrt(float(distances(np.asarray(reference), np.asarray(live))[1]) / math.log(2))


def distances(
    reference: npt.NDArray[np.int64], live: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """PSI and Jensen-Shannon divergence, both in nats, along the last axis."""
    added = SMOOTHING * (reference + live > 0)
    p, log_p = _shares(reference + added)
    q, log_q = _shares(live + added)
    log_middle = np.log(np.maximum((p + q) / 2, TINY))
    divergence = (p * (log_p - log_middle) + q * (log_q - log_middle)).sum(axis=-1) / 2
    # Rounding may leave the divergence of equals a hair below nothing.
    return ((q - p) * (log_q - log_p)).sum(axis=-1), np.maximum(divergence, 0.0)


TINY = np.finfo(np.float64).tiny


def _shares(smoothed: Floats) -> tuple[Floats, Floats]:
    """Shares and their logarithms; a bin that is left out has share 0 and adds 0 to any sum."""
    shares: Floats = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return shares, np.log(np.maximum(shares, TINY))
