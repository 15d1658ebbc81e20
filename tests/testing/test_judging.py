"""The gate asked with invented evidence."""

from __future__ import annotations

import doctest
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tidemill.domain.errors import UsageError
from tidemill.loop.gate import GatePolicy
from tidemill.testing import OutcomeRow, judge_outcomes, judging

RIGHT, WRONG = (True, 0.9), (False, 0.9)
NEW = {"answered_by": "v1", "how": "correction", "actor": "ana", "group": "g1"}


def rows(
    split: str, right: int, n: int, champion: int | None, target: str = "disease", **more: Any
) -> list[dict[str, Any]]:
    """So many rows of four labels, of which the models have so many right, the same ones first."""
    return [
        {
            "split": split,
            "target": target,
            "label": f"label {k % 4}",
            "challenger": RIGHT if k < right else WRONG,
            "champion": None if champion is None else RIGHT if k < champion else WRONG,
            **more,
        }
        for k in range(n)
    ]


def failures(evidence: list[dict[str, Any]], policy: GatePolicy | None = None) -> list[str]:
    verdict = judge_outcomes(evidence, policy)
    assert verdict.passed is not bool(verdict.failed)
    return [verdict.name(check) for check in verdict.failed]


def test_a_better_challenger_passes() -> None:
    verdict = judge_outcomes([*rows("test", 190, 200, 180), *rows("fresh", 55, 60, 40, **NEW)])
    assert (verdict.passed, verdict.version, verdict.champion) == (True, "challenger", "champion")
    assert [check.name for check in verdict.checks] == [
        "label_names",
        "onnx_parity",
        "floor",
        "not_untrained",
        "non_inferiority",
        "fresh_enough",
        "fresh_credible",
        "fresh_balanced",
        "fresh_gain",
    ]


@pytest.mark.parametrize(
    ("evidence", "names"),
    [
        (rows("test", 170, 200, 180), ["non_inferiority"]),
        (rows("test", 100, 200, 100), ["floor"]),
        ([*rows("test", 190, 200, 190), *rows("fresh", 45, 60, 45)], ["fresh_gain"]),
        ([*rows("test", 190, 200, 190), *rows("fresh", 20, 20, 10)], ["fresh_enough"]),
        (rows("fresh", 60, 60, 40), ["floor"]),
    ],
    ids=["worse", "poor", "no gain", "few fresh", "no test"],
)
def test_a_refusal_names_the_check(evidence: list[dict[str, Any]], names: list[str]) -> None:
    assert failures(evidence) == names


def test_without_a_champion_only_the_challenger_is_judged() -> None:
    verdict = judge_outcomes(rows("test", 190, 200, None))
    assert (verdict.passed, verdict.champion) == (True, None)


def test_every_target_is_judged() -> None:
    plant = rows("test", 190, 200, 190, "plant")
    assert failures([*plant, *rows("test", 170, 200, 190)]) == ["non_inferiority of disease"]
    assert failures([*plant, *rows("test", 190, 200, 190)]) == []


def test_numbers_of_numpy_are_taken() -> None:
    evidence = rows("test", 190, 200, 180)
    arrays = [
        {**row, "challenger": (np.bool_(row["challenger"][0]), np.float32(0.9))} for row in evidence
    ]
    assert judge_outcomes(arrays).passed is judge_outcomes(evidence).passed is True


@pytest.mark.parametrize("policy", [{"margin": 0.1}, "strict"])
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    with pytest.raises(UsageError, match="is no policy") as caught:
        judge_outcomes(rows("test", 190, 200, 180), policy)
    assert "GatePolicy(" in caught.value.hint


@pytest.mark.parametrize("row", [None, [1], "split"])
def test_what_is_no_row_is_refused(row: Any) -> None:
    with pytest.raises(UsageError, match="is no row"):
        judge_outcomes([row])


def test_the_policy_decides() -> None:
    evidence = rows("test", 150, 200, 150)
    assert failures(evidence) == []
    assert failures(evidence, GatePolicy(floor=0.8)) == ["floor"]


def test_splits_that_do_not_judge_are_accepted() -> None:
    test = rows("test", 190, 200, 180)
    other = [*rows("train", 0, 50, 50), *rows("val", 0, 50, 50)]
    assert judge_outcomes([*test, *other]).checks == judge_outcomes(test).checks


def test_rows_may_be_objects() -> None:
    evidence = rows("test", 190, 200, 180)
    assert judge_outcomes([OutcomeRow(**row) for row in evidence]) == judge_outcomes(evidence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"split": "holdout"}, "no split 'holdout'"),
        ({"how": "guess"}, "no 'guess'"),
        ({"weight": 2}, "no field weight"),
        ({"challenger": True}, "challenger cannot be True"),
        ({"challenger": None}, "challenger cannot be None"),
        ({"challenger": (1, 0.5)}, "challenger cannot be"),
        ({"champion": (True, 1.5)}, "champion cannot be"),
        ({"label": ""}, "needs a label"),
        ({"target": 3}, "needs a target"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, Mapping) else "",
)
def test_an_impossible_row_is_a_clear_error(change: dict[str, Any], sentence: str) -> None:
    [row] = rows("test", 1, 1, 1)
    with pytest.raises(UsageError, match=sentence):
        judge_outcomes([{**row, **change}])


def test_a_row_without_a_needed_field_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="lacks label, challenger"):
        judge_outcomes([{"split": "test", "target": "disease"}])


def test_a_champion_of_some_rows_only_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="1 of 2 test rows of disease have no champion"):
        judge_outcomes([*rows("test", 1, 1, 1), *rows("test", 1, 1, None)])


def test_no_rows_are_a_clear_error() -> None:
    with pytest.raises(UsageError, match="nothing to judge"):
        judge_outcomes([])


def test_the_example_of_the_docstring_holds() -> None:
    outcome = doctest.testmod(judging)
    assert (outcome.failed, outcome.attempted) == (0, 5)
