"""The scores of one target: on one split, of one class, and under corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The scores of one label. A score whose denominator is zero is 0, as usual for F1.

    `auc` is the area under its ROC curve against all other labels; None where it has no example,
    or all of them.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    auc: float | None = None


@dataclass(frozen=True, slots=True)
class SourceScore:
    """The accuracy on the examples of one source."""

    examples: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """The examples whose confidence is in one range: their mean confidence and their accuracy."""

    examples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class SplitScores:
    """The scores of one target on one split. `figures` are all that the file has of them.

    None and empty values were not measured. `nll` is the mean negative log-likelihood in nats,
    `ece` the expected calibration error, `ece_unscaled` that error before temperature scaling.
    `reliability` holds the bins of confidence that have examples, in rising order.
    `confusion[i][j]` counts examples of class i that were predicted as class j.
    """

    accuracy: float
    macro_f1: float
    figures: Mapping[str, Any] = field(repr=False)
    examples: int | None = None
    nll: float | None = None
    ece: float | None = None
    ece_unscaled: float | None = None
    classes: Sequence[ClassScore] = ()
    confusion: Sequence[Sequence[int]] = ()
    reliability: Sequence[ConfidenceBin] = ()
    sources: Mapping[str, SourceScore] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetRobustness:
    """The accuracy of one target without corruption, and for each kind by its strength from 1."""

    untouched: float
    kinds: Mapping[str, Sequence[float]]
