"""When a cycle may begin, and how far it may go without a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from tidemill.domain.errors import UsageError
from tidemill.loop.drift import LONGEST_S
from tidemill.loop.feedback import FeedbackPolicy
from tidemill.loop.schedule import Schedule

Autonomy = Literal["observe", "propose", "automatic"]
MOST_BUDGET = 100
"""Cycles that an engine looks back upon; a larger budget would never be found spent."""


@dataclass(frozen=True, slots=True)
class TriggerPolicy:
    """What begins a cycle, and what holds it back. Raises UsageError for a value that cannot work.

    autonomy         observe begins nothing; propose waits for a person before it promotes;
                     automatic promotes what passed the gate
    feedback_policy  what becomes of feedback that nobody has decided on
    feedback         accepted feedback that begins a cycle by itself
    schedule         rounds by the calendar, each beginning a cycle if minimum_new is there
    minimum_new      accepted feedback without which no cycle begins, drift or not
    cooldown_s       seconds from the end of a cycle to the next beginning
    budget           cycles that may begin within 24 hours
    attempts         trainings that may fail by themselves before their cycle does
    watch_s          seconds within which a promoted version should have answered somebody

    About a third of the feedback is held back in fresh, and the gate judges nothing by fewer than
    40 of those: 150 labels give about 52, and hardly ever too few. A person's own trigger passes
    over minimum_new, cooldown_s and budget.
    """

    autonomy: Autonomy = "propose"
    feedback_policy: FeedbackPolicy = "accept_unless_suspicious"
    feedback: int = 150
    schedule: Schedule = "never"
    minimum_new: int = 150
    cooldown_s: float = 3600
    budget: int = 6
    attempts: int = 3
    watch_s: float = 60

    def __post_init__(self) -> None:
        checks = {
            "autonomy": self.autonomy in get_args(Autonomy),
            "feedback_policy": self.feedback_policy in get_args(FeedbackPolicy),
            "feedback": self.feedback >= 1,
            "schedule": self.schedule in get_args(Schedule),
            "minimum_new": self.minimum_new >= 1,
            "cooldown_s": 0 <= self.cooldown_s <= LONGEST_S,
            "budget": 0 <= self.budget <= MOST_BUDGET,
            "attempts": self.attempts >= 1,
            "watch_s": 0 <= self.watch_s <= LONGEST_S,
        }
        for name, holds in checks.items():
            if not holds:
                raise UsageError(f"The trigger cannot use {name}={getattr(self, name)}.")

    @property
    def cooldown(self) -> timedelta:
        return timedelta(seconds=self.cooldown_s)

    @property
    def watch(self) -> timedelta:
        return timedelta(seconds=self.watch_s)
