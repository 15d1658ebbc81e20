"""What a step of a cycle does. Each ends in one fenced unit of work that also moves the cycle.

Whatever takes long happens before that unit and leaves nothing that a second attempt would not
make again, the same: a snapshot is named by its content, a judgement is only computed.
"""

from __future__ import annotations

from collections.abc import Callable
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
from tidemill.loop.cycle import LoopState, Step
from tidemill.loop.transitions import fail_run, move_cycle, open_cycle, skip_scheduled_run
from tidemill.workspace.promotion import record_verdict
from tidemill.workspace.runs import new_run, record_snapshot, start_run
from tidemill.workspace.workspace import Workspace

UNBELIEVED = ("fresh_credible", "fresh_balanced")
"""The checks of a gate that fail for the labels and not for the model."""


@dataclass(frozen=True, slots=True)
class CycleSteps:
    """Takes the steps of cycles over one workspace. `unit` opens fenced units."""

    workspace: Workspace
    jobs: Jobs
    unit: Unit

    def do(self, step: Step, loop_state: LoopState) -> None:
        """Take one step. Raises Conflict when the ledger moved since the loop state was seen.

        Data that no attempt could use ends the cycle as failed.
        """
        if step.act == "open":
            self._open(step, loop_state)
            return
        if step.act == "pass":
            with self.unit() as unit:
                skip_scheduled_run(unit, step.reason, actor=ACTOR, at=loop_state.now)
            return
        cycle = loop_state.cycle
        assert cycle is not None  # noqa: S101 - every other step belongs to an open cycle
        acts: dict[str, Callable[[Cycle, Step, datetime], None]] = {
            "snapshot": self._snapshot,
            "train": self._train,
            "abandon": self._abandon,
            "judge": self._judge,
            "promote": self._promote,
            "move": self._move,
        }
        try:
            acts[step.act](cycle, step, loop_state.now)
        except (DataError, NotFound, UsageError) as error:
            self._fail(cycle, error, loop_state.now)

    def _open(self, step: Step, loop_state: LoopState) -> None:
        assert loop_state.champion is not None and step.trigger is not None  # noqa: S101, PT018
        with self.unit() as unit:
            open_cycle(
                unit,
                Cycle(
                    id=str(uuid7()),
                    recipe=loop_state.champion.recipe,
                    trigger=step.trigger,
                    cause=step.reason,
                    champion=loop_state.champion.id,
                    at=loop_state.now,
                    changed_at=loop_state.now,
                ),
                actor=ACTOR,
            )

    def _snapshot(self, cycle: Cycle, step: Step, now: datetime) -> None:
        retraining = SnapshotExtension(self.workspace).extend(cycle)
        omissions = summarize_omissions(retraining)
        if not retraining.feedback:
            reason = f"There is no feedback that a training could learn from.{omissions}"
            self._move(cycle, Step("move", reason, state="refused"), now)
            return
        reason = f"{step.reason}: {len(retraining.feedback)} labels used.{omissions}"
        with self.unit() as unit:
            record_snapshot(unit, retraining.snapshot, ACTOR)
            unit.assign_feedback(retraining.feedback, retraining.snapshot.id)
            moved = replace(cycle, snapshot=retraining.snapshot.id)
            move_cycle(unit, moved, "snapshotted", reason, actor=ACTOR, at=now)

    def _train(self, cycle: Cycle, step: Step, now: datetime) -> None:
        with self.unit() as unit:
            like = unit.get(Run, unit.get(ModelVersion, cycle.champion).run)
            run = new_run(cycle.recipe, like.config, cycle.snapshot, now)
            start_run(unit, run, actor=ACTOR, reason=step.reason)
            started = replace(cycle, runs=(*cycle.runs, run.id))
            move_cycle(unit, started, "training", step.reason, actor=ACTOR, at=now)
        try:
            self.jobs.start(run.id, ("train", "--run", run.id))
        except StorageFailed as error:
            # Left open, it would be abandoned and begun anew without end.
            self._close(run.id, error.message)

    def _abandon(self, cycle: Cycle, step: Step, _now: datetime) -> None:
        """Close the run, so that its process, should it still be there, can register nothing."""
        said = self.jobs.output(cycle.run)
        error = f"{step.reason} {said}".strip()
        self._close(cycle.run, error)

    def _close(self, id: str, error: str) -> None:
        with self.unit() as unit:
            fail_run(unit, id, error, actor=ACTOR)

    def _judge(self, cycle: Cycle, step: Step, now: datetime) -> None:
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

    def _promote(self, cycle: Cycle, step: Step, now: datetime) -> None:
        with self.unit() as unit:
            verdict = unit.get(Verdict, cycle.verdict)
            rollout.promote(
                unit, verdict, actor=ACTOR, reason=f"{step.reason}; {cycle.cause}", at=now
            )
            reason = f"It took the place of {cycle.champion}."
            move_cycle(unit, cycle, "promoted", reason, actor=ACTOR, at=now)

    def _move(self, cycle: Cycle, step: Step, now: datetime) -> None:
        assert step.state is not None  # noqa: S101 - a move says where to
        with self.unit() as unit:
            reason = step.reason
            if not cycle.version and (own := unit.find_version(cycle.run)):
                # A person was faster than the gate of this cycle.
                cycle = replace(cycle, version=own.id)
            if step.state == "refused" and cycle.verdict and discredited(unit, cycle):
                why = f"Cycle {cycle.id} was refused, because these labels are not believed."
                found = rollout.quarantine(unit, {cycle.snapshot}, actor=ACTOR, reason=why, at=now)
                reason += f" {len(found)} feedback labels were quarantined."
            move_cycle(unit, cycle, step.state, reason, actor=ACTOR, at=now)

    def _fail(self, cycle: Cycle, error: TidemillError, now: datetime) -> None:
        with self.unit() as unit:
            move_cycle(unit, cycle, "failed", error.message, actor=ACTOR, at=now)


def outcome(verdict: Verdict) -> str:
    """A verdict in a few words. Of several targets, each check that failed says of which."""
    failed = ", ".join(map(verdict.name, verdict.failed))
    return f"refused ({failed})" if failed else "passed"


def discredited(unit: UnitOfWork, cycle: Cycle) -> bool:
    """True when the gate did not believe the fresh labels."""
    checks = unit.get(Verdict, cycle.verdict).checks
    return any(check.name in UNBELIEVED and not check.passed for check in checks)
