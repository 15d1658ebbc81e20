"""The settings of a training on a graph, and how they are told from those for rows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from tidemill.domain.errors import UsageError
from tidemill.learn.node_plan import AnyPlan, NodePlan
from tidemill.learn.plan import TrainPlan
from tidemill.validation import validate


class Group(BaseModel):
    """Refuses strange keys, as an experiment does."""

    model_config = ConfigDict(extra="forbid")

    train: AnyPlan


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"patience": 0},
        {"learning_rate": 0.0},
        {"weight_decay": -0.1},
        {"threads": 0},
        {"max_seconds": 0.0},
    ],
)
def test_a_plan_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        NodePlan(**{"epochs": 1, **wrong})


@pytest.mark.parametrize("plan", [NodePlan(epochs=3), TrainPlan(epochs=3)])
def test_patience_tells_the_two_apart(plan: NodePlan | TrainPlan) -> None:
    tree = Group(train=plan).model_dump(mode="json")
    assert ("patience" in tree["train"]) == isinstance(plan, NodePlan)
    assert validate(Group, tree).train == plan


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"epochs": 3, "patience": 2, "batch_size": 4}, "train.batch_size does not fit"),
        ({"epochs": 3, "batch_size": 1}, "batch_size=1"),
        ({"patience": "x", "epochs": 3}, "train.patience does not fit"),
        ({"patience": 3}, "train.epochs does not fit"),
    ],
)
def test_what_does_not_fit_is_named_by_its_key(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        validate(Group, {"train": tree})
