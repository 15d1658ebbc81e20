"""The smallest test set that the gate accepts, and a challenger that is worse by the margin."""

from __future__ import annotations

import math

import numpy as np

from tests.cases.gate import evidence_on_target, outcomes, two_labels
from tests.cases.names import GatePolicy, Outcomes, non_inferiority
from tests.cases.verdict import falls_short, require

TRIALS, ALLOWED = 3_000, 0.07


@falls_short(
    "judge", "a challenger worse by the whole margin passes 19.9 % of the time; 7 % may be"
)
def test_the_smallest_test_set_refuses_a_worse_challenger() -> None:
    policy, draw = GatePolicy(), np.random.default_rng(1)
    rows = math.ceil(3 / policy.margin)

    def with_errors(lost: int) -> Outcomes:
        """The first `lost` of all rows are wrong, and the rest right."""
        return outcomes(np.arange(rows) >= lost, two_labels(rows))

    def passes(lost: int) -> bool:
        flawless = with_errors(0)
        both = (with_errors(lost), flawless)
        return non_inferiority(
            evidence_on_target(test=both, fresh=(flawless, flawless)), policy
        ).passed

    errors = draw.binomial(rows, policy.margin, size=TRIALS).tolist()
    verdicts = {lost: passes(lost) for lost in set(errors)}
    share = sum(verdicts[lost] for lost in errors) / TRIALS
    require(
        share <= ALLOWED,
        f"worse by the whole margin of {policy.margin} on the {rows} test rows that are called"
        f" enough, a challenger passes {share:.1%} of the time, 5 % allowed",
    )
