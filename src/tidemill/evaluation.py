"""What a model scored: the `evaluation.json` of a bundle as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from tidemill.domain.types import SPLITS, Split


@dataclass(frozen=True, slots=True)
class SplitScores:
    """The scores of one target on one split. `figures` are all that the file has of them."""

    accuracy: float
    macro_f1: float
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a model. `figures` is the whole file.

    `targets` maps each target to its scores by split; a split that was not scored is absent.
    """

    targets: Mapping[str, Mapping[Split, SplitScores]]
    figures: Mapping[str, Any]

    @classmethod
    def from_bytes(cls, content: bytes) -> Evaluation:
        """Parse the file. Raises ValueError naming the place that does not fit."""
        body = _Evaluation.model_validate_json(content)
        targets: dict[str, dict[Split, SplitScores]] = {}
        for target, row in body.targets.items():
            if not row.model_fields_set.intersection(SPLITS):
                raise ValueError(f"targets.{target} has no split")
            scores = {split: getattr(row, split) for split in SPLITS}
            targets[target] = {
                split: SplitScores(one.accuracy, one.macro_f1, one.model_dump())
                for split, one in scores.items()
                if one is not None
            }
        return cls(targets, body.model_dump())

    def split_scores(self, split: Split) -> Mapping[str, SplitScores]:
        """Return the scores on one split by target, without targets that have no score there."""
        return {target: row[split] for target, row in self.targets.items() if split in row}


class _SplitScores(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    accuracy: float
    macro_f1: float


class _TargetScores(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    train: _SplitScores | None = None
    val: _SplitScores | None = None
    test: _SplitScores | None = None
    fresh: _SplitScores | None = None


class _Evaluation(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    targets: dict[str, _TargetScores] = {}
