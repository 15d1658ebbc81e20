"""Cycles that do not go well, and engines that come and go in the midst of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from uuid_utils import uuid7

from tidemill.adapters.memory_jobs import MemoryJobs
from tidemill.domain.cycle import Cycle, CycleState
from tidemill.domain.errors import Conflict, StorageFailed
from tidemill.domain.events import RunFinished
from tidemill.domain.feedback import Feedback
from tidemill.domain.ports import Jobs, JobState
from tidemill.domain.types import Check, ModelVersion, Run, Snapshot, Verdict
from tidemill.engine.cycle_steps import CycleSteps, outcome
from tidemill.learn.progress import Progress
from tidemill.loop.cycle import decide
from tidemill.loop.feedback import give
from tidemill.loop.transitions import move_cycle
from tidemill.loop.trigger import TriggerPolicy
from tidemill.testing.in_process import TTL, InProcessLoop, OpenLoop
from tidemill.testing.tiny_recipe.pebbles import STONES, TARGET, pebbles
from tidemill.workspace.promotion import record_verdict
from tidemill.workspace.state import loop_state
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebbles")
TAUGHT = pebbles(300, 61, 1.0)
GONE = "The engine that started it is gone."


class Endless:
    """Jobs that run until somebody ends them all."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, key: str, words: Sequence[str]) -> None:
        assert list(words) == ["train", "--run", key]
        self.started.append(key)

    def state(self, key: str) -> JobState:
        return "running" if key in self.started else "unknown"

    def output(self, key: str) -> str:
        return ""

    def running(self) -> list[str]:
        return list(self.started)

    def stop(self, key: str) -> None:
        self.started.remove(key)

    def close(self) -> None:
        self.started.clear()


class Unstartable(Endless):
    """Jobs for which the machine has no room."""

    def start(self, key: str, words: Sequence[str]) -> None:
        raise StorageFailed(f"A job could not be started: no room for {words[0]}.")


def _proof(endless: Endless) -> Jobs:
    """Lets mypy prove that these meet their contract."""
    return endless


def failing(words: Sequence[str]) -> None:
    raise MemoryError(f"no memory to {words[0]}")


def until(circle: InProcessLoop, state: CycleState) -> Cycle:
    """Turns until the cycle is in a state."""
    for _ in range(30):
        if (cycles := circle.list_cycles()) and cycles[0].state == state:
            return cycles[0]
        circle.tick()
    raise AssertionError(circle.list_cycles())


def runs(circle: InProcessLoop) -> list[Run]:
    """The runs of the latest cycle, in order."""
    with circle.workspace.ledger.begin(write=False) as unit:
        return [unit.get(Run, id) for id in circle.list_cycles()[0].runs]


def fails(*failed: str) -> tuple[Check, ...]:
    """The checks of a verdict: these fail, and one passes."""
    return (Check("floor", True, "it is good"), *(Check(name, False, "why") for name in failed))


def put_aside(circle: InProcessLoop) -> list[Feedback]:
    with circle.workspace.ledger.begin(write=False) as unit:
        return unit.feedback(status="quarantined", limit=None)


def another_champion(workspace: Workspace) -> str:
    """A person trains on the champion's data with another seed, and promotes that."""
    champion = workspace.champion()
    finished = workspace.train("seed=9", snapshot=champion.snapshot)
    workspace.promote(finished.version.id, override="I prefer it.")
    return finished.version.id


def test_a_training_that_fails_each_time_ends_its_cycle_with_the_reason(begin: OpenLoop) -> None:
    circle = begin(jobs=MemoryJobs(failing))
    circle.give_feedback(TAUGHT)
    cycle = until(circle, "failed")
    reason = "Its process ended without a result. no memory to train"
    assert cycle.reason == f"3 trainings failed: {reason}"
    assert [(row.status, row.error) for row in runs(circle)] == [("failed", reason)] * 3
    assert len(set(cycle.runs)) == circle.count_events("RunFailed") == 3
    assert circle.workspace.champion().id == "v1"
    with circle.workspace.ledger.begin(write=False) as unit:
        reasons = [
            event.reason
            for event in unit.events(subject=cycle.id)
            if event.detail.get("state") == "training"
        ]
    assert reasons == [f"again, because the last one failed: {reason}"] * 2 + ["the first attempt"]


def test_how_often_a_training_may_fail_is_a_policy(begin: OpenLoop) -> None:
    circle = begin("trigger.attempts=1", jobs=MemoryJobs(failing))
    circle.give_feedback(TAUGHT)
    assert until(circle, "failed").reason.startswith("1 trainings failed")


def test_a_training_that_cannot_even_start_is_a_failed_attempt(begin: OpenLoop) -> None:
    circle = begin(jobs=Unstartable())
    circle.give_feedback(TAUGHT)
    cycle = until(circle, "failed")
    assert cycle.reason == "3 trainings failed: A job could not be started: no room for train."
    assert [row.status for row in runs(circle)] == ["failed"] * 3


def test_the_same_snapshot_is_trained_on_after_a_failure(begin: OpenLoop) -> None:
    attempts = []

    def second(words: Sequence[str]) -> None:
        attempts.append(words[2])
        if len(attempts) == 1:
            failing(words)
        circle.workspace.resume(words[2], progress=Progress())

    circle = begin(jobs=MemoryJobs(second))
    circle.give_feedback(TAUGHT)
    cycle = until(circle, "watched")
    assert cycle.runs == tuple(attempts)
    assert [(row.status, row.snapshot) for row in runs(circle)] == [
        ("failed", cycle.snapshot),
        ("finished", cycle.snapshot),
    ]


def test_a_champion_whose_data_is_damaged_ends_the_cycle(begin: OpenLoop) -> None:
    circle = begin()
    folder = circle.workspace.home / "snapshots" / circle.workspace.champion().snapshot
    for path in folder.iterdir():
        path.write_bytes(b"no data")
    circle.give_feedback(TAUGHT)
    cycle = until(circle, "failed")
    assert cycle.snapshot == ""
    assert circle.workspace.champion().snapshot[:12] in cycle.reason
    assert circle.tick().fault == ""


def test_feedback_that_cannot_be_read_is_left_out_and_the_rest_is_learnt(begin: OpenLoop) -> None:
    circle = begin()
    circle.give_feedback(TAUGHT)
    workspace, now = circle.workspace, circle.clock.now()
    for payload in (b"no pebble", b'{"gloss": 1}'):
        item = Feedback(
            *(str(uuid7()), "", workspace.blobs.put(payload), TARGET, ""),
            *("flint", "", "bob", now),
        )
        with workspace.ledger.begin() as unit:
            give(unit, item)
    [damaged] = workspace.home.glob(f"blobs/**/{TAUGHT[0].id}*")
    damaged.write_bytes(b"other bytes")
    cycle = until(circle, "watched")
    with workspace.ledger.begin(write=False) as unit:
        [omission] = [
            event.reason
            for event in unit.events(subject=cycle.id)
            if event.detail.get("state") == "snapshotted"
        ]
        left = [row for row in unit.feedback(limit=None) if not row.snapshot]
    assert ": 299 labels used. 3 labels were omitted. 1: The blob" in omission
    assert "This is no pebble" in omission
    assert len(left) == 3


def test_labels_that_are_all_turned_one_way_are_refused_and_put_aside(begin: OpenLoop) -> None:
    """The challenger learns them and answers all of fresh so: nothing else stands against it."""
    circle = begin("trigger.feedback_policy=accept")
    circle.give_feedback([replace(row, labels={TARGET: STONES[0]}) for row in TAUGHT])
    circle.settle()
    [cycle] = circle.list_cycles()
    with circle.workspace.ledger.begin(write=False) as unit:
        checks = unit.get(Verdict, cycle.verdict).checks
    assert [check.name for check in checks if not check.passed] == ["fresh_balanced"]
    assert (cycle.state, circle.workspace.champion().id) == ("refused", "v1")
    assert cycle.reason.endswith(" 300 feedback labels were quarantined.")
    assert {row.snapshot for row in put_aside(circle)} == {cycle.snapshot}
    assert len(put_aside(circle)) == 300


@pytest.mark.parametrize(
    ("failed", "aside"),
    [
        (("fresh_balanced",), 300),
        (("fresh_credible",), 300),
        (("fresh_gain", "fresh_balanced"), 300),
        (("fresh_gain", "non_inferiority"), 0),
    ],
)
def test_labels_are_put_aside_where_they_are_what_failed(
    begin: OpenLoop, failed: tuple[str, ...], aside: int
) -> None:
    circle = begin()
    circle.give_feedback(TAUGHT)
    cycle, workspace = until(circle, "judged"), circle.workspace
    with workspace.ledger.begin() as unit:
        other = replace(unit.get(Verdict, cycle.verdict), checks=fails(*failed), passed=False)
        verdict = record_verdict(unit, replace(other, id=str(uuid7())), actor="engine")
        judged = replace(cycle, verdict=verdict.id)
        move_cycle(unit, judged, "judged", "again", actor="engine", at=circle.clock.now())
    circle.settle()
    assert circle.list_cycles()[0].state == "refused"
    assert len(put_aside(circle)) == aside


def test_a_verdict_in_a_few_words_names_the_target_where_there_are_several(begin: OpenLoop) -> None:
    with begin().workspace.ledger.begin(write=False) as unit:
        [verdict] = unit.verdicts("v1")
    assert outcome(verdict) == "passed"
    assert outcome(replace(verdict, checks=fails("onnx_parity"))) == "refused (onnx_parity)"
    one = Check("fresh_gain", False, "why", target="plant")
    alone = replace(verdict, checks=(*fails("onnx_parity"), one))
    assert outcome(alone) == "refused (onnx_parity, fresh_gain)"
    both = replace(verdict, checks=(*alone.checks, replace(one, target="disease")))
    summary = "refused (onnx_parity, fresh_gain of plant, fresh_gain of disease)"
    assert outcome(both) == summary


def test_a_champion_that_is_replaced_meanwhile_ends_the_cycle_as_refused(begin: OpenLoop) -> None:
    circle = begin()
    circle.give_feedback(TAUGHT)
    until(circle, "judged")
    version = another_champion(circle.workspace)
    circle.settle()
    cycle = circle.list_cycles()[0]
    assert (cycle.state, cycle.version) == ("refused", "v2")
    assert cycle.reason == f"{version} became champion in place of v1."
    assert circle.workspace.champion().id == version == "v3"


@pytest.mark.parametrize("state", ["triggered", "snapshotted", "judged", "shadowing", "canary"])
def test_a_step_that_comes_too_late_changes_nothing(begin: OpenLoop, state: CycleState) -> None:
    circle = begin()
    circle.give_feedback(TAUGHT)
    until(circle, state)
    workspace = circle.workspace
    with workspace.ledger.begin(write=False) as unit:
        loop = loop_state(unit, circle.clock.now(), circle.jobs)
    step = decide(loop, TriggerPolicy(autonomy="automatic"))
    circle.tick()
    kinds = (Run, Snapshot, Verdict, Cycle)
    with workspace.ledger.begin(write=False) as unit:
        before = [len(unit.events(limit=10_000)), *(unit.latest(kind) for kind in kinds)]
    with pytest.raises(Conflict):
        CycleSteps(workspace, circle.jobs, workspace.ledger.begin).do(step, loop.now)
    with workspace.ledger.begin(write=False) as unit:
        assert [len(unit.events(limit=10_000)), *(unit.latest(kind) for kind in kinds)] == before


@pytest.mark.parametrize("state", ["judged", "shadowing", "canary"])
def test_a_person_who_promotes_first_is_followed(begin: OpenLoop, state: CycleState) -> None:
    circle = begin()
    circle.give_feedback(TAUGHT)
    until(circle, state)
    circle.workspace.promote("v2")
    assert not any(turned.fault for turned in circle.settle())
    [cycle] = circle.list_cycles()
    assert (cycle.state, circle.workspace.champion().id) == ("watched", "v2")
    assert circle.count_events("AliasMoved") == 3  # v1; then v2, with v1 as the previous one


def test_a_run_that_is_finished_without_a_version_ends_the_cycle(begin: OpenLoop) -> None:
    def close(words: Sequence[str]) -> None:
        with circle.workspace.ledger.begin() as unit:
            done = replace(unit.get(Run, words[2]), status="finished")
            unit.close_run(done, RunFinished(actor="ada", subject=done.id, weights=""))

    circle = begin(jobs=MemoryJobs(close))
    circle.give_feedback(TAUGHT)
    cycle = until(circle, "failed")
    assert cycle.reason == f"Run {cycle.run} is finished, and registered no version."


def test_an_engine_that_comes_back_abandons_the_training_that_it_did_not_start(
    begin: OpenLoop,
) -> None:
    endless = Endless()
    one, two = begin(jobs=endless), begin(holder="two")
    one.give_feedback(TAUGHT)
    until(one, "training")
    assert [row.step.reason for row in one.settle() if row.step] == ["The training runs."]
    two.tick(TTL.total_seconds() + 1)
    cycle = until(two, "watched")
    first, second = runs(two)
    assert endless.started == [first.id]
    assert (first.status, first.error) == ("abandoned", GONE)
    assert (second.status, cycle.version) == ("finished", "v2")


def test_a_trainer_that_was_abandoned_registers_nothing(begin: OpenLoop) -> None:
    """The first engine is overtaken while its trainer is at work, which then finishes."""
    refused: list[Conflict] = []

    def overtaken(stage: str) -> None:
        if stage == "judge":
            two.tick(TTL.total_seconds() + 1)
            until(two, "watched")

    def train(words: Sequence[str]) -> None:
        try:
            one.workspace.resume(words[2], progress=Progress(stage=overtaken))
        except Conflict as error:
            refused.append(error)

    one, two = begin(jobs=MemoryJobs(train)), begin(holder="two")
    one.give_feedback(TAUGHT)
    while not refused:
        assert one.tick().leading
    assert not one.tick().leading
    first, second = runs(two)
    assert first.id in refused[0].message
    with two.workspace.ledger.begin(write=False) as unit:
        assert unit.find_version(first.id) is None
        newest, champion = unit.latest(ModelVersion)
    assert (newest.run, champion.id) == (second.id, "v1")
    assert (first.status, first.error, two.count_events("RunAbandoned")) == ("abandoned", GONE, 1)
    assert two.workspace.champion().id == "v2"


def test_another_engine_for_every_step_ends_the_same_cycle(begin: OpenLoop) -> None:
    begin().give_feedback(TAUGHT)
    for turn in range(12):
        circle = begin(holder=str(turn))
        circle.tick(TTL.total_seconds() + 1)
    [cycle] = circle.list_cycles()
    assert (cycle.state, cycle.version, len(cycle.runs)) == ("watched", "v2", 1)
    assert (circle.count_events("VerdictRecorded"), circle.count_events("VersionRegistered")) == (
        2,
        2,
    )
