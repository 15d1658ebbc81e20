"""Feedback swaps two labels on a kind of input that the test set does not hold.

The champion contradicts every fresh label, the challenger has learnt the swap, and the test set
shows nothing of it. No count can tell whether the swap is a new truth or an attack. A person has
to look.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.cases.gate import evidence_on_target, is_promoted, outcomes, two_labels
from tests.cases.verdict import falls_short, require

FRESH, TEST = 52, 1_000


def is_promoted_against(champion: npt.NDArray[np.bool_]) -> bool:
    """Does the gate pass a challenger that agrees with all fresh labels?"""
    right = np.ones(TEST, bool)
    right[::25] = False
    test, labels = outcomes(right, two_labels(TEST)), two_labels(FRESH)
    return is_promoted(
        evidence_on_target(
            test=(test, test),
            fresh=(outcomes(np.ones(FRESH, bool), labels), outcomes(champion, labels)),
        )
    )


@falls_short("judge", "swapped labels are promoted without a person, all or half of them")
def test_labels_that_swap_two_classes_wait_for_a_person() -> None:
    swaps = {
        "all fresh labels swapped": np.zeros(FRESH, bool),
        "half of them swapped": np.arange(FRESH) % 4 < 2,
    }
    promoted = [name for name, champion in swaps.items() if is_promoted_against(champion)]
    require(not promoted, f"promoted without a person with {' and with '.join(promoted)}")
