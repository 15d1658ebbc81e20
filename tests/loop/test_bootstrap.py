"""The bounds against what is known about them: by property, by table, by a plainer method."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.loop.bootstrap import accuracy_lower_bound, paired_lower_bound

Bools = npt.NDArray[np.bool_]
COUNTS = st.tuples(*(st.integers(0, 60) for _ in range(4))).filter(lambda row: sum(row) > 0)
"""How many examples only the challenger, only the champion, both, neither got right."""
# Derandomised, because a Monte-Carlo tolerance holds almost always, which is not always.
steady = settings(derandomize=True, deadline=None, max_examples=60)


def pairs(gained: int, lost: int, both: int, neither: int) -> tuple[Bools, Bools]:
    challenger = [True] * gained + [False] * lost + [True] * both + [False] * neither
    champion = [False] * gained + [True] * lost + [True] * both + [False] * neither
    return np.array(challenger), np.array(champion)


def slack(gained: int, lost: int, both: int, neither: int) -> float:
    """What 4000 resamples may be off by: one example, and a part of the standard deviation."""
    n = gained + lost + both + neither
    return float((1 + 0.2 * np.sqrt(gained + lost)) / n)


@steady
@given(COUNTS)
def test_the_bound_is_never_above_the_observed_difference(counts: tuple[int, ...]) -> None:
    challenger, champion = pairs(*counts)
    observed = challenger.mean() - champion.mean()
    bound = paired_lower_bound(challenger, champion, confidence=0.95)
    assert -1 <= bound <= observed + 1e-12


@steady
@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_identical_answers_differ_by_nothing(answers: list[bool]) -> None:
    correct = np.array(answers)
    assert paired_lower_bound(correct, correct.copy(), confidence=0.95) == 0


@steady
@given(COUNTS.filter(lambda row: row[3] > 0), st.data())
def test_gaining_examples_never_lowers_the_bound(
    counts: tuple[int, ...], data: st.DataObject
) -> None:
    gained, lost, both, neither = counts
    more = data.draw(st.integers(1, neither))
    better = (gained + more, lost, both, neither - more)
    before = paired_lower_bound(*pairs(*counts), confidence=0.95)
    after = paired_lower_bound(*pairs(*better), confidence=0.95)
    assert after >= before - slack(*better)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(COUNTS)
def test_the_bound_is_that_of_resampling_the_examples_themselves(counts: tuple[int, ...]) -> None:
    challenger, champion = pairs(*counts)
    difference = challenger.astype(int) - champion.astype(int)
    random = np.random.default_rng(1)
    drawn = random.integers(0, len(difference), (4_000, len(difference)))
    plain = float(np.quantile(difference[drawn].mean(axis=1), 0.05))
    bound = paired_lower_bound(challenger, champion, confidence=0.95)
    assert bound == pytest.approx(plain, abs=slack(*counts))


def test_the_order_of_the_examples_does_not_matter() -> None:
    challenger, champion = pairs(9, 4, 50, 20)
    order = np.random.default_rng(2).permutation(len(challenger))
    assert paired_lower_bound(
        challenger[order], champion[order], confidence=0.95
    ) == paired_lower_bound(challenger, champion, confidence=0.95)


def test_more_confidence_asks_for_a_lower_bound() -> None:
    answers = pairs(30, 20, 100, 50)
    bounds = [paired_lower_bound(*answers, confidence=level) for level in (0.5, 0.9, 0.99)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > bounds[-1]


@pytest.mark.parametrize(
    ("right", "n", "lower"),
    [(81, 263, 0.2553), (15, 148, 0.0624), (0, 20, 0.0), (1, 29, 0.0061)],
)
def test_the_wilson_bound_is_that_of_the_table(right: int, n: int, lower: float) -> None:
    """Newcombe (1998), table I, method 3; two-sided 95 % there is one-sided 97.5 % here."""
    correct = np.array([True] * right + [False] * (n - right))
    assert accuracy_lower_bound(correct, confidence=0.975) == pytest.approx(lower, abs=5e-5)


@steady
@given(st.integers(1, 500), st.data())
def test_the_wilson_bound_lies_between_nothing_and_the_accuracy(
    n: int, data: st.DataObject
) -> None:
    right = data.draw(st.integers(0, n))
    correct = np.array([True] * right + [False] * (n - right))
    bound = accuracy_lower_bound(correct, confidence=0.95)
    assert -1e-12 <= bound <= right / n + 1e-12
