"""Which samples a server must answer rightly: right ones, of every label, of every confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.bundle import Golden
from tidemill.domain.types import Example, payload_id
from tidemill.learn.golden import DECIDED, WANTED, choose, collect

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def model(n: int, labels: int, seed: int, skill: float) -> tuple[Floats, Integers]:
    """Probabilities of a model that leans to the truth, and the truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, labels, n)
    logits = random.normal(0, 1, (n, labels))
    logits[np.arange(n), truth] += random.exponential(skill, n)
    raised = np.exp(logits)
    return raised / raised.sum(axis=1, keepdims=True), truth


def sure(rows: Sequence[float], labels: int = 3) -> Floats:
    """Each row names label 0 with the given confidence, or label 1 where it is negative."""
    table = np.zeros((len(rows), labels))
    for at, confidence in enumerate(rows):
        table[at] = (1 - abs(confidence)) / (labels - 1)
        table[at, 0 if confidence > 0 else 1] = abs(confidence)
    return table


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 300),
    labels=st.integers(2, 8),
    seed=st.integers(0, 2**31),
    skill=st.floats(0, 8),
)
def test_every_chosen_one_is_right_and_every_label_ever_right_is_there(
    n: int, labels: int, seed: int, skill: float
) -> None:
    probabilities, truth = model(n, labels, seed, skill)
    chosen = choose({"a": probabilities}, {"a": truth})
    right = probabilities.argmax(axis=1) == truth
    assert chosen == sorted(set(chosen))
    assert right[chosen].all()
    assert set(truth[chosen]) == set(truth[right])
    assert len(chosen) <= max(WANTED, labels)
    for k in set(truth[right]):  # the surest of each label is among them
        surest = max(np.flatnonzero(right & (truth == k)), key=lambda at: probabilities[at].max())
        assert probabilities[surest].max() == max(
            probabilities[at].max() for at in chosen if truth[at] == k
        )


@pytest.mark.parametrize("wanted", [6, 16, 40])
def test_about_as_many_as_wanted_are_chosen(wanted: int) -> None:
    probabilities, truth = model(600, 3, 1, 6.0)
    chosen = choose({"a": probabilities}, {"a": truth}, wanted=wanted)
    assert wanted - 3 < len(chosen) <= wanted


def test_the_same_input_gives_the_same_choice() -> None:
    probabilities, truth = model(200, 5, 2, 4.0)
    first = choose({"a": probabilities}, {"a": truth})
    assert choose({"a": probabilities.copy()}, {"a": truth.copy()}) == first


def test_the_choice_is_spread_from_the_surest_down_to_the_just_decided() -> None:
    confidences = np.linspace(0.999, 0.4, 100)
    truth = np.zeros(100, dtype=np.int64)
    chosen = choose({"a": sure(confidences.tolist())}, {"a": truth}, wanted=15)
    taken = confidences[chosen]
    assert taken[0] == confidences[0]
    assert DECIDED <= taken[-1] < DECIDED + 0.01
    gaps = -np.diff(taken)
    assert gaps.max() < 2 * gaps.min()


def test_a_label_that_is_only_ever_named_hesitantly_gives_its_surest_example() -> None:
    confidences = [0.9, -0.45, -0.48, -0.41]
    truth = np.array([0, 1, 1, 1])
    assert choose({"a": sure(confidences)}, {"a": truth}) == [0, 2]


def test_a_model_that_is_never_right_gives_none() -> None:
    assert choose({"a": sure([0.9, 0.8])}, {"a": np.array([1, 2])}) == []


def test_an_example_counts_only_when_every_target_is_right() -> None:
    first, second = sure([0.9, 0.9, 0.9, -0.9]), sure([0.6, -0.6, 0.6, 0.6])
    truth = {"a": np.array([0, 0, 0, 1]), "b": np.array([0, 0, 0, 1])}
    assert choose({"a": first, "b": second}, truth) == [0, 2]


def test_samples_carry_payload_true_names_and_probabilities() -> None:
    payloads = [b"first", b"second"]
    examples = [
        Example(payload_id(payload), payload, {"disease": "rust"}, "test", "")
        for payload in payloads
    ]
    table = np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)
    samples = collect(examples, {"disease": table}, {"disease": ("miner", "rust")})
    assert samples == [
        Golden(b"first", {"disease": "rust"}, {"disease": {"miner": 0.25, "rust": 0.75}}),
        Golden(b"second", {"disease": "rust"}, {"disease": {"miner": 0.5, "rust": 0.5}}),
    ]
    assert type(samples[0].probabilities["disease"]["rust"]) is float
