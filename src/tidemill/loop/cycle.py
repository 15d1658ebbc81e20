"""Decide the next step of the loop. Pure: a loop state and a policy in, one step with reason out.

    triggered > snapshotted > training > judged > shadowing > canary > promoted > watched > settled
                                         judged > awaiting_approval > promoted
                                         judged > refused                watched > rolled_back

A cycle may be refused or fail in any state before its promotion. `decide` depends on the recorded
state alone, so an engine that starts after another one was killed continues its cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.domain.cycle import Cycle, CycleState
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.ports import JobState
from tidemill.domain.types import ModelVersion, Run, Verdict
from tidemill.loop.schedule import due_scheduled_run, format_moment
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
from tidemill.loop.trigger import TriggerPolicy

STRAIGHT = "passed straight through: all requests go to one version"

BEFORE_PROMOTION: tuple[CycleState, ...] = (
    "triggered",
    "snapshotted",
    "training",
    "judged",
    "awaiting_approval",
    "shadowing",
    "canary",
)


@dataclass(frozen=True, slots=True)
class LoopState:
    """Everything that a decision depends on.

    `cycle` is the open cycle, `last_cycle` the one that ended last. `recent_cycles` counts the
    cycles of the last 24 hours, `new_feedback` the feedback accepted since a cycle last began.
    `runs` are the open cycle's, in order; `job` is the state of the last run's process. `version`
    is what the last run registered, `verdict` its judgement by the gate, and `answers` counts its
    answers to clients. `predecessor_answers` counts the answers of the replaced version since the
    promotion. `last_skip` is the time of the last skipped scheduled run. `last_import` is the time
    when the feedback database was last read to its end; None without such a database.
    """

    now: datetime
    champion: ModelVersion | None
    cycle: Cycle | None = None
    last_cycle: Cycle | None = None
    recent_cycles: int = 0
    drift: DriftVerdict | None = None
    new_feedback: int = 0
    runs: tuple[Run, ...] = ()
    job: JobState = "unknown"
    version: ModelVersion | None = None
    verdict: Verdict | None = None
    answers: int = 0
    predecessor_answers: int = 0
    last_skip: datetime | None = None
    last_import: datetime | None = None

    @property
    def champion_id(self) -> str:
        """The champion's id, or `nothing`."""
        return self.champion.id if self.champion else "nothing"


def decide(state: LoopState, policy: TriggerPolicy) -> Step:
    """Return the next step."""
    if state.cycle is None:
        return _decide_idle(state, policy)
    return _decide_overtaken(state, state.cycle) or _decide_open(state, state.cycle, policy)


def _decide_idle(state: LoopState, policy: TriggerPolicy) -> Step:
    step = _decide_trigger(state, policy)
    if isinstance(step, OpenCycle) and (obstacle := _find_obstacle(state, policy)):
        return Wait(f"{step.reason} {obstacle}")
    return step


def _decide_trigger(state: LoopState, policy: TriggerPolicy) -> Step:
    """Return the step that a trigger causes, without regard to obstacles."""
    champion = state.champion
    if champion is None:
        return Wait("There is no champion yet: `tidemill models promote` makes one.")
    drift, last = state.drift, state.last_cycle
    if drift and drift.drifted and (last is None or drift.at > last.at):
        return OpenCycle(f"The traffic drifted: {drift.summary}.", "drift", champion)
    n = state.new_feedback
    if n >= policy.feedback:
        return OpenCycle(f"{n} new feedback labels were accepted.", "feedback", champion)
    if step := _decide_scheduled_run(state, champion, policy):
        return step
    since = "since the last cycle began" if last else "so far"
    return Wait(f"No drift {since}, and {n} of {policy.feedback} new feedback labels.")


def _decide_scheduled_run(
    state: LoopState, champion: ModelVersion, policy: TriggerPolicy
) -> Step | None:
    """Return the step of the scheduled run that is due; None when none is due.

    A scheduled run is done when any cycle has begun since its time.
    """
    last = state.last_cycle.at if state.last_cycle else None
    latest = due_scheduled_run(policy.schedule, state.now, champion.at, state.last_skip, last)
    if latest is None:
        return None
    name, n = f"The {policy.schedule} scheduled run of {format_moment(latest)}", state.new_feedback
    if n >= policy.minimum_new:
        return OpenCycle(f"{name} has {n} new feedback labels.", "schedule", champion)
    if state.last_import and due_scheduled_run(policy.schedule, state.now, state.last_import):
        return Wait(f"{name} waits until the feedback database has been read.")
    if n == 0:
        return SkipScheduledRun(f"{name} has no new feedback label.")
    needed = f"{n} of {policy.minimum_new} new feedback labels"
    return SkipScheduledRun(f"{name} has {needed}; they wait for the next one.")


def _find_obstacle(state: LoopState, policy: TriggerPolicy) -> str | None:
    """Return why a triggered cycle may not begin; None when it may."""
    if (n := state.new_feedback) < policy.minimum_new:
        return f"But a cycle needs {policy.minimum_new} new feedback labels, and there are {n}."
    if state.last_cycle and state.last_cycle.changed_at:
        since = state.now - state.last_cycle.changed_at
        # A clock that once ran ahead must not stop the loop.
        if timedelta(0) <= since < policy.cooldown:
            left = (policy.cooldown - since).total_seconds()
            return f"But the last cycle has just ended: {left:.0f} s of cool-down are left."
    if state.recent_cycles >= policy.budget:
        return f"But {state.recent_cycles} cycles began within 24 hours, {policy.budget} may."
    if policy.autonomy == "observe":
        return "But the engine only observes."
    return None


def _decide_overtaken(state: LoopState, cycle: Cycle) -> CycleStep | None:
    """Return the step after somebody else moved the champion; None when nobody did.

    With another champion than the cycle's own, the version was judged against the wrong one.
    """
    champion = state.champion_id
    if cycle.state not in BEFORE_PROMOTION or champion == cycle.champion:
        return None
    if state.version and champion == state.version.id:
        return MoveCycle("A person promoted it.", cycle, "promoted")
    reason = f"{champion} became champion in place of {cycle.champion}."
    return MoveCycle(reason, cycle, "refused")


def _decide_open(state: LoopState, cycle: Cycle, policy: TriggerPolicy) -> Step:
    match cycle.state:
        case "triggered":
            return TakeSnapshot("the champion's data and the accepted feedback", cycle)
        case "snapshotted":
            return StartTraining("the first attempt", cycle)
        case "training":
            return _decide_training(state, cycle, policy)
        case "judged":
            return _decide_judged(state, cycle, policy)
        case _:
            return _decide_rollout(state, cycle, policy)


def _decide_rollout(state: LoopState, cycle: Cycle, policy: TriggerPolicy) -> Step:
    match cycle.state:
        case "awaiting_approval":
            return Wait(cycle.reason)
        case "shadowing":
            return MoveCycle(STRAIGHT, cycle, "canary")
        case "canary":
            return PromoteVersion("passed its gate", cycle)
        case "promoted":
            return MoveCycle("waiting for the first answer to a client", cycle, "watched")
        case _:
            return _decide_watched(state, cycle, policy)


def _decide_training(state: LoopState, cycle: Cycle, policy: TriggerPolicy) -> Step:
    run = state.runs[-1]
    if run.status == "finished":
        return JudgeVersion("against the champion, on test and fresh", cycle)
    if run.status == "running":
        return _decide_running(state, cycle)
    failures = count_failures(state.runs)
    if failures >= policy.attempts:
        return MoveCycle(f"{failures} trainings failed: {run.error}", cycle, "failed")
    ended = "failed" if run.status == "failed" else f"was {run.status}"
    return StartTraining(f"again, because the last one {ended}: {run.error}", cycle)


def _decide_running(state: LoopState, cycle: Cycle) -> Step:
    # A lost process may still be ending. It cannot register anything for a closed run.
    match state.job:
        case "running":
            return Wait("The training runs.")
        case "ended":
            return CloseTraining("Its process ended without a result.", cycle, "failed")
        case "unknown":
            return CloseTraining("The engine that started it is gone.", cycle, "abandoned")


def count_failures(runs: Sequence[Run]) -> int:
    """Count the trainings that failed by themselves.

    An interrupted or abandoned run says nothing about the data or the code.
    """
    return sum(run.status == "failed" for run in runs)


def _decide_judged(state: LoopState, cycle: Cycle, policy: TriggerPolicy) -> CycleStep:
    verdict = state.verdict
    if verdict is None or not verdict.allows:
        failed = verdict.failed if verdict else ()
        reasons = "; ".join(f"{verdict.name(check)}: {check.reason}" for check in failed if verdict)
        return MoveCycle(f"The gate refused it. {reasons}.", cycle, "refused")
    if policy.autonomy == "automatic":
        return MoveCycle(STRAIGHT, cycle, "shadowing")
    approve = f"`tidemill models promote {verdict.version}` approves it"
    return MoveCycle(approve, cycle, "awaiting_approval")


def _decide_watched(state: LoopState, cycle: Cycle, policy: TriggerPolicy) -> Step:
    champion = state.champion_id
    if champion == cycle.champion:
        return MoveCycle(f"{champion} was made champion again.", cycle, "rolled_back")
    if champion != cycle.version:
        return MoveCycle(f"{champion} has become champion since.", cycle, "settled")
    if state.answers:
        reason = f"{cycle.version} has answered {state.answers} requests."
        return MoveCycle(reason, cycle, "settled")
    if cycle.changed_at and state.now - cycle.changed_at >= policy.watch:
        if state.predecessor_answers:
            still = f"{cycle.champion} still answers in place of {cycle.version}"
            return Wait(f"{still}: GET /v1/ready of the server says why.")
        reason = f"No request reached {cycle.version} within {policy.watch_s:.0f} s."
        return MoveCycle(reason, cycle, "settled")
    return Wait(cycle.reason)
