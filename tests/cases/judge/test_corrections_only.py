"""Users correct wrong answers and confirm no right one. Who wins on such fresh labels?

The challenger is worse than the champion by one point of accuracy on all traffic.
"""

from __future__ import annotations

import numpy as np

from tests.cases.gate import Right, evidence_on_target, is_promoted, outcomes
from tests.cases.verdict import require

TRIALS, FRESH, TEST, CLASSES = 600, 52, 1_000, 4
CHAMPION, WORSE, SHARED, ALLOWED = 0.95, 0.01, 0.5, 0.08


def draw_both(draw: np.random.Generator, count: int) -> tuple[Right, Right]:
    """Where champion and challenger are right; they share half of the champion's errors."""
    error = 1 - CHAMPION
    champion = draw.random(count) < CHAMPION
    wrong = np.where(champion, (error + WORSE - error * SHARED) / CHAMPION, SHARED)
    return champion, draw.random(count) >= wrong


def draw_labels(draw: np.random.Generator, count: int) -> list[str]:
    return [str(label) for label in draw.integers(CLASSES, size=count)]


def promotes_a_worse_challenger(draw: np.random.Generator) -> bool:
    """One world: a test set, traffic, and the first labels that correct the champion."""
    champion, challenger = draw_both(draw, TEST)
    labels = draw_labels(draw, TEST)
    live_champion, live_challenger = draw_both(draw, 40 * FRESH)
    corrected = np.flatnonzero(~live_champion)[:FRESH]
    corrections = draw_labels(draw, len(corrected))
    return is_promoted(
        evidence_on_target(
            classes=CLASSES,
            prior=0.3,
            test=(outcomes(challenger, labels), outcomes(champion, labels)),
            fresh=(
                outcomes(live_challenger[corrected], corrections),
                outcomes(live_champion[corrected], corrections),
            ),
        )
    )


def test_labels_that_only_correct_promote_no_worse_challenger() -> None:
    draw = np.random.default_rng(3)
    share = sum(promotes_a_worse_challenger(draw) for _ in range(TRIALS)) / TRIALS
    require(
        share <= ALLOWED,
        f"a challenger that is one point worse is promoted in {share:.0%} of {TRIALS} worlds where"
        " feedback is corrections only; 5 % would be chance",
    )
