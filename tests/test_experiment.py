"""A resolved tree is checked, key by key, before anything is computed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tidemill.domain.errors import UsageError
from tidemill.experiment import read_experiment

TREE: dict[str, Any] = {
    "seed": 3,
    "data": {"name": "folder", "path": "leaves"},
    "codec": {"width": 96},
    "model": {"width": 8},
    "train": {"epochs": 2},
    "checks": {"policy": "stop", "near_distance": 6, "minimum_per_class": 5},
    "gate": {"floor": 0.5},
}
Changed = Callable[[str, object], dict[str, Any]]


@pytest.fixture
def changed() -> Changed:
    """The tree with another value at a dotted key."""

    def change(key: str, value: object) -> dict[str, Any]:
        tree = copy.deepcopy(TREE)
        *groups, last = key.split(".")
        branch = tree
        for group in groups:
            branch = branch[group]
        branch[last] = value
        return tree

    return change


def test_a_good_tree_is_typed_and_comes_back_whole() -> None:
    experiment = read_experiment(TREE)
    assert experiment.train.epochs == 2
    assert experiment.gate.floor == 0.5
    assert experiment.checks.policy == "stop"
    tree = experiment.tree()
    assert tree["data"] == TREE["data"]
    assert tree["train"]["batch_size"] == 32
    assert read_experiment(tree) == experiment


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "often"),
        ("seed", -1),
        ("seed", None),
        ("data", "leaves"),
        ("train", None),
        ("train.epochs", "many"),
        ("train.epochs", 1.5),
        ("train.epochs", ""),
        ("train.learning_rate", [0.1]),
        ("train.epoch", 3),
        ("checks.policy", "maybe"),
        ("checks.near_distance", 17),
        ("checks.minimum_per_class", 0),
        ("checks.unknown", 1),
        ("gate.floor", "high"),
        ("gate.flor", 0.5),
        ("unknown", 1),
    ],
)
def test_a_value_that_does_not_fit_is_said_with_its_key(
    changed: Changed, key: str, value: object
) -> None:
    with pytest.raises(UsageError, match=rf"^{key} does not fit"):
        read_experiment(changed(key, value))


@pytest.mark.parametrize("key", list(TREE))
def test_a_missing_part_is_said(key: str) -> None:
    tree = {name: branch for name, branch in TREE.items() if name != key}
    with pytest.raises(UsageError, match=f"^{key} does not fit"):
        read_experiment(tree)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.epochs", 0),
        ("train.batch_size", 1),
        ("train.learning_rate", float("nan")),
        ("gate.margin", 0),
        ("gate.margin", float("nan")),
        ("gate.confidence", 1.0),
        ("gate.fresh_minimum", 0),
        ("gate.floor", 60),
        ("gate.prior_margin", -0.1),
        ("gate.uniform_margin", 1),
        ("gate.fresh_floor", 2),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_any_compute(
    changed: Changed, key: str, value: object
) -> None:
    with pytest.raises(UsageError, match=f"cannot use {key.partition('.')[2]}="):
        read_experiment(changed(key, value))
