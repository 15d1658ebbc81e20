"""Data, training, gate, serving, feedback, drift, retraining, promotion: all of it, in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidemill.domain.errors import LeaseLost
from tidemill.domain.types import ModelVersion, Snapshot
from tidemill.loop.window import open_profiles
from tidemill.testing.in_process import TTL, OpenLoop, open_loops, train_champion
from tidemill.testing.tiny_recipe.pebbles import flip_half, pebbles

pytestmark = pytest.mark.xdist_group("pebbles")
SHIFT = 1.0
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pebbles") / "home"
    train_champion(home).close()
    return home


@pytest.fixture
def begin(trained: Path, tmp_path: Path) -> Iterator[OpenLoop]:
    with open_loops(trained, tmp_path / "home") as begun:
        yield begun


def test_windows_of_the_training_distribution_are_no_drift(begin: OpenLoop) -> None:
    circle = begin()
    verdicts = []
    for window in range(5):
        circle.predict(pebbles(250, 50 + window, 0.0))
        verdicts += [row.drift for row in circle.settle() if row.drift]
    assert [(row.n, row.drifted) for row in verdicts] == [(250, False)] * 5


def test_too_few_predictions_are_no_verdict(begin: OpenLoop) -> None:
    circle = begin()
    circle.predict(pebbles(199, 50, SHIFT))
    assert not any(row.drift for row in circle.settle())
    circle.predict(pebbles(1, 51, SHIFT))
    assert any(row.drift and row.drift.drifted for row in circle.settle())


def test_the_loop_runs_by_itself(begin: OpenLoop) -> None:
    circle = begin()
    unseen = pebbles(300, 90, SHIFT)
    before, old = circle.measure_accuracy(unseen), circle.measure_accuracy(pebbles(300, 91, 0.0))
    circle.predict(pebbles(250, 60, SHIFT))
    waiting = circle.settle()[-1].step
    assert waiting is not None
    assert "needs 150 new feedback labels" in waiting.reason
    circle.give_feedback(pebbles(300, 61, SHIFT))
    circle.settle()
    [cycle] = circle.list_cycles()
    assert (cycle.trigger, cycle.state, cycle.version) == ("drift", "watched", "v2")
    assert circle.workspace.champion().id == "v2"
    circle.predict(pebbles(10, 62, SHIFT))
    circle.settle()
    assert circle.list_cycles()[0].state == "settled"
    assert circle.measure_accuracy(unseen) - before >= 0.10
    assert circle.measure_accuracy(pebbles(300, 91, 0.0)) >= old - 0.03


def test_what_a_cycle_has_learnt_is_no_drift_any_more(begin: OpenLoop) -> None:
    circle = begin()
    circle.predict(pebbles(250, 60, SHIFT))
    circle.give_feedback(pebbles(450, 61, SHIFT))
    circle.settle()
    assert [(cycle.trigger, cycle.version) for cycle in circle.list_cycles()] == [("drift", "v2")]
    verdicts = []
    for window in range(5):
        circle.predict(pebbles(250, 70 + window, SHIFT))
        verdicts += [row.drift for row in circle.settle() if row.drift]
    assert [(row.version, row.n, row.drifted) for row in verdicts] == [("v2", 250, False)] * 5
    circle.predict(pebbles(250, 80, 0.0))
    assert any(row.drift and row.drift.drifted for row in circle.settle())


def test_each_state_of_a_cycle_stands_in_the_events(begin: OpenLoop) -> None:
    circle = begin()
    circle.give_feedback(pebbles(300, 61, SHIFT))
    circle.settle()
    [cycle] = circle.list_cycles()
    with circle.workspace.ledger.begin(write=False) as unit:
        events = unit.events(subject=cycle.id)[::-1]
    assert [event.detail.get("state", event.kind) for event in events] == [
        "CycleOpened",
        "snapshotted",
        "training",
        "judged",
        "shadowing",
        "canary",
        "promoted",
        "watched",
    ]
    assert all(event.reason for event in events)


def test_poisoned_feedback_is_refused_and_put_aside(begin: OpenLoop) -> None:
    circle = begin("trigger.feedback_policy=accept")
    circle.give_feedback(flip_half(pebbles(300, 61, SHIFT)))
    circle.settle()
    [cycle] = circle.list_cycles()
    assert cycle.state == "refused"
    assert "fresh_credible" in cycle.reason
    assert circle.workspace.champion().id == "v1"
    with circle.workspace.ledger.begin(write=False) as unit:
        assert len(unit.feedback(status="quarantined", limit=None)) > 250


def test_a_rollback_quarantines_what_taught_the_bad_version(begin: OpenLoop) -> None:
    circle = begin()
    circle.give_feedback(pebbles(300, 61, SHIFT))
    circle.settle()
    done = circle.workspace.rollback(reason="complaints")
    assert (done.champion, done.previous) == ("v1", "v2")
    assert len(done.quarantined_feedback) > 250
    circle.settle()
    assert circle.list_cycles()[0].state == "rolled_back"


def test_proposals_wait_for_a_person(begin: OpenLoop) -> None:
    circle = begin("trigger.autonomy=propose")
    circle.give_feedback(pebbles(300, 61, SHIFT))
    last = circle.settle()[-1]
    assert circle.list_cycles()[0].state == "awaiting_approval"
    assert last.step is not None
    assert "tidemill models promote v2" in last.step.reason
    assert circle.workspace.champion().id == "v1"


def test_a_second_engine_waits_and_takes_over(begin: OpenLoop) -> None:
    one, two = begin(), begin(holder="two")
    assert one.tick().leading
    waiting = two.tick()
    assert not waiting.leading
    assert "one" in waiting.fault
    assert two.tick(TTL.total_seconds()).leading


def test_a_leader_that_was_paused_cannot_write(begin: OpenLoop) -> None:
    one, two = begin(), begin(holder="two")
    one.tick()
    two.tick(seconds=6)
    with pytest.raises(LeaseLost), one.engine._leadership.unit():
        pytest.fail("a paused leader wrote")


def test_the_snapshot_of_a_cycle_grows_from_its_champion_s(begin: OpenLoop) -> None:
    circle = begin()
    circle.give_feedback(pebbles(300, 61, SHIFT))
    circle.settle()
    with circle.workspace.ledger.begin(write=False) as unit:
        versions = {name: unit.get(ModelVersion, name) for name in ("v1", "v2")}
        extended = unit.get(Snapshot, versions["v2"].snapshot)
        parent = unit.get(Snapshot, versions["v1"].snapshot)
    assert extended.parent == parent.id
    assert extended.splits["test"] == parent.splits["test"]
    assert extended.splits["fresh"] > 80


def test_what_a_version_saw_before_it_was_champion_again_is_in_no_window(begin: OpenLoop) -> None:
    circle = begin("trigger.autonomy=observe")
    circle.predict(pebbles(199, 50, SHIFT))
    circle.settle()
    with circle.workspace.ledger.begin() as unit:
        earlier = open_profiles(
            unit, replace(unit.alias("champion") or pytest.fail("none"), at=LATER)
        )
        profiles = open_profiles(unit, unit.alias("champion") or pytest.fail("none"))
    assert (earlier, sum(row.n for row in profiles)) == ([], 199)
