"""Read the state of the loop from the ledger and the jobs."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidemill.domain.cycle import Cycle
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.ports import Jobs
from tidemill.domain.types import ModelVersion, Run, Verdict
from tidemill.loop.champion_history import find_champion
from tidemill.loop.cycle import LoopState
from tidemill.loop.transitions import SCHEDULE

DAY = timedelta(hours=24)
RECENT = 100
"""The number of recent cycles that are read; a budget is far smaller."""


def loop_state(
    unit: UnitOfWork, now: datetime, jobs: Jobs | None = None, *, import_offset: str = ""
) -> LoopState:
    """Return the state that a decision at `now` needs; `import_offset` is the feedback import's.

    Without `jobs`, as for an observer, the process of a running training is assumed to run.
    """
    champion = find_champion(unit)
    recent = unit.latest(Cycle, limit=RECENT)
    cycle = unit.cycle()
    version = unit.find_version(cycle.run) if cycle and cycle.run else None
    return LoopState(
        now=now,
        champion=champion,
        cycle=cycle,
        last_cycle=next((row for row in recent if not row.open), None),
        recent_cycles=sum(row.at > now - DAY for row in recent),
        drift=next(iter(unit.drift_verdicts(champion.id, limit=1)), None) if champion else None,
        new_feedback=unit.count_accepted_feedback(recent[0].at if recent else None),
        runs=tuple(unit.get(Run, id) for id in cycle.runs) if cycle else (),
        job="running" if jobs is None else jobs.state(cycle.run) if cycle else "unknown",
        version=version,
        verdict=unit.get(Verdict, cycle.verdict) if cycle and cycle.verdict else None,
        answers=unit.count_answers(version.id) if version else 0,
        predecessor_answers=_outlived(unit, cycle),
        last_skip=unit.import_offset(SCHEDULE).caught_up_at,
        last_import=last_import(unit, import_offset, champion)
        if import_offset and champion
        else None,
    )


def last_import(unit: UnitOfWork, import_offset: str, champion: ModelVersion) -> datetime:
    """Return when the feedback database was last read to its end, or the champion's beginning.

    Feedback from before a champion's beginning is not missing.
    """
    return unit.import_offset(import_offset).caught_up_at or champion.at


def _outlived(unit: UnitOfWork, cycle: Cycle | None) -> int:
    """Return the number of live answers by the earlier version in minutes after the change."""
    if cycle is None or cycle.state != "watched" or cycle.changed_at is None:
        return 0
    return sum(row.n for row in unit.profiles(cycle.champion, since=cycle.changed_at))
