"""Made-up evidence for the gate: how challenger and champion did on test and fresh examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.cases.names import Check, Evidence, GatePolicy, Outcomes, TargetEvidence, judge

CONFIDENCE = 0.9
"""How sure every made-up answer is."""
GOLDEN, VALIDATION = 16, 150
"""Golden samples of the challenger, and validation examples that they were chosen from."""

Right = npt.NDArray[np.bool_]


def outcomes(right: npt.NDArray[Any], labels: Sequence[str]) -> Outcomes:
    """One model on examples with these labels: where it was right."""
    return Outcomes(np.asarray(right, bool), np.full(len(right), CONFIDENCE), tuple(labels))


def two_labels(count: int) -> list[str]:
    """The labels a and b in turn."""
    return ["ab"[at % 2] for at in range(count)]


def evidence_on_target(
    *,
    test: tuple[Outcomes, Outcomes],
    fresh: tuple[Outcomes, Outcomes],
    name: str = "t",
    classes: int = 2,
    prior: float = 0.5,
) -> TargetEvidence:
    """Challenger and champion, in this order, on the test set and on fresh examples.

    `prior` is the share of the commonest class.
    """
    return TargetEvidence(name, classes, prior, (), *test, *fresh)


def checks_of(*targets: TargetEvidence) -> Sequence[Check]:
    """All checks of the default gate."""
    return judge(Evidence(targets, GOLDEN, VALIDATION, (), (), 0.0), GatePolicy())


def is_promoted(*targets: TargetEvidence) -> bool:
    """True when the default gate lets the challenger pass."""
    return all(check.passed for check in checks_of(*targets))
