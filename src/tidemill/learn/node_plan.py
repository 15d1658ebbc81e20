"""The settings of a training on a graph that decide its weights, besides data and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from tidemill.domain.errors import UsageError
from tidemill.learn.plan import TrainPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One training's settings. Raises UsageError for a value that cannot work.

    An epoch is one step over the whole graph, by Adam with `learning_rate` and `weight_decay` (L2).
    The training ends after `epochs`, or when `patience` epochs in a row were no better on
    validation. `threads` and `max_seconds` are those of TrainPlan; steps are so small that a second
    thread gains nothing.
    """

    epochs: int
    patience: int = 100
    learning_rate: float = 5e-3
    weight_decay: float = 5e-4
    threads: int = 1
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        checks = {
            "epochs": self.epochs >= 1,
            "patience": self.patience >= 1,
            "learning_rate": self.learning_rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "threads": self.threads >= 1,
            "max_seconds": self.max_seconds is None or self.max_seconds > 0,
        }
        for name, holds in checks.items():
            if not holds:
                raise UsageError(f"Training cannot use {name}={getattr(self, name)}.")


def _kind(plan: Any) -> Literal["rows", "nodes"]:
    """Return True for a plan for nodes, which alone has patience."""
    if isinstance(plan, Mapping):
        return "nodes" if "patience" in plan else "rows"
    return "nodes" if isinstance(plan, NodePlan) else "rows"


AnyPlan = Annotated[
    Annotated[TrainPlan, Tag("rows")] | Annotated[NodePlan, Tag("nodes")], Discriminator(_kind)
]
"""The plans that the group `train` of an experiment may hold."""
