"""How the answers of a route are compared with a golden sample."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.bundle import Golden
from tidemill.recipes.routes import NO_PROBABILITY, TopLabels
from tidemill.web.golden_check import compare_answers

ROW = {"rust": 0.5, "miner": 0.3, "phoma": 0.15, "healthy": 0.05}
SAMPLE = Golden(
    b"leaf", {"disease": "rust", "plant": "Vine"}, {"disease": ROW, "plant": {"Vine": 1}}
)
TOP = (("rust", 0.5), ("miner", 0.3))


def find_fault(label: Any, labels: Any) -> str:
    return compare_answers(SAMPLE, [("disease", label, labels)], ("disease",))


@pytest.mark.parametrize(
    ("label", "labels"),
    [
        ("rust", ROW),
        ("rust", 0.5),
        ("rust", NO_PROBABILITY),
        (3, NO_PROBABILITY),
        (3, ROW),
        ("rust", TopLabels(TOP, 2)),
        ("rust", TopLabels((("rust", 0.5005), ("miner", 0.2995)), 2)),
        ("rust", TopLabels(tuple(ROW.items()), 9)),
    ],
)
def test_right_answers_in_every_form(label: Any, labels: Any) -> None:
    assert find_fault(label, labels) == ""


@pytest.mark.parametrize(
    ("label", "labels", "fault"),
    [
        ("miner", NO_PROBABILITY, "'miner' was answered"),
        (0, NO_PROBABILITY, "'healthy' was answered"),
        (4, NO_PROBABILITY, "the label 4 of 4"),
        (-1, NO_PROBABILITY, "the label -1 of 4"),
        ("miner", TopLabels(TOP, 2), "'miner' was answered"),
        ("rust", TopLabels(TOP, 3), "where 3 labels are expected"),
        ("rust", TopLabels((), 2), "nothing where 2 labels"),
        ("rust", TopLabels((*TOP, ("mould", 0.1)), 3), "where 3 labels are expected"),
        ("rust", TopLabels((TOP[0], TOP[0]), 2), "where 2 labels are expected"),
        ("rust", TopLabels((TOP[0], ("miner", 0.31)), 2), "'miner' is off by"),
        ("rust", TopLabels((TOP[0], ("miner", float("nan"))), 2), "'miner' is off by"),
        ("rust", TopLabels((TOP[0], ("phoma", 0.15)), 2), "are not its likeliest"),
        ("rust", TopLabels(TOP[::-1], 2), "are not its likeliest"),
    ],
)
def test_wrong_answers(label: Any, labels: Any, fault: str) -> None:
    assert fault in find_fault(label, labels)


def test_every_target_that_a_route_shows_has_to_be_there() -> None:
    one = [("disease", "rust", ROW)]
    assert compare_answers(SAMPLE, one) == "no answer for plant"
    assert compare_answers(SAMPLE, one, ("disease",)) == ""
    assert compare_answers(SAMPLE, one, ("plant",)) == "no answer for plant"
    assert "which the model does not have" in compare_answers(SAMPLE, [("soil", "wet", 0.5)], ())


def test_a_value_that_is_no_probability_is_an_error() -> None:
    with pytest.raises(TypeError):
        find_fault("rust", None)
