"""Move a cycle from state to state. Only this module does, in the caller's unit of work.

It also skips scheduled runs that begin no cycle.
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
"""The import offset of the scheduled runs, and the subject of their events."""


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
    """Move a cycle from the state in which it was read, and return it.

    A cycle that ends closes its training run, so that the process cannot register anything. Raises
    Conflict when the cycle has moved since it was read.
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
    """Skip the scheduled run that is due."""
    passed = ImportOffset(SCHEDULE, caught_up_at=at)
    event = ScheduledRunSkipped(actor=actor, subject=SCHEDULE, reason=reason)
    unit.move_import_offset(passed, expected=unit.import_offset(SCHEDULE), event=event)


RunOutcome = Literal["failed", "interrupted", "abandoned"]
"""The outcome of a run that registered nothing."""

_EVENTS: Mapping[RunOutcome, type[RunFailed | RunInterrupted | RunAbandoned]] = {
    "failed": RunFailed,
    "interrupted": RunInterrupted,
    "abandoned": RunAbandoned,
}


def close_run(unit: UnitOfWork, run: str, outcome: RunOutcome, error: str, *, actor: str) -> None:
    """Close a run that registered nothing. Raises Conflict when it is closed already."""
    closed = replace(unit.get(Run, run), status=outcome, error=error)
    unit.close_run(closed, _EVENTS[outcome](actor=actor, subject=run, error=error))
