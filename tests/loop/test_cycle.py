"""What a cycle does next, for every state it can be found in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.cycle import FINAL, Cycle, CycleState, TriggerKind
from tidemill.domain.drift import DriftVerdict, FeatureDrift
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Check, ModelVersion, Run, Verdict
from tidemill.loop.cycle import LoopState, count_failures, decide
from tidemill.loop.step import (
    CloseTraining,
    MoveCycle,
    OpenCycle,
    SkipScheduledRun,
    Step,
    StepKind,
    Wait,
)
from tidemill.loop.trigger import Autonomy, TriggerPolicy

NOW = FixedClock().now()
HOUR = timedelta(hours=1)
V1 = ModelVersion("v1", "b1", "r1", "s1", "coffee", None, NOW)
V2 = ModelVersion("v2", "b2", "r2", "s2", "coffee", "v1", NOW)
V3 = ModelVersion("v3", "b3", "r3", "s3", "coffee", "v1", NOW)
RUN = Run("r2", "coffee", "s2", 0, {}, {}, {}, NOW)
CYCLE = Cycle("c1", "coffee", "drift", "It drifted.", "v1", NOW, changed_at=NOW)
PASSED = Verdict("d2", "v2", "v1", True, (Check("floor", True, "0.9"),), 1, NOW)
REFUSED = replace(PASSED, passed=False, checks=(Check("fresh_gain", False, "too little"),))
DRIFT = DriftVerdict(
    "w1", "v1", True, 250, 300, NOW, NOW, (FeatureDrift("red", 1.2, 0.4, 1e-6, True),), NOW, 0.2
)
POLICY = TriggerPolicy(autonomy="automatic")


def trigger_of(step: Step) -> TriggerKind:
    assert isinstance(step, OpenCycle)
    return step.trigger


def state_of(step: Step) -> CycleState | None:
    """Where a step moves its cycle; None for every other step."""
    return step.state if isinstance(step, MoveCycle) else None


def idle(policy: TriggerPolicy = POLICY, **fields: Any) -> Step:
    return decide(LoopState(NOW, V1, **fields), policy)


def turn(state: CycleState, policy: TriggerPolicy = POLICY, **changes: Any) -> Step:
    cycle = replace(CYCLE, state=state, runs=("r2",), version="v2", verdict="d2")
    fields: dict[str, Any] = {"champion": V1, "runs": (RUN,), "version": V2, **changes}
    return decide(LoopState(now=NOW, cycle=cycle, **fields), policy)


def test_nothing_begins_without_a_champion_a_trigger_or_data() -> None:
    assert decide(LoopState(NOW, None), POLICY).kind == "wait"
    assert idle(new_feedback=149) == Wait("No drift so far, and 149 of 150 new feedback labels.")
    waiting = idle(drift=DRIFT, new_feedback=149)
    assert waiting.kind == "wait"
    assert "drifted" in waiting.reason
    assert "needs 150 new feedback labels, and there are 149" in waiting.reason


def test_drift_with_enough_data_and_feedback_alone_begin_a_cycle() -> None:
    begun = idle(drift=DRIFT, new_feedback=150)
    assert (begun.kind, trigger_of(begun)) == ("open_cycle", "drift")
    assert "red" in begun.reason
    begun = idle(new_feedback=150)
    assert (begun.kind, trigger_of(begun)) == ("open_cycle", "feedback")
    assert idle(drift=replace(DRIFT, drifted=False), new_feedback=149).kind == "wait"


def test_one_drift_verdict_begins_one_cycle() -> None:
    last = replace(CYCLE, state="refused", at=DRIFT.at, changed_at=NOW - 2 * HOUR)
    patient = replace(POLICY, feedback=500)
    assert idle(patient, drift=DRIFT, new_feedback=150, last_cycle=last).kind == "wait"
    later = replace(DRIFT, at=NOW + HOUR)
    assert idle(patient, drift=later, new_feedback=150, last_cycle=last).kind == "open_cycle"


@pytest.mark.parametrize(
    ("policy", "fields", "says"),
    [
        ({}, {"last_cycle": replace(CYCLE, state="settled")}, "3600 s of cool-down are left"),
        ({"budget": 2}, {"recent_cycles": 2}, "2 cycles began within 24 hours, 2 may"),
        ({"autonomy": "observe"}, {}, "only observes"),
        ({"minimum_new": 200}, {}, "needs 200"),
    ],
)
def test_what_holds_a_cycle_back_is_said(
    policy: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    step = idle(replace(POLICY, **policy), new_feedback=150, **fields)
    assert step.kind == "wait"
    assert "150 new feedback labels were accepted" in step.reason
    assert says in step.reason


def test_a_guard_that_is_met_holds_nothing_back() -> None:
    last = replace(CYCLE, state="settled", changed_at=NOW - HOUR)
    assert idle(new_feedback=150, last_cycle=last, recent_cycles=5).kind == "open_cycle"


MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(weeks=1)
WEEKLY = replace(POLICY, schedule="weekly", feedback=500)
NAME = "The weekly scheduled run of 2026-01-05 00:00 UTC"


def round_at(now: datetime, policy: TriggerPolicy = WEEKLY, **fields: Any) -> Step:
    return decide(LoopState(now, V1, **{"new_feedback": 150, **fields}), policy)


def test_a_round_with_enough_to_learn_begins_a_cycle() -> None:
    assert round_at(MONDAY - timedelta(microseconds=1)).kind == "wait"
    begun = round_at(MONDAY)
    assert (begun.kind, trigger_of(begun)) == ("open_cycle", "schedule")
    assert begun.reason == f"{NAME} has 150 new feedback labels."
    assert round_at(MONDAY, replace(WEEKLY, schedule="never")).kind == "wait"


def test_a_cycle_that_began_since_has_done_what_the_round_was_for() -> None:
    last = replace(CYCLE, state="refused", at=MONDAY, changed_at=MONDAY)
    assert round_at(MONDAY + 2 * HOUR, last_cycle=last).kind == "wait"
    assert trigger_of(round_at(MONDAY + WEEK, last_cycle=last)) == "schedule"
    sunday = replace(last, at=MONDAY - 3 * HOUR, changed_at=MONDAY - 2 * HOUR)
    assert trigger_of(round_at(MONDAY, last_cycle=sunday)) == "schedule"


def test_three_weeks_without_an_engine_are_one_round() -> None:
    last = replace(CYCLE, state="settled", at=MONDAY, changed_at=MONDAY)
    late = MONDAY + 3 * WEEK + 30 * HOUR
    begun = round_at(late, last_cycle=last)
    assert "scheduled run of 2026-01-26 00:00 UTC" in begun.reason
    after = replace(last, at=late, changed_at=late)
    assert round_at(late + 2 * HOUR, last_cycle=after).kind == "wait"
    assert round_at(MONDAY + 4 * WEEK, last_cycle=after).kind == "open_cycle"


def test_a_clock_that_is_set_back_begins_no_round_twice() -> None:
    last = replace(CYCLE, state="settled", at=MONDAY + HOUR, changed_at=MONDAY + HOUR)
    for now in (MONDAY - HOUR, MONDAY, MONDAY + 3 * HOUR):
        assert round_at(now, last_cycle=last, new_feedback=499).kind == "wait"
    assert (
        round_at(MONDAY + 9 * HOUR, last_cycle=replace(last, at=MONDAY + 9 * WEEK)).kind
        == "open_cycle"
    )


@pytest.mark.parametrize("late", ["champion", "last", "both"])
def test_a_clock_that_was_far_ahead_lets_a_round_go_by_once(late: str) -> None:
    ahead = MONDAY + 30 * timedelta(days=1)
    champion = V1 if late == "last" else replace(V1, at=ahead)
    cycle = replace(CYCLE, state="settled", at=ahead, changed_at=ahead)
    state = LoopState(MONDAY + HOUR, champion, last_cycle=None if late == "champion" else cycle)
    first = decide(replace(state, new_feedback=3), WEEKLY)
    assert (first.kind, first.reason[: len(NAME)]) == ("skip_scheduled_run", NAME)
    for now in (state.now, state.now + HOUR, state.now - 2 * HOUR):
        assert (
            decide(replace(state, now=now, new_feedback=3, last_skip=state.now), WEEKLY).kind
            == "wait"
        )
    later = replace(state, now=MONDAY + WEEK, new_feedback=3, last_skip=state.now)
    assert decide(later, WEEKLY).kind == "skip_scheduled_run"


def test_a_champion_has_no_round_to_catch_up_on() -> None:
    young = replace(V1, at=MONDAY + HOUR)
    assert decide(LoopState(MONDAY + 2 * HOUR, young, new_feedback=150), WEEKLY).kind == "wait"


@pytest.mark.parametrize(
    ("accepted", "says"),
    [
        (0, "has no new feedback label."),
        (1, "has 1 of 150 new feedback labels; they wait for the next one."),
        (149, "has 149 of 150 new feedback labels; they wait for the next one."),
    ],
)
@pytest.mark.parametrize("autonomy", get_args(Autonomy))
def test_a_round_without_enough_to_learn_goes_by(
    accepted: int, says: str, autonomy: Autonomy
) -> None:
    step = round_at(MONDAY, replace(WEEKLY, autonomy=autonomy), new_feedback=accepted)
    assert step == SkipScheduledRun(f"{NAME} {says}")


def test_labels_that_come_after_their_round_wait_for_the_next() -> None:
    assert round_at(MONDAY + HOUR, last_skip=MONDAY).kind == "wait"
    assert round_at(MONDAY + WEEK, last_skip=MONDAY + HOUR).kind == "open_cycle"


@pytest.mark.parametrize(
    ("policy", "fields", "says"),
    [
        (
            {},
            {"last_cycle": replace(CYCLE, at=MONDAY - HOUR, changed_at=MONDAY)},
            "cool-down are left",
        ),
        ({"budget": 2}, {"recent_cycles": 2}, "2 cycles began within 24 hours, 2 may"),
        ({"autonomy": "observe"}, {}, "only observes"),
    ],
)
def test_a_round_that_is_held_back_waits_and_is_not_lost(
    policy: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    step = round_at(MONDAY, replace(WEEKLY, **policy), **fields)
    assert step.kind == "wait"
    assert says in step.reason
    assert (
        round_at(MONDAY + 2 * HOUR, WEEKLY, **{**fields, "recent_cycles": 1}).kind == "open_cycle"
    )


def test_a_round_begins_only_after_the_database_was_read() -> None:
    step = round_at(MONDAY, last_import=MONDAY - HOUR, new_feedback=3)
    assert step == Wait(f"{NAME} waits until the feedback database has been read.")
    assert round_at(MONDAY, last_import=MONDAY, new_feedback=3).kind == "skip_scheduled_run"
    assert round_at(MONDAY, last_import=MONDAY - HOUR).kind == "open_cycle", (
        "there is enough without it"
    )


def test_drift_and_feedback_come_before_the_calendar() -> None:
    drift = replace(DRIFT, at=MONDAY)
    assert trigger_of(round_at(MONDAY, drift=drift)) == "drift"
    assert trigger_of(round_at(MONDAY, new_feedback=500)) == "feedback"


def test_a_round_in_propose_stops_before_the_promotion() -> None:
    proposing = replace(WEEKLY, autonomy="propose")
    assert trigger_of(round_at(MONDAY, proposing)) == "schedule"
    assert state_of(turn("judged", proposing, verdict=PASSED)) == "awaiting_approval"


NEXT: list[tuple[CycleState, dict[str, Any], StepKind, CycleState | None]] = [
    ("triggered", {}, "take_snapshot", None),
    ("snapshotted", {}, "start_training", None),
    ("training", {"job": "running"}, "wait", None),
    ("training", {"job": "ended"}, "close_training", None),
    ("training", {"job": "unknown"}, "close_training", None),
    ("training", {"runs": (replace(RUN, status="finished"),)}, "judge_version", None),
    ("training", {"runs": (replace(RUN, status="failed", error="oops"),)}, "start_training", None),
    ("judged", {"verdict": PASSED}, "move_cycle", "shadowing"),
    ("judged", {"verdict": REFUSED}, "move_cycle", "refused"),
    (
        "judged",
        {"verdict": replace(REFUSED, override_reason="I looked")},
        "move_cycle",
        "shadowing",
    ),
    ("awaiting_approval", {}, "wait", None),
    ("awaiting_approval", {"champion": V2}, "move_cycle", "promoted"),
    ("shadowing", {}, "move_cycle", "canary"),
    ("canary", {}, "promote_version", None),
    ("promoted", {"champion": V2}, "move_cycle", "watched"),
    ("watched", {"champion": V2}, "wait", None),
    ("watched", {"champion": V2, "answers": 3}, "move_cycle", "settled"),
    ("watched", {"champion": V1}, "move_cycle", "rolled_back"),
    ("watched", {"champion": V3}, "move_cycle", "settled"),
]


@pytest.mark.parametrize(("state", "fields", "kind", "to"), NEXT)
def test_every_state_has_its_next_step(
    state: CycleState, fields: dict[str, Any], kind: StepKind, to: CycleState | None
) -> None:
    step = turn(state, **fields)
    assert (step.kind, state_of(step)) == (kind, to)


def test_no_state_is_forgotten() -> None:
    assert {row[0] for row in NEXT} == set(get_args(CycleState)) - FINAL


@pytest.mark.parametrize("state", ["triggered", "training", "judged", "canary"])
def test_a_cycle_whose_champion_was_replaced_is_refused(state: CycleState) -> None:
    step = turn(state, champion=V3, verdict=PASSED)
    assert (step.kind, state_of(step)) == ("move_cycle", "refused")
    assert "v3 became champion in place of v1" in step.reason


def test_what_the_gate_said_stands_in_the_refusal() -> None:
    assert "fresh_gain: too little" in turn("judged", verdict=REFUSED).reason


@pytest.mark.parametrize("autonomy", ["propose", "observe"])
def test_without_full_autonomy_a_person_has_to_approve(autonomy: Any) -> None:
    step = turn("judged", replace(POLICY, autonomy=autonomy), verdict=PASSED)
    assert state_of(step) == "awaiting_approval"
    assert "tidemill models promote v2" in step.reason


def test_only_trainings_that_fail_by_themselves_are_counted() -> None:
    failed = replace(RUN, status="failed", error="no memory")
    assert turn("training", runs=(failed, failed)).kind == "start_training"
    last = turn("training", runs=(failed, failed, failed))
    assert (last.kind, state_of(last)) == ("move_cycle", "failed")
    assert "3 trainings failed: no memory" in last.reason
    for status in ("interrupted", "abandoned"):
        lost = replace(failed, status=status)
        assert count_failures((failed, lost, failed)) == 2
        again = turn("training", runs=(lost,) * 9)
        assert again.kind == "start_training"
        assert f"the last one was {status}: no memory" in again.reason


@pytest.mark.parametrize(("job", "outcome"), [("ended", "failed"), ("unknown", "abandoned")])
def test_a_run_without_a_process_is_closed_with_its_outcome(job: Any, outcome: str) -> None:
    step = turn("training", job=job)
    assert isinstance(step, CloseTraining)
    assert step.outcome == outcome


def test_a_step_as_json_has_no_records_in_it() -> None:
    opened, moved = idle(drift=DRIFT, new_feedback=150), turn("shadowing")
    assert opened.to_json() == {"kind": "open_cycle", "reason": opened.reason, "trigger": "drift"}
    assert moved.to_json() == {"kind": "move_cycle", "reason": moved.reason, "state": "canary"}
    assert turn("canary").to_json() == {"kind": "promote_version", "reason": "passed its gate"}
    assert [step.title for step in (opened, moved)] == ["open cycle", "canary"]


def test_every_kind_of_step_belongs_to_one_class() -> None:
    assert [step.kind for step in get_args(Step)] == list(get_args(StepKind))


def test_a_version_that_nobody_asks_settles_in_the_end() -> None:
    cycle = replace(CYCLE, state="watched", version="v2", runs=("r2",), changed_at=NOW)
    state = LoopState(NOW + timedelta(seconds=61), V2, cycle=cycle, runs=(RUN,), version=V2)
    assert state_of(decide(state, POLICY)) == "settled"
    assert "No request reached v2" in decide(state, POLICY).reason


@pytest.mark.parametrize(
    "value",
    [
        {"autonomy": "full"},
        {"feedback_policy": "believe"},
        {"feedback": 0},
        {"schedule": "monthly"},
        {"minimum_new": 0},
        {"cooldown_s": -1},
        {"budget": -1},
        {"budget": 101},
        {"attempts": 0},
        {"watch_s": -1},
    ],
)
def test_a_policy_that_cannot_work_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(value))):
        TriggerPolicy(**value)
