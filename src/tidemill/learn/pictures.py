"""Pictures of an evaluation, as PNG bytes that depend on the figures alone."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tidemill.learn.calibrate import expected_calibration_error, reliability
from tidemill.learn.evaluate import Scores

INK, BAR, GAP = "#1f2933", "#2f6f9f", "#d1495b"


def confusion_picture(scores: Scores, title: str) -> bytes:
    """The confusion matrix: shade is the share of the true label's row, numbers are counts."""
    counts = np.array(scores.confusion)
    names = [row.label for row in scores.classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.5, 1.6 + 0.75 * len(names))
    figure = Figure(figsize=(side + 0.6, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answered", ylabel="true")
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.5 else INK,
            )
    axes.set_title(
        f"{title}\naccuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f},"
        f" {scores.examples} examples",
        fontsize=11,
    )
    return _png(figure)


def reliability_picture(
    probabilities: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.integer[Any]],
    title: str,
) -> bytes:
    """Accuracy against confidence in equal-width bins, over how many examples each bin holds.

    A calibrated model's bars end on the diagonal.
    """
    table = reliability(probabilities, labels)
    error = expected_calibration_error(probabilities, labels)
    bins = len(table.counts)
    left = np.arange(bins) / bins
    figure = Figure(figsize=(5.2, 5.6), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    filled = table.counts > 0
    bar: dict[str, Any] = {"width": 1 / bins, "align": "edge", "edgecolor": "white"}
    upper.bar(left, table.accuracy, color=BAR, label="accuracy", **bar)
    upper.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, label="calibrated")
    upper.plot(
        table.confidence[filled], table.accuracy[filled], "o", color=GAP, label="mean confidence"
    )
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    upper.legend(loc="upper left", frameon=False)
    upper.set_title(
        f"{title}\nexpected calibration error {error:.3f}, {len(labels)} examples", fontsize=11
    )
    lower.bar(left, table.counts, color=BAR, **bar)
    lower.set(xlabel="confidence", ylabel="examples")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    target = BytesIO()
    # matplotlib would write its own version into the file, and other bytes with each release.
    figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()
