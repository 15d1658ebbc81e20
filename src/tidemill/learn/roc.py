"""Measure how well probabilities rank the examples of a label above the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def curve(
    probabilities: npt.NDArray[np.floating[Any]], positive: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats] | None:
    """Return the ROC curve as (false positive rates, true positive rates), from (0, 0) to (1, 1).

    `probabilities` [n] are of one label, `positive` [n] says whose it is. Equal probabilities are
    one point (T. Fawcett, "An introduction to ROC analysis", 2006, algorithm 1). None when there
    are no positives, or nothing else.
    """
    positives = int(positive.sum())
    if positives in (0, len(positive)):
        return None
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = np.cumsum(positive[order])[last]
    rates = hits / positives, (last + 1 - hits) / (len(positive) - positives)
    return np.append(0.0, rates[1]), np.append(0.0, rates[0])


def area(
    probabilities: npt.NDArray[np.floating[Any]], positive: npt.NDArray[np.bool_]
) -> float | None:
    """Return the area under `curve`: the chance that a positive ranks above a negative, ties
    halved.
    """
    points = curve(probabilities, positive)
    return None if points is None else float(np.trapezoid(points[1], points[0]))
