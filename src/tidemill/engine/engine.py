"""The engine: it drains, imports and reviews feedback, checks for drift and runs cycles."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Self

from uuid_utils import uuid7

from tidemill.adapters.local_jobs import LocalJobs
from tidemill.data.database import FORM
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.errors import LeaseLost, TidemillError, UsageError
from tidemill.domain.ports import Jobs
from tidemill.engine.cycle_steps import CycleSteps
from tidemill.engine.drain import Drain
from tidemill.engine.drift_check import DriftCheck
from tidemill.engine.feedback_import import FeedbackImport, ImportedFeedback
from tidemill.engine.leadership import ACTOR, Leadership
from tidemill.engine.schedule import ScheduledImport
from tidemill.loop import feedback
from tidemill.loop.cycle import LoopState, decide
from tidemill.loop.feedback import FeedbackPolicy
from tidemill.loop.step import Step, Wait
from tidemill.workspace.policies import policies
from tidemill.workspace.state import loop_state
from tidemill.workspace.workspace import Workspace

FOLLOWS = "another engine leads"
SLOWEST_S = 30.0
"""The longest pause between attempts that keep failing, in seconds."""
REVIEWS = 500
"""The number of feedback reviews in one unit of work."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The result of one tick: drained predictions, imported and reviewed feedback, a drift verdict,
    and a step of a cycle.

    `leading` is False when another engine leads. `fault` says why the tick ended early; the next
    one tries again.
    """

    leading: bool
    drained: int = 0
    reviewed: int = 0
    drift: DriftVerdict | None = None
    step: Step | None = None
    fault: str = ""
    imported: int = 0

    @property
    def busy(self) -> bool:
        """True when more work may be ready at once."""
        acted = self.step is not None and not isinstance(self.step, Wait)
        return bool(self.drained or self.imported or self.reviewed or self.drift or acted)

    def lines(self) -> Iterator[str]:
        """Yield the results for people."""
        if self.imported:
            yield f"imported: {self.imported} new feedback labels"
        if self.drift:
            yield f"{'drift' if self.drift.drifted else 'no drift'}: {self.drift.summary}"
        if self.step and not isinstance(self.step, Wait):
            yield f"{self.step.title}: {self.step.reason}"


def _ignore(_: str) -> None:
    """Report nothing."""


class Engine:
    """Runs the loop of a workspace while it leads. One engine leads a workspace; others wait.

    `Engine(workspace, "trigger.autonomy=automatic")` overrides policies of the champion's
    experiment. Use it in a `with` block, or call `close`, so that another engine may lead at once.
    """

    def __init__(
        self,
        workspace: Workspace,
        *overrides: str,
        jobs: Jobs | None = None,
        holder: str = "",
        ttl: timedelta | None = None,
    ) -> None:
        """Open the ledger; the first tick is the first to write.

        `jobs` run the trainings, by default as child processes. `holder` names this engine in the
        lease, which expires after `ttl`, by default the setting `lease_ms`. Raises UsageError for
        an invalid override, and Unavailable without a workspace.
        """
        policies(None, overrides)
        self._workspace = workspace
        self._overrides = overrides
        self._fault = ""
        self._jobs = jobs or _child_processes(workspace)
        self._leadership = Leadership(
            workspace.ledger,
            workspace.clock,
            holder=holder or f"{socket.gethostname()}:{os.getpid()}:{uuid7()}",
            ttl=ttl or timedelta(milliseconds=workspace.settings.lease_ms),
        )
        unit = self._leadership.unit
        self._drain = Drain(workspace)
        self._import = ScheduledImport(workspace, self._leadership)
        self._drift = DriftCheck(workspace, self._drain, unit)
        self._steps = CycleSteps(workspace, self._jobs, unit)

    def tick(self, now: datetime | None = None) -> Tick:
        """Do the next part of the work at `now`, by default the time of the workspace's clock.

        The result contains any fault; only programming errors are raised.
        """
        now = now or self._workspace.clock.now()
        try:
            self._leadership.lead(now)
        except LeaseLost as error:
            return Tick(leading=False, fault=error.message)
        except TidemillError as error:
            return Tick(leading=True, fault=error.message)
        try:
            return self._work(now)
        except LeaseLost as error:
            return Tick(leading=False, fault=error.message)
        except TidemillError as error:
            # After a Conflict the ledger has moved: the next tick reads it again.
            return Tick(leading=True, fault=error.message)

    def run(self, stop: Event | None = None, *, report: Callable[[str], None] = _ignore) -> None:
        """Tick until `stop` is set, or for ever.

        `report` receives a line for each result, and one when a fault begins.
        """
        stop = stop or Event()
        idle = self._workspace.settings.tick_ms / 1000
        pause = idle
        while not stop.is_set():
            tick = self.tick()
            self._report(tick, report)
            # Work that fails, for example on a full disk, is tried less and less often.
            interrupted = tick.leading and tick.step is None
            pause = min(2 * pause, SLOWEST_S) if interrupted else idle
            if not tick.busy:
                stop.wait(pause)

    def catch_up(self, *, report: Callable[[str], None] = _ignore) -> list[Tick]:
        """Tick until there is nothing to do, including the end of a training."""
        ticks: list[Tick] = []
        while True:
            tick = self.tick()
            self._report(tick, report)
            ticks.append(tick)
            # A fault may last, and this engine does not wait for the training of another one.
            if not tick.busy and (tick.step is None or not self._training()):
                return ticks
            if not tick.busy:
                Event().wait(self._workspace.settings.tick_ms / 1000)

    def import_feedback(self) -> ImportedFeedback:
        """Import the new rows of the feedback database; no lease is needed.

        Raises UsageError when no database is set, and what `FeedbackImport.run` raises.
        """
        workspace = self._workspace
        table = workspace.feedback_table(workspace.policies(*self._overrides).feedback)
        if table is None:
            raise UsageError(
                "No feedback database is named.",
                hint=f"Set TIDEMILL_FEEDBACK_DATABASE. {FORM}",
            )
        feedback_import = FeedbackImport(workspace, table)
        return feedback_import.run(workspace.ledger.begin, actor=workspace.actor)

    def close(self, now: datetime | None = None) -> None:
        """End the running trainings, and let another engine lead at once."""
        self._jobs.close()
        self._leadership.resign(now or self._workspace.clock.now())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self, now: datetime) -> Tick:
        rules = self._workspace.policies(*self._overrides)
        drained = self._drain.step(self._leadership.unit)
        table = self._workspace.feedback_table(rules.feedback)
        imported = self._import.step(table, rules.trigger.schedule, now)
        reviewed = self._review(rules.trigger.feedback_policy, now)
        verdict = self._drift.step(rules.drift, now)
        with self._workspace.ledger.begin(write=False) as unit:
            import_offset = table.import_offset if table else ""
            state = loop_state(unit, now, self._jobs, import_offset=import_offset)
        self._end_strays(state)
        step = decide(state, rules.trigger)
        if not isinstance(step, Wait):
            with self._leadership.renewal():
                self._steps.do(step, now)
        faults = " ".join(filter(None, [*drained.faults, self._import.fault]))
        return Tick(True, drained.answers, reviewed, verdict, step, faults, imported)

    def _review(self, policy: FeedbackPolicy, now: datetime) -> int:
        """Review all pending feedback and return the number. Raises Conflict, LeaseLost."""
        with self._workspace.ledger.begin(write=False) as unit:
            if not unit.feedback(status="pending", limit=1):
                return 0
        reviewed = 0
        while True:
            with self._leadership.unit() as unit:
                count = feedback.review(unit, policy, actor=ACTOR, at=now, limit=REVIEWS)
            reviewed += count
            if count < REVIEWS:
                return reviewed

    def _report(self, tick: Tick, report: Callable[[str], None]) -> None:
        for line in tick.lines():
            report(line)
        # The end of the other engine's lease changes with each renewal, so its lead is reported
        # once.
        fault = tick.fault if tick.leading else FOLLOWS
        if fault and fault != self._fault:
            report(tick.fault)
        self._fault = fault

    def _end_strays(self, state: LoopState) -> None:
        """End trainings whose cycle has ended."""
        wanted = state.cycle.run if state.cycle and state.cycle.state == "training" else ""
        for key in self._jobs.running():
            if key != wanted:
                self._jobs.stop(key)

    def _training(self) -> bool:
        with self._workspace.ledger.begin(write=False) as unit:
            cycle = unit.cycle()
        return cycle is not None and cycle.state == "training"


def _child_processes(workspace: Workspace) -> LocalJobs:
    """Return jobs for trainings in the same workspace, with the engine as actor."""
    settings = {"HOME": str(workspace.home), "SAMPLES": str(workspace.samples), "ACTOR": ACTOR}
    return LocalJobs({f"TIDEMILL_{name}": value for name, value in settings.items()})
