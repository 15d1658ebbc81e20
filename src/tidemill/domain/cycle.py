"""A cycle of the loop, and the lease of the engine that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TriggerKind = Literal["drift", "feedback", "schedule", "person"]
CycleState = Literal[
    "triggered",
    "snapshotted",
    "training",
    "judged",
    "awaiting_approval",
    "shadowing",
    "canary",
    "promoted",
    "watched",
    "settled",
    "refused",
    "rolled_back",
    "failed",
]
FINAL: frozenset[CycleState] = frozenset({"settled", "refused", "rolled_back", "failed"})


ENGINE_LEASE = "engine"
"""The lease of the leading engine."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One pass of the loop, from its trigger to its end.

    `cause` says in a sentence why it began, `reason` why it is in its state. It starts from the
    version `champion` and learns from feedback that was accepted until `at`. `runs` are its
    trainings; the last one counts. Fields of later steps are empty.
    """

    id: str
    recipe: str
    trigger: TriggerKind
    cause: str
    champion: str
    at: datetime
    state: CycleState = "triggered"
    reason: str = ""
    changed_at: datetime | None = None
    snapshot: str = ""
    runs: tuple[str, ...] = ()
    version: str = ""
    verdict: str = ""

    @property
    def open(self) -> bool:
        """True while the cycle may still move."""
        return self.state not in FINAL

    @property
    def run(self) -> str:
        """The training that counts; empty before the first."""
        return self.runs[-1] if self.runs else ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to lead until a moment. A higher `token` makes every lower one void."""

    name: str
    holder: str
    token: int
    until: datetime
