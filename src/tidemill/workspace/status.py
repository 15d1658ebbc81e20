"""How the loop stands, for a person who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from tidemill.adapters.user_rows import UserRows
from tidemill.domain.cycle import ENGINE_LEASE, Cycle, Lease
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.feedback import FeedbackStatus
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Run
from tidemill.loop.cycle import Step, decide
from tidemill.loop.drift import sentence
from tidemill.loop.schedule import Schedule, format_moment, next_scheduled_run
from tidemill.loop.transitions import SCHEDULE
from tidemill.loop.window import open_profiles
from tidemill.workspace.policies import Policies, policies
from tidemill.workspace.root import Workspace
from tidemill.workspace.state import loop_state

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """Who leads, what waits, the latest cycles, and what an engine would do next.

    `feedback` counts by status; `verdict` is the latest on the champion, `window` the live answers
    that the next one will judge. `schedule` says how the rounds stand; empty without a schedule.
    """

    engine: str
    feedback: Mapping[str, int]
    drift: str
    verdict: DriftVerdict | None
    window: int
    schedule: str
    cycles: tuple[Cycle, ...]
    next: Step


def standing(workspace: Workspace, overrides: Sequence[str] = ()) -> Standing:
    """The loop over one workspace. Raises UsageError for an override that fits nothing."""
    now = workspace.clock.now()
    with workspace.ledger.begin(write=False) as unit:
        seen = loop_state(unit, now, rows=workspace.rows)
        champion = seen.champion
        rules = policies(unit.get(Run, champion.run) if champion else None, overrides)
        alias = unit.alias("champion")
        window = sum(row.n for row in open_profiles(unit, alias)) if alias else 0
        lease = unit.lease(ENGINE_LEASE)
        return Standing(
            engine=_leader(lease, leading=lease is not None and lease.until > now),
            feedback={
                status: len(unit.feedback(status=status, limit=None))
                for status in get_args(FeedbackStatus)
            },
            drift=_drift(seen.drift, window, rules),
            verdict=seen.drift,
            window=window,
            schedule=_schedule(unit, workspace.rows, rules.trigger.schedule, now),
            cycles=tuple(unit.latest(Cycle, limit=SHOWN)),
            next=decide(seen, rules.trigger),
        )


def _leader(lease: Lease | None, *, leading: bool) -> str:
    if lease is None:
        return "No engine has ever led this workspace; `tidemill loop run` starts one."
    if not leading:
        return f"No engine leads; {lease.holder} did until {lease.until:%Y-%m-%d %H:%M:%S}."
    return f"{lease.holder} leads."


def _schedule(unit: UnitOfWork, rows: UserRows | None, schedule: Schedule, now: datetime) -> str:
    after = next_scheduled_run(schedule, now)
    if after is None:
        return ""
    said = [event.reason for event in unit.events(subject=SCHEDULE, limit=1)]
    for event in unit.events(subject=rows.import_offset, limit=1) if rows else ():
        if left_out := event.detail.get("left_out"):
            said.append(f"The last reading left {left_out} rows out: {event.reason}")
    return " ".join([f"{schedule}; the next round begins at {format_moment(after)}.", *said])


def _drift(verdict: DriftVerdict | None, window: int, rules: Policies) -> str:
    growing = f"{window} of {rules.drift.minimum} predictions for the next check"
    if verdict is None:
        return f"not checked yet; {growing}."
    said = "drift" if verdict.drifted else "no drift"
    return f"{said} at {verdict.at:%Y-%m-%d %H:%M:%S}: {sentence(verdict)}; {growing}."
