"""Calibrate confidence by temperature scaling, and measure the calibration error.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: section 4.2
for temperature scaling, section 2 for the expected calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tidemill.domain.errors import DataError

Floats = npt.NDArray[np.floating[Any]]
Positions = npt.NDArray[np.integer[Any]]

BINS = 15
LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of a temperature. A perfect validation score would otherwise drive it to zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Per bin of confidence: examples, mean confidence and accuracy (both 0 where empty)."""

    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]


def fit_temperature(logits: Floats, labels: Positions) -> float:
    """Return the T > 0 whose softmax(logits / T) gives these labels [n] the least mean NLL.

    `logits` [n, k] must be of held-out examples: on training data confidence looks deserved.
    The loss is convex in 1 / T, so a bounded search finds its one minimum. Raises DataError when
    there is no example or a logit is not finite.
    """
    if len(labels) == 0 or not np.isfinite(logits).all():
        raise DataError("A temperature needs examples whose logits are finite.")
    wide = logits.astype(np.float64)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(wide / np.exp(log_temperature), axis=1)[rows, labels]
        return -float(likelihood.mean())

    minimum = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(minimum.x))


def negative_log_likelihood(probabilities: Floats, labels: Positions) -> float:
    """Return the mean of -log p(truth) in nats; a probability of 0 counts as 1e-12."""
    truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(truth, 1e-12)).mean())


def reliability(probabilities: Floats, labels: Positions, *, bins: int = BINS) -> Reliability:
    """Sort the answers [n, k] by confidence into bins (i/bins, (i+1)/bins]."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    at = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    filled = np.maximum(counts, 1)
    return Reliability(
        counts=counts,
        confidence=np.bincount(at, weights=confidence, minlength=bins) / filled,
        accuracy=np.bincount(at, weights=right, minlength=bins) / filled,
    )


def expected_calibration_error(
    probabilities: Floats, labels: Positions, *, bins: int = BINS
) -> float:
    """Return the mean over all examples of |accuracy - confidence| of their bin.

    This is equation 3 of the paper.
    """
    table = reliability(probabilities, labels, bins=bins)
    gaps = np.abs(table.accuracy - table.confidence)
    return float((table.counts * gaps).sum() / len(labels))
