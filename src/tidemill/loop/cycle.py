"""What a cycle does next. Pure: a loop state and a policy in, one step with its reason out.

    triggered > snapshotted > training > judged > shadowing > canary > promoted > watched > settled
                                         judged > awaiting_approval > promoted
                                         judged > refused                watched > rolled_back

A cycle may be refused or fail on the way. Whatever state it is found in, also by an engine that
was started after another one was killed, `decide` says how to go on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tidemill.domain.cycle import Cycle, CycleState, TriggerKind
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.ports import JobState
from tidemill.domain.types import ModelVersion, Run, Verdict
from tidemill.loop.schedule import due_scheduled_run, format_moment
from tidemill.loop.trigger import TriggerPolicy

ABANDONED = "The engine that started it is gone."
"""Why a run failed that nobody waits for any more. It counts as no attempt."""

INTERRUPTED = "KeyboardInterrupt"
"""What a run says whose process was told to end, as each is when its engine is gone. The process
may say so before the next engine can say ABANDONED; that is no attempt either."""

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
    """Everything a decision looks at.

    `cycle` is the open one and `last_cycle` the one that ended last; `recent_cycles` counts those
    of the last 24 hours. `new_feedback` is the feedback accepted since a cycle last began. `runs`
    are the open cycle's, in order; `version` is what the last of them registered, `verdict` the
    judgement on it, `answers` how often it answered a client, and `predecessor_answers` how often
    the version that it replaced still did. `job` is the state of the last run's process.
    `last_skip` is when a round of the schedule last went by without a cycle, `last_import` when the
    database of feedback was last read to its end; None where there is no such database.
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


Act = Literal["wait", "open", "pass", "snapshot", "train", "abandon", "judge", "promote", "move"]


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, and why. `trigger` belongs to `open`, `state` to `move`."""

    act: Act
    reason: str
    trigger: TriggerKind | None = None
    state: CycleState | None = None


SETTLED_STEPS: Mapping[CycleState, Step] = {
    "triggered": Step("snapshot", "the champion's data and the accepted feedback"),
    "snapshotted": Step("train", "the first attempt"),
    "shadowing": Step("move", STRAIGHT, state="canary"),
    "canary": Step("promote", "passed its gate"),
    "promoted": Step("move", "waiting for the first answer to a client", state="watched"),
}
"""What follows without any question."""


def decide(loop_state: LoopState, policy: TriggerPolicy) -> Step:
    """The next step."""
    if loop_state.cycle is None:
        return _idle(loop_state, policy)
    if overtaken := _overtaken(loop_state, loop_state.cycle):
        return overtaken
    return _turn(loop_state, loop_state.cycle, policy)


def _idle(loop_state: LoopState, policy: TriggerPolicy) -> Step:
    begin = _trigger(loop_state, policy)
    if begin.act != "open" or (held := _held_back(loop_state, policy)) is None:
        return begin
    return Step("wait", f"{begin.reason} {held}")


def _trigger(loop_state: LoopState, policy: TriggerPolicy) -> Step:
    """What would begin a cycle if nothing held it back."""
    if loop_state.champion is None:
        return Step("wait", "There is no champion yet: `tidemill models promote` makes one.")
    drift, last = loop_state.drift, loop_state.last_cycle
    if drift and drift.drifted and (last is None or drift.at > last.at):
        return Step("open", f"The traffic drifted: {drift.summary}.", trigger="drift")
    n = loop_state.new_feedback
    if n >= policy.feedback:
        return Step("open", f"{n} new feedback labels were accepted.", trigger="feedback")
    if turn := _round(loop_state, loop_state.champion, policy):
        return turn
    since = "since the last cycle began" if last else "so far"
    return Step("wait", f"No drift {since}, and {n} of {policy.feedback} new feedback labels.")


def _round(loop_state: LoopState, champion: ModelVersion, policy: TriggerPolicy) -> Step | None:
    """What a round of the schedule comes to; None when none is due.

    Any cycle that began since, whatever began it, has done what the round was for.
    """
    last = loop_state.last_cycle.at if loop_state.last_cycle else None
    latest = due_scheduled_run(
        policy.schedule, loop_state.now, champion.at, loop_state.last_skip, last
    )
    if latest is None:
        return None
    name, n = f"The {policy.schedule} round of {format_moment(latest)}", loop_state.new_feedback
    if n >= policy.minimum_new:
        return Step("open", f"{name} has {n} new feedback labels.", trigger="schedule")
    if loop_state.last_import and due_scheduled_run(
        policy.schedule, loop_state.now, loop_state.last_import
    ):
        return Step("wait", f"{name} waits until the database of feedback has been read.")
    if n == 0:
        return Step("pass", f"{name} has no new feedback label.")
    needed = f"{n} of {policy.minimum_new} new feedback labels"
    return Step("pass", f"{name} has {needed}; they wait for the next one.")


def _held_back(loop_state: LoopState, policy: TriggerPolicy) -> str | None:
    """Why a cycle with a trigger may not begin; None when it may."""
    if (n := loop_state.new_feedback) < policy.minimum_new:
        return f"But a cycle needs {policy.minimum_new} new feedback labels, and there are {n}."
    if loop_state.last_cycle and loop_state.last_cycle.changed_at:
        since = loop_state.now - loop_state.last_cycle.changed_at
        # A clock that was ahead once must not hold the mill back.
        if timedelta(0) <= since < policy.cooldown:
            left = (policy.cooldown - since).total_seconds()
            return f"But the last cycle has just ended: {left:.0f} s of cool-down are left."
    if loop_state.recent_cycles >= policy.budget:
        return f"But {loop_state.recent_cycles} cycles began within 24 hours, {policy.budget} may."
    if policy.autonomy == "observe":
        return "But the engine only observes."
    return None


def _overtaken(loop_state: LoopState, cycle: Cycle) -> Step | None:
    """What follows when somebody moved the champion before the cycle did.

    Another champion than the cycle's own means that it was judged against the wrong one.
    """
    served = loop_state.champion.id if loop_state.champion else "nothing"
    if cycle.state not in BEFORE_PROMOTION or served == cycle.champion:
        return None
    if loop_state.version and served == loop_state.version.id:
        return Step("move", "A person promoted it.", state="promoted")
    return Step("move", f"{served} became champion in place of {cycle.champion}.", state="refused")


def _turn(loop_state: LoopState, cycle: Cycle, policy: TriggerPolicy) -> Step:
    if cycle.state in SETTLED_STEPS:
        return SETTLED_STEPS[cycle.state]
    match cycle.state:
        case "training":
            return _training(loop_state, policy)
        case "judged":
            return _judged(loop_state, policy)
        case "awaiting_approval":
            return Step("wait", cycle.reason)
        case _:
            return _watched(loop_state, cycle, policy)


def _training(loop_state: LoopState, policy: TriggerPolicy) -> Step:
    run = loop_state.runs[-1]
    if run.status == "finished":
        return Step("judge", "against the champion, on test and fresh")
    if run.status == "running":
        if loop_state.job == "running":
            return Step("wait", "The training runs.")
        # Its process may still be ending: closing the run bars it from registering anything.
        gone = "It ended without a word." if loop_state.job == "ended" else ABANDONED
        return Step("abandon", gone)
    cut_off = (ABANDONED, INTERRUPTED)
    failures = [
        row for row in loop_state.runs if row.status == "failed" and row.error not in cut_off
    ]
    if len(failures) >= policy.attempts:
        return Step("move", f"{len(failures)} trainings failed: {run.error}", state="failed")
    return Step("train", f"again, because the last one failed: {run.error}")


def _reasons(verdict: Verdict) -> str:
    return "; ".join(f"{verdict.name(check)}: {check.reason}" for check in verdict.failed)


def _judged(loop_state: LoopState, policy: TriggerPolicy) -> Step:
    verdict = loop_state.verdict
    if verdict is None or not verdict.allows:
        reasons = "" if verdict is None else _reasons(verdict)
        return Step("move", f"The gate refused it. {reasons}.", state="refused")
    if policy.autonomy == "automatic":
        return Step("move", STRAIGHT, state="shadowing")
    approve = f"`tidemill models promote {verdict.version}` approves it"
    return Step("move", approve, state="awaiting_approval")


def _watched(loop_state: LoopState, cycle: Cycle, policy: TriggerPolicy) -> Step:
    served = loop_state.champion.id if loop_state.champion else "nothing"
    if served == cycle.champion:
        return Step("move", f"{cycle.champion} was made champion again.", state="rolled_back")
    if served != cycle.version:
        return Step("move", f"{served} has become champion since.", state="settled")
    if loop_state.answers:
        reason = f"{cycle.version} has answered {loop_state.answers} requests."
        return Step("move", reason, state="settled")
    if cycle.changed_at and loop_state.now - cycle.changed_at >= policy.watch:
        if loop_state.predecessor_answers:
            still = f"{cycle.champion} still answers in place of {cycle.version}"
            return Step("wait", f"{still}: GET /v1/ready of the server says why.")
        reason = f"Nobody asked {cycle.version} anything within {policy.watch_s:.0f} s."
        return Step("move", reason, state="settled")
    return Step("wait", cycle.reason)
