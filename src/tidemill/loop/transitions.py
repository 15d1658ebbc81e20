"""A cycle's way from state to state: the only code that moves one, in the caller's unit of work.

A round of the schedule that begins no cycle is let go by here, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from tidemill.domain.cycle import Cycle, CycleState
from tidemill.domain.events import (
    CycleMoved,
    CycleOpened,
    RunAbandoned,
    RunFailed,
    RunInterrupted,
    ScheduledRunSkipped,
)
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Run

SCHEDULE = "schedule"
"""The import offset of the rounds, and the subject of the events that tell of them."""


def open_cycle(unit: UnitOfWork, cycle: Cycle, *, actor: str) -> None:
    """Open a cycle. Raises Conflict while another one is open."""
    opened = CycleOpened(
        actor=actor,
        subject=cycle.id,
        reason=cycle.cause,
        trigger=cycle.trigger,
        champion=cycle.champion,
    )
    unit.open_cycle(cycle, opened)


def move_cycle(
    unit: UnitOfWork, cycle: Cycle, state: CycleState, reason: str, *, actor: str, at: datetime
) -> Cycle:
    """Move a cycle on from the state it was seen in, and return it.

    A cycle that ends takes its training with it: the run is closed, so that its process can
    register nothing any more. Raises Conflict when the cycle has moved since it was seen.
    """
    to = replace(cycle, state=state, reason=reason, changed_at=at)
    if not to.open and cycle.run and unit.get(Run, cycle.run).status == "running":
        close_run(unit, cycle.run, "abandoned", f"Its cycle ended: {reason}", actor=actor)
    moved = CycleMoved(
        actor=actor, subject=cycle.id, reason=reason, before=cycle.state, state=state
    )
    unit.move_cycle(to, expected=cycle.state, event=moved)
    return to


def skip_scheduled_run(unit: UnitOfWork, reason: str, *, actor: str, at: datetime) -> None:
    """Let the round of the schedule that has begun go by without a cycle."""
    passed = ImportOffset(SCHEDULE, caught_up_at=at)
    event = ScheduledRunSkipped(actor=actor, subject=SCHEDULE, reason=reason)
    unit.move_import_offset(passed, expected=unit.import_offset(SCHEDULE), event=event)


RunOutcome = Literal["failed", "interrupted", "abandoned"]
"""How a run ends that registered nothing."""

_EVENTS: Mapping[RunOutcome, type[RunFailed | RunInterrupted | RunAbandoned]] = {
    "failed": RunFailed,
    "interrupted": RunInterrupted,
    "abandoned": RunAbandoned,
}


def close_run(unit: UnitOfWork, run: str, outcome: RunOutcome, error: str, *, actor: str) -> None:
    """Close a run that registered nothing. Raises Conflict when it is closed already."""
    closed = replace(unit.get(Run, run), status=outcome, error=error)
    unit.close_run(closed, _EVENTS[outcome](actor=actor, subject=run, error=error))
