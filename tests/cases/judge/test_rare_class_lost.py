"""A challenger forgot a whole class: 15 of 15 were right before, and 0 of 15 are now."""

from __future__ import annotations

import numpy as np

from tests.cases.gate import checks_of, evidence_on_target, outcomes
from tests.cases.verdict import falls_short, require

RARE, TEST, FRESH = 15, 1_000, 60


@falls_short("judge", "all checks pass although a class went from 15 of 15 right to none")
def test_a_challenger_that_lost_a_class_is_refused() -> None:
    labels = ["rare"] * RARE + ["a"] * 500 + ["b"] * 485
    champion = np.ones(TEST, bool)
    champion[-40:] = False
    challenger = champion.copy()
    challenger[:RARE] = False
    challenger[-40:-35] = True
    fresh = ["a"] * 30 + ["b"] * 30
    before = np.ones(FRESH, bool)
    before[:8] = before[30:38] = False
    checks = checks_of(
        evidence_on_target(
            classes=3,
            test=(outcomes(challenger, labels), outcomes(champion, labels)),
            fresh=(outcomes(np.ones(FRESH, bool), fresh), outcomes(before, fresh)),
        )
    )
    require(
        not all(check.passed for check in checks),
        f"all {len(checks)} checks passed although the class 'rare' went from 15 of 15 to 0 of 15",
    )
