"""A resolved experiment with typed values, validated before any compute.

The parts of the recipe (`data`, `codec`, `model`) stay plain here. The recipe validates them when
it builds from them, which is still before any compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.learn.evaluate_plan import EvaluatePlan
from tidemill.learn.node_plan import AnyPlan
from tidemill.learn.plan import ExportPlan
from tidemill.loop.drift import DriftPolicy
from tidemill.loop.feedback_columns import FeedbackColumns
from tidemill.loop.gate import GatePolicy
from tidemill.loop.trigger import TriggerPolicy
from tidemill.validation import validate


class ChecksPlan(BaseModel):
    """The settings of the data checks and of the policy for faulty examples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Literal["stop", "drop", "majority", "keep"]
    keep_test: bool = False
    near_distance: int = Field(ge=0, le=16)
    minimum_per_class: int = Field(ge=1)


class Experiment(BaseModel):
    """The complete settings of one training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(ge=0)
    data: dict[str, Any]
    codec: dict[str, Any]
    model: dict[str, Any]
    train: AnyPlan
    export: ExportPlan = ExportPlan()
    evaluate: EvaluatePlan = EvaluatePlan()
    checks: ChecksPlan
    gate: GatePolicy
    drift: DriftPolicy = DriftPolicy()
    trigger: TriggerPolicy = TriggerPolicy()
    feedback: FeedbackColumns = FeedbackColumns()

    def tree(self) -> dict[str, Any]:
        """Return the plain values, as they are kept with the run."""
        return self.model_dump(mode="json")


def read_experiment(tree: Mapping[str, Any]) -> Experiment:
    """Check a resolved tree. Raises UsageError naming the key whose value does not fit."""
    return validate(Experiment, tree)
