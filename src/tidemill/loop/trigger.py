"""The policy for the beginning of a cycle, and for what it may do without a person."""

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
"""The number of recent cycles that an engine reads, so a larger budget could not be enforced."""


@dataclass(frozen=True, slots=True)
class TriggerPolicy:
    """The policy that begins and delays cycles. Raises UsageError for a value that cannot work.

    autonomy         observe begins nothing; propose waits for a person before it promotes;
                     automatic promotes what passed the gate
    feedback_policy  decides on feedback that no person has decided on
    feedback         accepted feedback that begins a cycle by itself
    schedule         scheduled runs, each of which begins a cycle if minimum_new is there
    minimum_new      accepted feedback that every cycle needs, also after drift
    cooldown_s       seconds between the end of a cycle and the next beginning
    budget           cycles that may begin within 24 hours
    attempts         trainings that may fail by themselves before their cycle fails
    watch_s          seconds in which a promoted version should answer a first request

    About a third of the feedback goes to fresh, and the gate needs at least 40 of those: 150 labels
    give about 52, which is rarely too few. A trigger by a person skips minimum_new, cooldown_s and
    budget.
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
