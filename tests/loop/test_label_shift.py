"""Labels that lean to one side: how often honest ones are taken for it, and turned ones seen.

The rates are over fixed seeds, with 52 fresh labels (what 150 labels of feedback leave) and an
test of 1,000.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from tidemill.loop.label_shift import (
    LabelledOutcomes,
    LabelShift,
    label_shift,
    least_surplus,
    surplus,
)

NAMES = ("no", "yes", "maybe", "never", "always")
FRESH, TEST, SEEDS = 52, 1000, 200
Sides = tuple[LabelledOutcomes, LabelledOutcomes]
Task = tuple[tuple[float, ...], tuple[float, ...]]
"""Shares of the labels, and how much of each the champion names rightly."""
TASKS: dict[str, Task] = {
    "two labels": ((0.5, 0.5), (0.8, 0.8)),
    "a weak and biased champion": ((0.4, 0.6), (0.9, 0.6)),
    "five labels": ((0.2,) * 5, (0.9, 0.8, 0.95, 0.85, 0.9)),
    "a champion that misses next to nothing": ((0.5, 0.5), (0.998, 0.998)),
}
LOPSIDED: Task = (0.5, 0.5), (0.81, 0.994)
"""The champion misses about 95 of `no` and 3 of `yes` on test."""


def drawn(rng: np.random.Generator, n: int, task: Task) -> LabelledOutcomes:
    shares, recall = task
    at = rng.choice(len(shares), n, p=shares)
    return LabelledOutcomes([NAMES[k] for k in at], rng.random(n) < np.array(recall)[at])


def joined(*parts: LabelledOutcomes) -> LabelledOutcomes:
    labels = [label for part in parts for label in part.labels]
    return LabelledOutcomes(labels, np.concatenate([part.correct for part in parts]))


def turned(rng: np.random.Generator, n: int, task: Task) -> LabelledOutcomes:
    """All of them are said to be `no`, and none of them is. The champion says so of a few."""
    shares, recall = task
    others = [share / (1 - shares[0]) for share in shares[1:]]
    at = 1 + rng.choice(len(others), n, p=others)
    wrong = rng.random(n) >= np.array(recall)[at]
    return LabelledOutcomes(["no"] * n, wrong & (rng.random(n) < 1 / len(others)))


def shifted(task: Task) -> Task:
    """Nine tenths are `no`, which looks as it did."""
    k = len(task[0])
    return (0.9, *[0.1 / (k - 1)] * (k - 1)), task[1]


def drifted(task: Task) -> Task:
    """The champion does not know `no` any more; there is as much of it as there was."""
    return task[0], (0.1, *task[1][1:])


def missed(rng: np.random.Generator, n: int, task: Task) -> LabelledOutcomes:
    """What people say who speak only where the champion is wrong."""
    labels: list[str] = []
    while len(labels) < n:
        many = drawn(rng, 20 * n, task)
        labels += [name for name, right in zip(many.labels, many.correct, strict=True) if not right]
    return LabelledOutcomes(labels[:n], np.zeros(n, np.bool_))


def turned_one_way(share: float) -> Callable[[np.random.Generator, Task], LabelledOutcomes]:
    def poisoned(rng: np.random.Generator, task: Task) -> LabelledOutcomes:
        n = round(share * FRESH)
        return joined(drawn(rng, FRESH - n, task), turned(rng, n, task))

    return poisoned


HONEST: dict[str, Callable[[np.random.Generator, Task], LabelledOutcomes]] = {
    "as on test": lambda rng, task: drawn(rng, FRESH, task),
    "the classes shift": lambda rng, task: drawn(rng, FRESH, shifted(task)),
    "the champion fails at one class": lambda rng, task: drawn(rng, FRESH, drifted(task)),
    "corrections alone": lambda rng, task: missed(rng, FRESH, task),
}


def rate(task: Task, fresh: Callable[[np.random.Generator, Task], LabelledOutcomes]) -> float:
    """In what share of the seeds the labels are said to lean, at 0.05."""
    alarms = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        row = label_shift(fresh(rng, task), drawn(rng, TEST, task), surprise=0.05)
        alarms += row is not None and row.p < 0.05
    return alarms / SEEDS


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("how", HONEST)
def test_honest_labels_are_rarely_taken_for_label_shift(task: str, how: str) -> None:
    assert rate(TASKS[task], HONEST[how]) <= 0.05


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("share", "rate_seen"), [(1.0, 0.99), (0.5, 0.85)])
def test_labels_turned_one_way_are_seen(task: str, share: float, rate_seen: float) -> None:
    assert rate(TASKS[task], turned_one_way(share)) >= rate_seen


@pytest.mark.parametrize("how", [how for how in HONEST if how != "corrections alone"])
def test_a_champion_that_misses_one_label_alone_discredits_no_honest_answers(how: str) -> None:
    assert rate(LOPSIDED, HONEST[how]) <= 0.05


def test_a_champion_that_misses_one_label_alone_hides_no_poison() -> None:
    """Nor what looks the same: corrections alone, which then all say that one label."""
    assert rate(LOPSIDED, turned_one_way(1.0)) >= 0.99
    assert rate(LOPSIDED, turned_one_way(0.5)) >= 0.85
    assert rate(LOPSIDED, HONEST["corrections alone"]) >= 0.9


def outcomes(a: int, missed_a: int, b: int = 0, missed_b: int = 0) -> LabelledOutcomes:
    """So many labels of A and of B, of which the model missed so many."""
    wrong = [*(np.arange(a) < missed_a), *(np.arange(b) < missed_b)]
    return LabelledOutcomes(["A"] * a + ["B"] * b, ~np.array(wrong, np.bool_))


def shift_of(
    judged: LabelledOutcomes, known: LabelledOutcomes, surprise: float = 0.05
) -> LabelShift:
    shift = label_shift(judged, known, surprise=surprise)
    assert shift is not None
    return shift


def test_one_label_said_of_everything_is_seen() -> None:
    def deaf(rng: np.random.Generator, task: Task) -> LabelledOutcomes:
        true = drawn(rng, FRESH, task)
        right = [(label == "no") == ok for label, ok in zip(true.labels, true.correct, strict=True)]
        return LabelledOutcomes(["no"] * FRESH, np.array(right))

    assert rate(TASKS["two labels"], deaf) >= 0.95


def test_the_label_they_lean_to_is_described() -> None:
    known = LabelledOutcomes(["no", "yes"] * 50, np.arange(100) >= 20)
    shift = shift_of(LabelledOutcomes(["yes"] * 30 + ["no"] * 10, np.arange(40) >= 24), known)
    assert (shift.label, shift.share, shift.reference_share) == ("yes", 0.75, 0.5)
    assert (shift.error_rate, shift.reference_error_rate) == (0.8, 0.2)
    assert shift.share_p <= shift.p < 0.02


@pytest.mark.parametrize(
    ("missed_a", "missed_b"), [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0), (95, 3), (3, 95)]
)
@pytest.mark.parametrize("missed", [29, 60])
def test_what_the_champion_missed_on_test_hides_no_poison(
    missed_a: int, missed_b: int, missed: int
) -> None:
    shift = shift_of(outcomes(60, missed), outcomes(500, missed_a, 500, missed_b))
    assert shift.label == "A"
    assert shift.p < 0.05


@pytest.mark.parametrize(("missed_a", "missed_b"), [(0, 2), (1, 1), (10, 10)])
def test_half_of_each_label_missed_leans_to_none(missed_a: int, missed_b: int) -> None:
    assert shift_of(outcomes(26, 13, 26, 13), outcomes(500, missed_a, 500, missed_b)).p == 1


def test_errors_that_are_spread_as_on_test_are_asked_about_where_that_can_be_told() -> None:
    """Corrections alone of a champion that misses more of A: it is the third test that speaks."""
    fresh, known = outcomes(47, 47, 5, 5), outcomes(500, 180, 500, 20)
    assert least_surplus(47, 52, 180, 200) * 2 < 0.05
    assert shift_of(fresh, known).p > 0.05
    assert shift_of(fresh, known, surprise=1e-9).p < 1e-6, (
        "what no margins could prove is not asked"
    )


def test_without_examples_there_is_nothing_to_say() -> None:
    some, none = (
        LabelledOutcomes(["no"], np.ones(1, np.bool_)),
        LabelledOutcomes([], np.ones(0, np.bool_)),
    )
    assert label_shift(none, some, surprise=0.05) is None
    assert label_shift(some, none, surprise=0.05) is None


sides = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from(NAMES[:3]), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


def judged(side: tuple[list[str], list[bool]]) -> LabelledOutcomes:
    return LabelledOutcomes(side[0], np.array(side[1], np.bool_))


@settings(deadline=None, max_examples=60)
@given(sides, sides)
def test_the_order_of_examples_decides_nothing(
    fresh: tuple[list[str], list[bool]], known: tuple[list[str], list[bool]]
) -> None:
    order = np.random.default_rng(len(known[0])).permutation(len(fresh[0]))
    other = LabelledOutcomes([fresh[0][at] for at in order], np.array(fresh[1], np.bool_)[order])
    assert shift_of(judged(fresh), judged(known)) == shift_of(other, judged(known))


@settings(deadline=None, max_examples=60)
@given(sides, sides)
def test_labels_that_the_champion_says_too_never_lean(
    fresh: tuple[list[str], list[bool]], known: tuple[list[str], list[bool]]
) -> None:
    agreed = LabelledOutcomes(fresh[0], np.ones(len(fresh[0]), np.bool_))
    assert shift_of(agreed, judged(known)).p == 1


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 400), st.integers(0, 400))
def test_the_surprise_is_fishers(k: int, rest: int, known_k: int, known_rest: int) -> None:
    expected = fisher_exact([[k, rest], [known_k, known_rest]], alternative="greater").pvalue
    assert surplus(k, k + rest, known_k, known_k + known_rest) == pytest.approx(expected, rel=1e-6)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 400), st.integers(0, 400))
def test_no_table_of_the_same_margins_surprises_more(
    k: int, rest: int, known_k: int, known_rest: int
) -> None:
    n, known_n, marked = k + rest, known_k + known_rest, k + known_k
    tables = [
        surplus(x, n, marked - x, known_n)
        for x in range(max(0, marked - known_n), min(marked, n) + 1)
    ]
    assert least_surplus(k, n, known_k, known_n) == pytest.approx(min(tables), rel=1e-9)
