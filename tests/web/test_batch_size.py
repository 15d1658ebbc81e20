"""A lane learns which batch size costs least for each payload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tidemill.web.batch_size import EXPLORE_EVERY, FIRST_RUNS, SMALLEST, WINDOW, BatchSize

Cost = Callable[[int], float]
"""The seconds of one payload in a run of so many."""


def choices(size: BatchSize, waiting: int, cost: Cost, batches: int = 1_500) -> Counter[int]:
    """What a lane chooses while always so many payloads wait."""
    chosen: Counter[int] = Counter()
    for _ in range(batches):
        payloads = size.choose(waiting)
        size.observe(payloads, payloads, payloads * cost(payloads))
        chosen[payloads] += 1
    return chosen


@pytest.mark.parametrize("waiting", range(1, 2 * SMALLEST))
def test_few_run_together(waiting: int) -> None:
    assert choices(BatchSize(), waiting, float) == {waiting: 1_500}


@pytest.mark.parametrize("best", [8, 16, 50])
def test_the_cheapest_size_is_found_and_kept(best: int) -> None:
    chosen = choices(BatchSize(), 50, lambda n: 1.0 if n == best else 1.2)
    rest = chosen.total() - chosen[best]
    # Until it was tried, and whenever another one is.
    assert chosen.most_common(1)[0][0] == best
    assert rest <= 6 * FIRST_RUNS + chosen.total() // EXPLORE_EVERY


@pytest.mark.parametrize("gain", [0.0, 0.04])
def test_all_run_together_while_nothing_is_clearly_cheaper(gain: float) -> None:
    chosen = choices(BatchSize(), 50, lambda n: 1.0 if n == 50 else 1.0 - gain)
    assert chosen[50] >= chosen.total() * (1 - 1 / EXPLORE_EVERY) - 3 * FIRST_RUNS


def test_a_change_of_the_model_is_followed() -> None:
    size = BatchSize()
    assert choices(size, 64, float).most_common(1)[0][0] == 8
    rounds = WINDOW * EXPLORE_EVERY * 4
    choices(size, 64, lambda n: 1 / n, rounds)
    assert choices(size, 64, lambda n: 1 / n).most_common(1)[0][0] == 64


def test_more_that_wait_than_ever_before_run_together() -> None:
    size = BatchSize()
    choices(size, 8, lambda _: 1.0)
    assert size.choose(50) == 50


def test_large_requests_are_not_kept_apart_for_ever() -> None:
    """They never run at a small size, so nothing is learned of it."""
    size = BatchSize()
    chosen: Counter[int] = Counter()
    for _ in range(1_500):
        chosen[size.choose(60)] += 1
        size.observe(60, 60, 60.0)
    assert chosen[60] >= 1_500 * (1 - 1 / EXPLORE_EVERY) - 3 * FIRST_RUNS


def test_one_slow_run_decides_nothing() -> None:
    size = BatchSize()
    for payloads in (8, 16, 50, 32):
        for _ in range(WINDOW):
            size.observe(payloads, payloads, payloads * (1.0 if payloads == 16 else 1.2))
    size.observe(16, 16, 16 * 100.0)
    assert Counter(size.choose(50) for _ in range(99)).most_common(1)[0][0] == 16
