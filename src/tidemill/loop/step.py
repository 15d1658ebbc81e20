"""The steps of the loop: one class per kind, with its reason and its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tidemill.domain.cycle import Cycle, CycleState, TriggerKind
from tidemill.domain.types import ModelVersion

StepKind = Literal[
    "wait",
    "open_cycle",
    "skip_scheduled_run",
    "take_snapshot",
    "start_training",
    "close_training",
    "judge_version",
    "promote_version",
    "move_cycle",
]


@dataclass(frozen=True, slots=True)
class _Reasoned:
    """The parts of every step: its kind, and the reason in words."""

    kind: ClassVar[StepKind]
    reason: str

    @property
    def title(self) -> str:
        """The step in one or two words, for people."""
        return self.kind.replace("_", " ")

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without the records."""
        return {"kind": self.kind, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Wait(_Reasoned):
    """Do nothing now."""

    kind: ClassVar[StepKind] = "wait"


@dataclass(frozen=True, slots=True)
class OpenCycle(_Reasoned):
    """Begin a cycle that starts from `champion`."""

    kind: ClassVar[StepKind] = "open_cycle"
    trigger: TriggerKind
    champion: ModelVersion

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "reason": self.reason, "trigger": self.trigger}


@dataclass(frozen=True, slots=True)
class SkipScheduledRun(_Reasoned):
    """Record that the scheduled run that is due begins no cycle."""

    kind: ClassVar[StepKind] = "skip_scheduled_run"


@dataclass(frozen=True, slots=True)
class TakeSnapshot(_Reasoned):
    """Extend the champion's snapshot by the accepted feedback."""

    kind: ClassVar[StepKind] = "take_snapshot"
    cycle: Cycle


@dataclass(frozen=True, slots=True)
class StartTraining(_Reasoned):
    """Start a training on the cycle's snapshot."""

    kind: ClassVar[StepKind] = "start_training"
    cycle: Cycle


@dataclass(frozen=True, slots=True)
class CloseTraining(_Reasoned):
    """Close the cycle's run after its process ended without a result, or its engine was lost."""

    kind: ClassVar[StepKind] = "close_training"
    cycle: Cycle
    outcome: Literal["failed", "abandoned"]


@dataclass(frozen=True, slots=True)
class JudgeVersion(_Reasoned):
    """Judge the version that the cycle's last run registered."""

    kind: ClassVar[StepKind] = "judge_version"
    cycle: Cycle


@dataclass(frozen=True, slots=True)
class PromoteVersion(_Reasoned):
    """Make the cycle's version the champion."""

    kind: ClassVar[StepKind] = "promote_version"
    cycle: Cycle


@dataclass(frozen=True, slots=True)
class MoveCycle(_Reasoned):
    """Move the cycle to `state`, without other work."""

    kind: ClassVar[StepKind] = "move_cycle"
    cycle: Cycle
    state: CycleState

    @property
    def title(self) -> str:
        return self.state.replace("_", " ")

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "reason": self.reason, "state": self.state}


CycleStep = TakeSnapshot | StartTraining | CloseTraining | JudgeVersion | PromoteVersion | MoveCycle
"""The steps of an open cycle."""

Step = Wait | OpenCycle | SkipScheduledRun | CycleStep
"""Every step that `cycle.decide` returns."""
