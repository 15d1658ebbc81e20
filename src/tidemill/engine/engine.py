"""The engine: one tick is one turn of the wheel, called again and again with the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uuid_utils import uuid7

from tidemill.domain.drift import DriftVerdict
from tidemill.domain.errors import Conflict, LeaseLost, TidemillError
from tidemill.domain.events import DriftChecked
from tidemill.domain.ports import Jobs
from tidemill.domain.types import ModelVersion, Run
from tidemill.engine.cycle_steps import ACTOR, Turning
from tidemill.engine.drain import Drain
from tidemill.engine.leadership import Leadership
from tidemill.engine.schedule import Round
from tidemill.loop import drift, feedback
from tidemill.loop.cycle import LoopState, Step, decide
from tidemill.loop.window import open_profiles
from tidemill.workspace.policies import Policies, policies
from tidemill.workspace.root import Workspace
from tidemill.workspace.state import loop_state

REVIEWS = 500
"""Feedback that is decided on within one unit of work."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did: answers drained, feedback pulled and decided on, a drift verdict, a step.

    `leading` is False when another engine leads. `fault` says what kept the tick from its end; the
    next one tries again.
    """

    leading: bool
    drained: int = 0
    reviewed: int = 0
    drift: DriftVerdict | None = None
    step: Step | None = None
    fault: str = ""
    pulled: int = 0

    @property
    def busy(self) -> bool:
        """True when there may be more to do at once."""
        acted = self.step is not None and self.step.act != "wait"
        return bool(self.drained or self.pulled or self.reviewed or self.drift or acted)


class Engine:
    """Drains, pulls, reviews, watches for drift and turns cycles, while it leads."""

    def __init__(
        self,
        workspace: Workspace,
        jobs: Jobs,
        leadership: Leadership,
        *,
        overrides: Sequence[str] = (),
    ) -> None:
        self._workspace = workspace
        self._leadership = leadership
        self._jobs = jobs
        self._overrides = tuple(overrides)
        self._drain = Drain(workspace)
        self._round = Round(workspace, leadership)
        self._turning = Turning(workspace, jobs, leadership.unit)

    def tick(self, now: datetime) -> Tick:
        """One turn. Raises only what nobody foresaw; what is wrong otherwise is in the report."""
        try:
            self._leadership.lead(now)
        except LeaseLost as error:
            return Tick(leading=False, fault=error.message)
        except TidemillError as error:
            return Tick(leading=True, fault=error.message)
        try:
            return self._turn(now)
        except LeaseLost as error:
            return Tick(leading=False, fault=error.message)
        except Conflict as error:
            # What was seen has moved: the next tick looks again.
            return Tick(leading=True, fault=error.message)
        except TidemillError as error:
            return Tick(leading=True, fault=error.message)

    def close(self, now: datetime) -> None:
        """End what runs, and let another engine lead at once."""
        self._jobs.close()
        self._leadership.resign(now)

    def _turn(self, now: datetime) -> Tick:
        rules = self._policies()
        drained = self._drain.step(self._leadership.unit)
        pulled = self._round.step(rules.trigger.schedule, now)
        reviewed = self._review(rules, now)
        verdict = self._watch(rules, now)
        with self._workspace.ledger.begin(write=False) as unit:
            seen = loop_state(unit, now, self._jobs, self._workspace.rows)
        self._end_strays(seen)
        step = decide(seen, rules.trigger)
        if step.act != "wait":
            with self._leadership.kept():
                self._turning.do(step, seen)
        faults = " ".join(filter(None, [*drained.faults, self._round.fault]))
        return Tick(True, drained.answers, reviewed, verdict, step, faults, pulled)

    def _end_strays(self, seen: LoopState) -> None:
        """End what trains for a cycle that somebody has ended meanwhile."""
        wanted = seen.cycle.run if seen.cycle and seen.cycle.state == "training" else ""
        for key in self._jobs.running():
            if key != wanted:
                self._jobs.stop(key)

    def _policies(self) -> Policies:
        with self._workspace.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
            version = unit.get(ModelVersion, champion.version) if champion else None
            return policies(unit.get(Run, version.run) if version else None, self._overrides)

    def _review(self, rules: Policies, now: datetime) -> int:
        with self._workspace.ledger.begin(write=False) as unit:
            if not unit.feedback(status="pending", limit=1):
                return 0
        policy, decided = rules.trigger.feedback_policy, 0
        while True:
            with self._leadership.unit() as unit:
                step = feedback.review(unit, policy, actor=ACTOR, at=now, limit=REVIEWS)
            decided += step
            if step < REVIEWS:
                return decided

    def _watch(self, rules: Policies, now: datetime) -> DriftVerdict | None:
        """Judge the champion's window, when it is large enough and it is time again."""
        with self._workspace.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
            if champion is None:
                return None
            last = next(iter(unit.drift_verdicts(champion.version, limit=1)), None)
            # A clock that was ahead once must not put the next check off.
            if last and timedelta(0) <= now - last.at < timedelta(seconds=rules.drift.every_s):
                return None
            profiles = open_profiles(unit, champion)
        if drift.window(profiles, rules.drift).missing:
            return None
        reference = self._drain.reference(champion.version)
        verdict = drift.judge(
            reference.split(reference.counts),
            reference.n,
            profiles,
            rules.drift,
            id=str(uuid7()),
            at=now,
        )
        if verdict is None:
            return None
        judged = DriftChecked(
            actor=ACTOR,
            subject=verdict.id,
            reason=drift.sentence(verdict),
            version=verdict.version,
            drifted=verdict.drifted,
        )
        with self._leadership.unit() as unit:
            unit.record_drift_verdict(verdict, judged)
        return verdict
