"""What a model answered to one split, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from tidemill.learn.arrays import Indices
from tidemill.learn.calibrate import expected_calibration_error
from tidemill.learn.evaluate import Scores, evaluate
from tidemill.learn.network import EMBEDDING, logits_of
from tidemill.predictor import softmax

Floats = npt.NDArray[np.float64]
Classes = Mapping[str, Sequence[str]]


class Judged(Protocol):
    """What answers are judged by: the labels of n examples, and where each came from."""

    @property
    def labels(self) -> Mapping[str, Indices]:
        """Per target int64 [n], positions in that target's label names."""

    @property
    def sources(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
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
        split: Judged,
        temperatures: Mapping[str, float],
        classes: Classes,
    ) -> Self:
        """Of a network's outputs for the examples of a split, not divided by temperatures yet."""
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
        """A target's scores, its calibration error before scaling, and accuracy by source."""
        truth = self.truth[target]
        right = self.probabilities[target].argmax(axis=1) == truth
        return self.scores[target].to_json() | {
            "ece_unscaled": expected_calibration_error(self.unscaled[target], truth),
            "sources": {
                str(source): {
                    "examples": int((at := self.sources == source).sum()),
                    "accuracy": float(right[at].mean()),
                }
                for source in np.unique(self.sources)
            },
        }
