"""The drift test on simulated traffic: how often it cries wolf, and how often it sees one.

`python -m bench.drift` makes the whole table of docs/notes/drift.md with the same functions.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from bench.drift import (
    CHEAP,
    ENOUGH,
    SIZES,
    SURE,
    alarms,
    consecutive_alarms,
    cumulative_alarms,
    curve,
)
from bench.windows import EXAMPLES, NAMES, Held, Shift

from tidemill.loop.drift import DriftPolicy

POLICY = DriftPolicy()
WINDOWS = 1_000
STEPS = {"deviations": (0.1, 0.3, 0.5, 0.7, 1.0), "share": (0.05, 0.15, 0.25, 0.30)}


def test_what_is_simulated_is_counted_as_traffic_is() -> None:
    rng = np.random.default_rng(0)
    reference = Held.draw(rng)
    same, moved = reference.window(rng, 5_000), reference.window(rng, 5_000, Shift(1.0, 0.3))
    assert tuple(reference.counts) == tuple(same) == NAMES
    assert len(NAMES) == 14
    assert {int(counts.sum()) for counts in reference.counts.values()} == {EXAMPLES}
    assert {int(counts.sum()) for counts in same.values()} == {5_000}
    assert moved[NAMES[0]][0] < same[NAMES[0]][0] / 4
    assert moved["prediction.disease"][0] > 1.8 * same["prediction.disease"][0]


def test_the_functions_of_the_table_tell_same_from_other() -> None:
    """The functions of the table, each on few windows."""
    assert (
        alarms(POLICY, 200, 5)
        == consecutive_alarms(POLICY, 200, 5, seed=0)
        == cumulative_alarms(POLICY, 1)
        == 0
    )
    assert alarms(DriftPolicy(psi=0, alpha=0.9), 200, 5) >= 0.6
    assert curve(POLICY, "deviations", (0.1, 1.0), 200, 2) == {0.1: 0, 1.0: 1}


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
def test_where_nothing_changed_hardly_any_window_has_an_alarm(n: int) -> None:
    """At most alpha, three standard errors of this many windows allowed."""
    assert alarms(POLICY, n, WINDOWS) <= CHEAP


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(STEPS))
@pytest.mark.parametrize("n", [200, 1000])
def test_the_larger_a_shift_the_surer_it_is_found(kind: str, n: int) -> None:
    rates = curve(POLICY, kind, STEPS[kind], n, 60)
    assert all(before <= after for before, after in pairwise(rates.values()))
    assert rates[STEPS[kind][0]] <= 0.1
    assert rates[ENOUGH[kind]] >= SURE
