"""Figures of an evaluation as PNG bytes. The same numbers give the same bytes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tidemill.learn.calibrate import expected_calibration_error, reliability
from tidemill.learn.corruption_robustness import CorruptionRobustness
from tidemill.learn.evaluate import Scores
from tidemill.learn.roc import curve
from tidemill.learn.split_predictions import SplitPredictions

INK, BAR, GAP = "#1f2933", "#2f6f9f", "#d1495b"
MAX_POINTS = 2_000
"""Points of an embedding that a figure shows."""


def confusion_figure(scores: Scores, title: str) -> bytes:
    """Return the confusion matrix: numbers are counts, shades are shares of the row's label."""
    counts = np.array(scores.confusion)
    names = [row.label for row in scores.classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.5, 1.6 + 0.75 * len(names))
    figure = Figure(figsize=(side + 0.6, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
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


def reliability_figure(answers: SplitPredictions, target: str) -> bytes:
    """Return accuracy against confidence in equal-width bins, before and after scaling.

    Below, how many examples each bin holds. A calibrated model's bars end on the diagonal.
    """
    truth = answers.truth[target]
    figure = Figure(figsize=(9.6, 5.6), dpi=110, layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    shown = {"before scaling": answers.unscaled[target], "scaled": answers.probabilities[target]}
    for (name, probabilities), (upper, lower) in zip(shown.items(), grid.T, strict=True):
        table = reliability(probabilities, truth)
        error = expected_calibration_error(probabilities, truth)
        bins = len(table.counts)
        left = np.arange(bins) / bins
        filled = table.counts > 0
        bar: dict[str, Any] = {"width": 1 / bins, "align": "edge", "edgecolor": "white"}
        upper.bar(left, table.accuracy, color=BAR, label="accuracy", **bar)
        upper.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, label="calibrated")
        upper.plot(
            table.confidence[filled],
            table.accuracy[filled],
            "o",
            color=GAP,
            label="mean confidence",
        )
        upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
        upper.legend(loc="upper left", frameon=False)
        upper.set_title(f"{name}: expected calibration error {error:.3f}", fontsize=11)
        lower.bar(left, table.counts, color=BAR, **bar)
        lower.set(xlabel="confidence", ylabel="examples")
    figure.suptitle(f"{target}, {len(truth)} examples", fontsize=11)
    return _png(figure)


def roc_figure(answers: SplitPredictions, target: str) -> bytes:
    """Return the ROC curve of each label against all others."""
    figure = Figure(figsize=(5.6, 5.4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for at, row in enumerate(answers.scores[target].classes):
        points = curve(answers.probabilities[target][:, at], answers.truth[target] == at)
        if points is not None:
            axes.plot(*points, label=f"{row.label}, area {row.auc:.3f}")
    axes.plot([0, 1], [0, 1], "--", color=INK, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right", frameon=False)
    axes.set_title(f"{target}, one label against the others", fontsize=11)
    return _png(figure)


def embedding_figure(answers: SplitPredictions, target: str) -> bytes:
    """Return the embeddings in the plane in which they vary most, coloured by their true label.

    The two axes are the first principal directions (I. T. Jolliffe, "Principal Component
    Analysis", 2002, section 1.1); the figure does not show the rest of the variance.
    """
    shown = answers.embedding[:MAX_POINTS].astype(np.float64)
    centred = shown - shown.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(shown), 2))
    plane[:, : min(2, len(directions))] = centred @ directions[:2].T
    share = float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), np.finfo(float).tiny))
    figure = Figure(figsize=(6.4, 5.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for at, row in enumerate(answers.scores[target].classes):
        mine = answers.truth[target][:MAX_POINTS] == at
        axes.scatter(plane[mine, 0], plane[mine, 1], s=9, alpha=0.6, linewidths=0, label=row.label)
    axes.set(xticks=[], yticks=[])
    axes.legend(frameon=False, markerscale=2)
    axes.set_title(
        f"{target}: embeddings of {len(shown)} examples, {share:.0%} of their variance", fontsize=11
    )
    return _png(figure)


def corruptions_figure(robustness: CorruptionRobustness, target: str) -> bytes:
    """Return accuracy against the strength of each corruption; at 0 the images are original."""
    figure = Figure(figsize=(6.4, 5.0), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for kind, row in robustness.kinds[target].items():
        axes.plot(range(len(row) + 1), (robustness.untouched[target], *row), "o-", label=kind)
    axes.set(ylim=(0, 1.02), xlabel="strength", ylabel="accuracy")
    axes.legend(loc="lower left", frameon=False, ncols=2)
    axes.set_title(f"{target}: {robustness.examples} validation examples, corrupted", fontsize=11)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    target = BytesIO()
    # matplotlib would write its own version into the file, and change its bytes with each release.
    figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()
