"""Challenger and champion are equally good on three targets. How often does the gate promote?"""

from __future__ import annotations

import numpy as np

from tests.cases.gate import evidence_on_target, is_promoted, outcomes, two_labels
from tests.cases.names import TargetEvidence
from tests.cases.verdict import falls_short, require

TRIALS, FRESH, TEST, DIFFER, ALLOWED = 600, 52, 500, 0.10, 0.07


def draw_target(name: str, draw: np.random.Generator) -> TargetEvidence:
    """Both are right nine times in ten. On one of ten fresh examples a coin says which one is."""
    test = outcomes(np.arange(TEST) % 10 > 0, two_labels(TEST))
    champion = np.arange(FRESH) % 10 > 0
    differ, challenger_wins = draw.random(FRESH) < DIFFER, draw.random(FRESH) < 0.5
    labels = two_labels(FRESH)
    return evidence_on_target(
        name=name,
        test=(test, test),
        fresh=(
            outcomes(np.where(differ, challenger_wins, champion), labels),
            outcomes(np.where(differ, ~challenger_wins, champion), labels),
        ),
    )


@falls_short(
    "judge", "an equal challenger with three targets is promoted in 14 % of worlds; 7 % may be"
)
def test_three_targets_are_not_three_chances_to_gain() -> None:
    draw = np.random.default_rng(1)
    promoted = sum(
        is_promoted(*[draw_target(name, draw) for name in ("one", "two", "three")])
        for _ in range(TRIALS)
    )
    share = promoted / TRIALS
    require(
        share <= ALLOWED,
        f"with three targets an equal challenger is promoted in {share:.1%} of {TRIALS} worlds; a"
        " one-sided 95 % bound allows 5 %",
    )
