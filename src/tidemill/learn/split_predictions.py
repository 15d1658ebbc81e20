"""A model's predictions for one split, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from tidemill.domain.types import Classes
from tidemill.learn.arrays import Indices
from tidemill.learn.calibrate import expected_calibration_error, reliability
from tidemill.learn.evaluate import Scores, evaluate
from tidemill.learn.network import EMBEDDING, logits_of
from tidemill.predictor import softmax

Floats = npt.NDArray[np.float64]


class LabelledSplit(Protocol):
    """The labels and sources of the n examples of a split."""

    @property
    def labels(self) -> Mapping[str, Indices]:
        """Per target int64 [n], positions in that target's classes."""

    @property
    def sources(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class SplitPredictions:
    """Per target: calibrated probabilities [n, k], those before scaling, the truth and the scores.

    `embedding` is [n, d]; `sources` says where each of the n examples came from.
    """

    probabilities: Mapping[str, Floats]
    unscaled: Mapping[str, Floats]
    truth: Mapping[str, Indices]
    scores: Mapping[str, Scores]
    embedding: npt.NDArray[np.floating[Any]]
    sources: npt.NDArray[np.str_]

    @classmethod
    def of(
        cls,
        outputs: Mapping[str, npt.NDArray[np.floating[Any]]],
        split: LabelledSplit,
        temperatures: Mapping[str, float],
        classes: Classes,
    ) -> Self:
        """Build predictions from a network's outputs before temperature scaling."""
        logits = {target: outputs[logits_of(target)] for target in classes}
        probabilities = {
            target: softmax(rows / temperatures[target]) for target, rows in logits.items()
        }
        scores = {
            target: evaluate(probabilities[target], split.labels[target], names)
            for target, names in classes.items()
        }
        return cls(
            probabilities,
            {target: softmax(rows) for target, rows in logits.items()},
            split.labels,
            scores,
            outputs[EMBEDDING],
            np.array(split.sources, np.str_),
        )

    def to_json(self, target: str) -> dict[str, Any]:
        """Return a target's scores, its calibration, and its accuracy by source."""
        truth = self.truth[target]
        table = reliability(self.probabilities[target], truth)
        bins = zip(table.counts, table.confidence, table.accuracy, strict=True)
        right = self.probabilities[target].argmax(axis=1) == truth
        return self.scores[target].to_json() | {
            "ece_unscaled": expected_calibration_error(self.unscaled[target], truth),
            "reliability": [
                {
                    "examples": int(count),
                    "confidence": float(confidence),
                    "accuracy": float(accuracy),
                }
                for count, confidence, accuracy in bins
                if count
            ],
            "sources": {
                str(source): {
                    "examples": int((at := self.sources == source).sum()),
                    "accuracy": float(right[at].mean()),
                }
                for source in np.unique(self.sources)
            },
        }
