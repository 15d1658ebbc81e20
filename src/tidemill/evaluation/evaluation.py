"""The scores of a model: the `evaluation.json` of a bundle as typed values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from tidemill.domain.types import SPLITS, Split
from tidemill.evaluation.notebook import render_evaluation
from tidemill.evaluation.scores import (
    ClassScore,
    ConfidenceBin,
    SourceScore,
    SplitScores,
    TargetRobustness,
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a model. `figures` is the whole file.

    `targets` maps each target to its scores by split; a split that was not scored is absent.
    `robustness` holds, by target, the accuracy on corrupted validation images, where that was
    measured.
    """

    targets: Mapping[str, Mapping[Split, SplitScores]]
    figures: Mapping[str, Any] = field(repr=False)
    robustness: Mapping[str, TargetRobustness] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, content: bytes) -> Evaluation:
        """Parse the file. Raises ValueError naming the place that does not fit."""
        body = _Evaluation.model_validate_json(content)
        figures: dict[str, Any] = json.loads(content)
        targets: dict[str, dict[Split, SplitScores]] = {}
        for target, row in body.targets.items():
            if not row.model_fields_set.intersection(SPLITS):
                raise ValueError(f"targets.{target} has no split")
            scores = {split: getattr(row, split) for split in SPLITS}
            targets[target] = {
                split: one.to_scores(figures["targets"][target][split])
                for split, one in scores.items()
                if one is not None
            }
        robustness = body.corruptions.targets if body.corruptions else {}
        return cls(targets, figures, robustness)

    def split_scores(self, split: Split) -> Mapping[str, SplitScores]:
        """The scores on one split by target; a target that was not scored on it is absent."""
        return {target: row[split] for target, row in self.targets.items() if split in row}

    def _repr_html_(self) -> str:
        """Return the scores of each target as tables and figures, for a notebook."""
        return render_evaluation(self.targets, self.robustness)


class _SplitScores(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    accuracy: float
    macro_f1: float
    examples: int | None = None
    nll: float | None = None
    ece: float | None = None
    ece_unscaled: float | None = None
    classes: list[ClassScore] = []
    confusion: list[list[int]] = []
    reliability: list[ConfidenceBin] = []
    sources: dict[str, SourceScore] = {}

    @model_validator(mode="after")
    def check_confusion(self) -> Self:
        """Check that the matrix has a row and a column for each class, where both are there."""
        size = len(self.classes)
        lengths = [len(row) for row in self.confusion]
        if size and lengths and lengths != [size] * size:
            raise ValueError(f"confusion is no matrix of {size} classes")
        return self

    def to_scores(self, figures: Mapping[str, Any]) -> SplitScores:
        """Return the scores, with all that the file has of them."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return SplitScores(**values, figures=figures)


class _TargetScores(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    train: _SplitScores | None = None
    val: _SplitScores | None = None
    test: _SplitScores | None = None
    fresh: _SplitScores | None = None


class _Corruptions(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    targets: dict[str, TargetRobustness] = {}


class _Evaluation(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    targets: dict[str, _TargetScores] = {}
    corruptions: _Corruptions | None = None
