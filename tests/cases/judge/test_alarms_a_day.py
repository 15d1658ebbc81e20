"""Unchanged traffic is looked at every ten seconds. How often is it called drift?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tests.cases.names import DriftPolicy, check_drift
from tests.cases.verdict import falls_short, require

WINDOWS, FEATURES, REFERENCE, ALLOWED = 700, 14, 300, 1
SECONDS_A_DAY = 86_400

Counts = npt.NDArray[np.int64]


def counts_of_reference_and_window(draw: np.random.Generator, window: int) -> Sequence[Counts]:
    """Held-out values in bins cut at their own deciles, and a window from the same source."""
    known = np.sort(draw.random(REFERENCE))
    edges = known[np.arange(1, 10) * REFERENCE // 10]
    return [
        np.bincount(np.searchsorted(edges, values, "right"), minlength=11)
        for values in (known, draw.random(window))
    ]


@falls_short("judge", "unchanged traffic gets about 111 false alarms a day; one a day may be")
def test_unchanged_traffic_is_called_drift_once_a_day_at_most() -> None:
    policy, draw = DriftPolicy(), np.random.default_rng(7)
    alarms = 0
    for _ in range(WINDOWS):
        sides = {
            str(at): counts_of_reference_and_window(draw, policy.minimum) for at in range(FEATURES)
        }
        reference = {name: known for name, (known, _) in sides.items()}
        live = {name: window for name, (_, window) in sides.items()}
        alarms += any(row.drifted for row in check_drift(reference, live, policy))
    a_day = alarms / WINDOWS * SECONDS_A_DAY / policy.every_s
    require(
        alarms <= ALLOWED,
        f"{alarms} false alarms in {WINDOWS} unchanged windows, {a_day:.0f} a day for busy traffic;"
        " repeated looks should share one small chance",
    )
