"""Carry out the steps of a cycle. Each ends in one fenced unit of work that moves the cycle.

Long work happens before that unit, and a second attempt repeats it with the same result: a snapshot
is named by its content, and a judgement is only computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from uuid_utils import uuid7

from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import (
    Corrupt,
    DataError,
    NotFound,
    StorageFailed,
    TidemillError,
    UsageError,
)
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.ports import Jobs
from tidemill.domain.types import ModelVersion, Run, Verdict
from tidemill.engine.drain import Unit
from tidemill.engine.extend_snapshot import SnapshotExtension, summarize_omissions
from tidemill.engine.leadership import ACTOR
from tidemill.loop import rollout
from tidemill.loop.step import (
    CloseTraining,
    CycleStep,
    JudgeVersion,
    MoveCycle,
    OpenCycle,
    PromoteVersion,
    SkipScheduledRun,
    StartTraining,
    Step,
    TakeSnapshot,
    Wait,
)
from tidemill.loop.transitions import (
    RunOutcome,
    close_run,
    move_cycle,
    open_cycle,
    skip_scheduled_run,
)
from tidemill.workspace.promotion import record_verdict
from tidemill.workspace.runs import new_run, record_snapshot, start_run
from tidemill.workspace.workspace import Workspace

UNBELIEVED = ("fresh_credible", "fresh_balanced")
"""The checks of a gate that fail because of the labels, not because of the model."""


@dataclass(frozen=True, slots=True)
class CycleSteps:
    """Carries out the steps of cycles on one workspace. `unit` opens fenced units."""

    workspace: Workspace
    jobs: Jobs
    unit: Unit

    def do(self, step: Step, now: datetime) -> None:
        """Carry out one step. Raises Conflict when the ledger has changed since the decision.

        Data that no attempt could use ends the cycle as failed.
        """
        match step:
            case Wait():
                return
            case OpenCycle():
                self._open(step, now)
            case SkipScheduledRun():
                with self.unit() as unit:
                    skip_scheduled_run(unit, step.reason, actor=ACTOR, at=now)
            case _:
                try:
                    self._advance(step, now)
                except (DataError, NotFound, UsageError) as error:
                    self._fail(step.cycle, error, now)

    def _advance(self, step: CycleStep, now: datetime) -> None:
        match step:
            case TakeSnapshot():
                self._snapshot(step, now)
            case StartTraining():
                self._train(step, now)
            case CloseTraining():
                self._close_training(step)
            case JudgeVersion():
                self._judge(step, now)
            case PromoteVersion():
                self._promote(step, now)
            case MoveCycle():
                self._move(step, now)

    def _open(self, step: OpenCycle, now: datetime) -> None:
        with self.unit() as unit:
            open_cycle(
                unit,
                Cycle(
                    id=str(uuid7()),
                    recipe=step.champion.recipe,
                    trigger=step.trigger,
                    cause=step.reason,
                    champion=step.champion.id,
                    at=now,
                    changed_at=now,
                ),
                actor=ACTOR,
            )

    def _snapshot(self, step: TakeSnapshot, now: datetime) -> None:
        cycle = step.cycle
        retraining = SnapshotExtension(self.workspace).extend(cycle)
        omissions = summarize_omissions(retraining)
        if not retraining.feedback:
            reason = f"There is no feedback that a training could learn from.{omissions}"
            self._move(MoveCycle(reason, cycle, "refused"), now)
            return
        reason = f"{step.reason}: {len(retraining.feedback)} labels used.{omissions}"
        with self.unit() as unit:
            record_snapshot(unit, retraining.snapshot, ACTOR)
            unit.assign_feedback(retraining.feedback, retraining.snapshot.id)
            moved = replace(cycle, snapshot=retraining.snapshot.id)
            move_cycle(unit, moved, "snapshotted", reason, actor=ACTOR, at=now)

    def _train(self, step: StartTraining, now: datetime) -> None:
        cycle = step.cycle
        with self.unit() as unit:
            like = unit.get(Run, unit.get(ModelVersion, cycle.champion).run)
            run = new_run(cycle.recipe, like.config, cycle.snapshot, now)
            start_run(unit, run, actor=ACTOR, reason=step.reason)
            started = replace(cycle, runs=(*cycle.runs, run.id))
            move_cycle(unit, started, "training", step.reason, actor=ACTOR, at=now)
        try:
            self.jobs.start(run.id, ("train", "--run", run.id))
        except StorageFailed as error:
            # An open run would be abandoned and started again for ever.
            self._close_run(run.id, "failed", error.message)

    def _close_training(self, step: CloseTraining) -> None:
        """Close the run, so that its process, if it still runs, cannot register anything."""
        run = step.cycle.run
        self._close_run(run, step.outcome, f"{step.reason} {self.jobs.output(run)}".strip())

    def _close_run(self, id: str, outcome: RunOutcome, error: str) -> None:
        with self.unit() as unit:
            close_run(unit, id, outcome, error, actor=ACTOR)

    def _judge(self, step: JudgeVersion, now: datetime) -> None:
        cycle = step.cycle
        with self.workspace.ledger.begin(write=False) as unit:
            version = unit.find_version(cycle.run)
        if version is None:
            raise Corrupt(f"Run {cycle.run} is finished, and registered no version.")
        verdict = self.workspace.compute_verdict(version.id)
        with self.unit() as unit:
            verdict = record_verdict(unit, verdict, actor=ACTOR)
            judged = replace(cycle, version=version.id, verdict=verdict.id)
            reason = f"{step.reason}: {outcome(verdict)}"
            move_cycle(unit, judged, "judged", reason, actor=ACTOR, at=now)

    def _promote(self, step: PromoteVersion, now: datetime) -> None:
        cycle = step.cycle
        with self.unit() as unit:
            verdict = unit.get(Verdict, cycle.verdict)
            rollout.promote(
                unit, verdict, actor=ACTOR, reason=f"{step.reason}; {cycle.cause}", at=now
            )
            reason = f"It took the place of {cycle.champion}."
            move_cycle(unit, cycle, "promoted", reason, actor=ACTOR, at=now)

    def _move(self, step: MoveCycle, now: datetime) -> None:
        cycle, reason = step.cycle, step.reason
        with self.unit() as unit:
            if not cycle.version and (own := unit.find_version(cycle.run)):
                # A person promoted the version before the gate of this cycle judged it.
                cycle = replace(cycle, version=own.id)
            if step.state == "refused" and cycle.verdict and discredited(unit, cycle):
                why = f"Cycle {cycle.id} was refused, because these labels are not believed."
                labels = rollout.quarantine(unit, {cycle.snapshot}, actor=ACTOR, reason=why, at=now)
                reason += f" {len(labels)} feedback labels were quarantined."
            move_cycle(unit, cycle, step.state, reason, actor=ACTOR, at=now)

    def _fail(self, cycle: Cycle, error: TidemillError, now: datetime) -> None:
        with self.unit() as unit:
            move_cycle(unit, cycle, "failed", error.message, actor=ACTOR, at=now)


def outcome(verdict: Verdict) -> str:
    """Return a verdict in a few words, with the targets of failed checks if there are several."""
    failed = ", ".join(map(verdict.name, verdict.failed))
    return f"refused ({failed})" if failed else "passed"


def discredited(unit: UnitOfWork, cycle: Cycle) -> bool:
    """Return True when the gate did not trust the fresh labels."""
    checks = unit.get(Verdict, cycle.verdict).checks
    return any(check.name in UNBELIEVED and not check.passed for check in checks)
