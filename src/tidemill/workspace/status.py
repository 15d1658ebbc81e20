"""Describe the state of the loop for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from tidemill.domain.cycle import ENGINE_LEASE, Cycle, Lease
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.feedback import FeedbackStatus
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Run
from tidemill.figures.markup import build_block, tabulate, tabulate_facts
from tidemill.loop.cycle import decide
from tidemill.loop.schedule import Schedule, format_moment, next_scheduled_run
from tidemill.loop.step import Step
from tidemill.loop.transitions import SCHEDULE
from tidemill.loop.window import open_profiles
from tidemill.workspace.policies import Policies, PolicyPart, policies
from tidemill.workspace.state import loop_state

SHOWN = 10


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """The leader, the pending work, the latest cycles, and the next step of an engine.

    `feedback` counts by status. `verdict` is the latest on the champion, `window` the live answers
    for the next one. `schedule` describes the scheduled runs; empty without a schedule.
    """

    engine: str
    feedback: Mapping[str, int]
    drift: str
    verdict: DriftVerdict | None
    window: int
    schedule: str
    cycles: tuple[Cycle, ...]
    next: Step

    def lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield self.engine
        yield f"Feedback: {', '.join(f'{n} {status}' for status, n in self.feedback.items())}"
        yield f"Drift: {self.drift}"
        if self.schedule:
            yield f"Schedule: {self.schedule}"
        for cycle in self.cycles:
            since = f"since {cycle.changed_at:%Y-%m-%d %H:%M} UTC" if cycle.changed_at else ""
            facts = ("Cycle", cycle.id, cycle.state, since, f"by {cycle.trigger}", cycle.version)
            # Not a table: people copy whole ids, and a reason is a sentence.
            yield " ".join(filter(None, facts))
            yield f"  {cycle.reason or cycle.cause}"
        yield f"Next: {self.next.title}. {self.next.reason}"

    def _repr_html_(self) -> str:
        """Return the same as tables, for a notebook."""
        facts = {
            "engine": self.engine,
            "feedback": ", ".join(f"{n} {status}" for status, n in self.feedback.items()),
            "drift": self.drift,
            "schedule": self.schedule,
            "next": f"{self.next.title}. {self.next.reason}",
        }
        rows = [
            (
                cycle.id,
                cycle.state,
                f"{cycle.changed_at:%Y-%m-%d %H:%M}" if cycle.changed_at else "",
                cycle.trigger,
                cycle.version,
                cycle.reason or cycle.cause,
            )
            for cycle in self.cycles
        ]
        columns = ("cycle", "state", "since", "trigger", "version", "reason")
        return build_block("Loop", tabulate_facts(facts), tabulate(columns, rows))


class StatusPart(PolicyPart):
    """The methods of a workspace that report on its loop and its servers."""

    def has_server(self, id: str) -> bool:
        """True when this server, running or not, logs its predictions in this workspace."""
        return id in self.traffic.servers()

    def status(self, *overrides: str) -> LoopStatus:
        """Return the state of the loop under the champion's policies with these overrides.

        Raises UsageError for an invalid override.
        """
        now = self.clock.now()
        with self.ledger.begin(write=False) as unit:
            alias = unit.alias("champion")
            version = unit.get(ModelVersion, alias.version) if alias else None
            rules = policies(unit.get(Run, version.run) if version else None, overrides)
            table = self.feedback_table(rules.feedback)
            import_offset = table.import_offset if table else ""
            state = loop_state(unit, now, import_offset=import_offset)
            window = sum(row.n for row in open_profiles(unit, alias)) if alias else 0
            lease = unit.lease(ENGINE_LEASE)
            return LoopStatus(
                engine=_leader(lease, leading=lease is not None and lease.until > now),
                feedback={
                    status: len(unit.feedback(status=status, limit=None))
                    for status in get_args(FeedbackStatus)
                },
                drift=_drift(state.drift, window, rules),
                verdict=state.drift,
                window=window,
                schedule=_schedule(unit, import_offset, rules.trigger.schedule, now),
                cycles=tuple(unit.latest(Cycle, limit=SHOWN)),
                next=decide(state, rules.trigger),
            )


def _leader(lease: Lease | None, *, leading: bool) -> str:
    if lease is None:
        return "No engine has ever led this workspace; `tidemill loop run` starts one."
    if not leading:
        return f"No engine leads; {lease.holder} did until {lease.until:%Y-%m-%d %H:%M:%S}."
    return f"{lease.holder} leads."


def _schedule(unit: UnitOfWork, import_offset: str, schedule: Schedule, now: datetime) -> str:
    after = next_scheduled_run(schedule, now)
    if after is None:
        return ""
    sentences = [event.reason for event in unit.events(subject=SCHEDULE, limit=1)]
    for event in unit.events(subject=import_offset, limit=1) if import_offset else ():
        if left_out := event.detail.get("left_out"):
            sentences.append(f"The last import left {left_out} rows out: {event.reason}")
    return " ".join(
        [f"{schedule}; the next scheduled run is due at {format_moment(after)}.", *sentences]
    )


def _drift(verdict: DriftVerdict | None, window: int, rules: Policies) -> str:
    progress = f"{window} of {rules.drift.minimum} predictions for the next check"
    if verdict is None:
        return f"not checked yet; {progress}."
    word = "drift" if verdict.drifted else "no drift"
    return f"{word} at {verdict.at:%Y-%m-%d %H:%M:%S}: {verdict.summary}; {progress}."
