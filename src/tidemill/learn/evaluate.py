"""Score a classifier by its probabilities and the true labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.domain.errors import DataError
from tidemill.evaluation.scores import ClassScore
from tidemill.learn.calibrate import expected_calibration_error, negative_log_likelihood
from tidemill.learn.roc import area


@dataclass(frozen=True, slots=True)
class Scores:
    """All figures of one target on one split.

    `macro_f1` is the mean over the labels that occur, as truth or as answer. `confusion[i][j]`
    counts examples of label i that were answered j. `nll` is the mean negative log-likelihood in
    nats, `ece` the expected calibration error in 15 bins.
    """

    examples: int
    accuracy: float
    macro_f1: float
    nll: float
    ece: float
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `evaluation.json`."""
        return asdict(self)


def evaluate(
    probabilities: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.integer[Any]],
    names: Sequence[str],
) -> Scores:
    """Score probabilities [n, k] against positions [n]; `names` are the k labels in order.

    Raises DataError when there is no example, when the shapes disagree, or when a probability is
    not finite.
    """
    if len(labels) == 0 or probabilities.shape != (len(labels), len(names)):
        raise DataError(
            f"Probabilities {probabilities.shape} do not fit {len(labels)} examples"
            f" of {len(names)} labels."
        )
    if not np.isfinite(probabilities).all():
        raise DataError("The model answers with probabilities that are not numbers.")
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1), len(names))
    classes = tuple(
        _class_score(confusion, at, name, area(probabilities[:, at], labels == at))
        for at, name in enumerate(names)
    )
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    return Scores(
        examples=len(labels),
        accuracy=float(confusion.trace() / len(labels)),
        macro_f1=float(
            np.mean([row.f1 for row, present in zip(classes, occurs, strict=True) if present])
        ),
        nll=negative_log_likelihood(probabilities, labels),
        ece=expected_calibration_error(probabilities, labels),
        classes=classes,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def confusion_matrix(
    truth: npt.NDArray[np.integer[Any]], answers: npt.NDArray[np.integer[Any]], size: int
) -> npt.NDArray[np.int64]:
    """Return counts [size, size]: the row is the true position, the column the answered one."""
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (truth, answers), 1)
    return counts


def _class_score(
    confusion: npt.NDArray[np.int64], at: int, name: str, auc: float | None
) -> ClassScore:
    right = int(confusion[at, at])
    support, answered = int(confusion[at].sum()), int(confusion[:, at].sum())
    return ClassScore(
        label=name,
        precision=right / answered if answered else 0.0,
        recall=right / support if support else 0.0,
        f1=2 * right / (support + answered) if support + answered else 0.0,
        support=support,
        auc=auc,
    )
