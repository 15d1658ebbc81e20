"""The weekly data round: user rows, a snapshot, a cycle; or nothing new, and that is said."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.engine import feedback_rows
from tidemill.adapters.memory import FixedClock
from tidemill.engine.schedule import AGAIN
from tidemill.loop.schedule import next_scheduled_run
from tidemill.testing.in_process import InProcessLoop, OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebbles")
SECOND, HOUR, WEEK = timedelta(seconds=1), timedelta(hours=1), timedelta(weeks=1)
WEEKLY = ("trigger.schedule=weekly", "trigger.feedback=5000", "trigger.autonomy=propose")
DATABASE = "TIDEMILL_FEEDBACK_DATABASE"


@pytest.fixture
def weekly(begin: OpenLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenLoop:
    """`weekly(*policies)`: a circle with a schedule and an empty database of feedback."""
    feedback_rows.create_table(tmp_path)
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / feedback_rows.FILE}")
    return partial(begin, *WEEKLY)


def monday(circle: InProcessLoop) -> datetime:
    """When the next round begins."""
    begins = next_scheduled_run("weekly", circle.clock.now())
    assert begins
    return begins


def at(circle: InProcessLoop, moment: datetime) -> None:
    """A moment comes."""
    circle.clock.advance(moment - circle.clock.now())


def status(circle: InProcessLoop) -> str:
    return circle.workspace.status(*WEEKLY).schedule


def test_new_user_rows_become_a_cycle_that_waits_for_approval(
    weekly: OpenLoop, tmp_path: Path
) -> None:
    circle = weekly()
    begins = monday(circle)
    stones = pebbles(300, 61, 1.0)
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(stones, circle.clock.now(), apart=SECOND)
    )
    at(circle, begins - HOUR)
    assert (circle.tick().imported, circle.list_cycles()) == (0, [])
    at(circle, begins)
    first = circle.tick()
    assert (first.imported, first.reviewed, first.fault) == (300, 300, "")
    circle.settle()
    [cycle] = circle.list_cycles()
    assert (cycle.trigger, cycle.state, cycle.version) == ("schedule", "awaiting_approval", "v2")
    assert (
        cycle.cause
        == f"The weekly scheduled run of {begins:%Y-%m-%d} 00:00 UTC has 300 new feedback labels."
    )
    assert circle.workspace.champion().id == "v1"


def test_a_round_with_nothing_new_goes_by_and_is_said(weekly: OpenLoop, tmp_path: Path) -> None:
    circle = weekly()
    begins = monday(circle)
    assert (
        status(circle) == f"weekly; the next scheduled run is due at {begins:%Y-%m-%d} 00:00 UTC."
    )
    at(circle, begins + HOUR)
    assert [turned.step.kind for turned in circle.settle() if turned.step] == [
        "skip_scheduled_run",
        "wait",
    ]
    reason = f"The weekly scheduled run of {begins:%Y-%m-%d} 00:00 UTC has no new feedback label."
    after = f"weekly; the next scheduled run is due at {begins + WEEK:%Y-%m-%d} 00:00 UTC."
    assert status(circle) == f"{after} {reason}"
    assert (circle.list_cycles(), circle.count_events("ScheduledRunSkipped")) == ([], 1)


def test_too_few_rows_wait_for_the_next_round(weekly: OpenLoop, tmp_path: Path) -> None:
    circle = weekly("trigger.minimum_new=20")
    begins = monday(circle)
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(pebbles(12, 61, 1.0), begins - HOUR)
    )
    at(circle, begins)
    circle.settle()
    assert "has 12 of 20 new feedback labels; they wait" in status(circle)
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(pebbles(12, 62, 1.0), begins + HOUR)
    )
    at(circle, begins + WEEK - HOUR)
    assert [turned.imported for turned in circle.settle()] == [0]
    at(circle, begins + WEEK)
    circle.settle()
    [cycle] = circle.list_cycles()
    assert "has 24 new feedback labels" in cycle.cause


def test_an_engine_that_was_gone_for_three_weeks_holds_one_round(
    weekly: OpenLoop, tmp_path: Path
) -> None:
    circle = weekly()
    begins = monday(circle)
    at(circle, begins + 3 * WEEK + 5 * HOUR)
    circle.settle()
    assert (
        circle.count_events("ScheduledRunSkipped"),
        circle.count_events("FeedbackImported"),
    ) == (1, 1)
    assert f"scheduled run is due at {begins + 4 * WEEK:%Y-%m-%d} 00:00" in status(circle)


def test_a_database_that_is_away_holds_up_its_round_and_nothing_else(
    weekly: OpenLoop, tmp_path: Path
) -> None:
    circle = weekly("trigger.minimum_new=3")
    begins = monday(circle)
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(pebbles(9, 61, 1.0), begins - HOUR))
    file, hidden = tmp_path / feedback_rows.FILE, tmp_path / "hidden"
    file.rename(hidden)
    at(circle, begins)
    circle.predict(pebbles(20, 60, 0.0))
    turned = circle.tick()
    assert "The database of feedback cannot be read" in turned.fault
    assert (turned.drained, turned.leading) == (20, True)
    assert turned.step is not None
    assert turned.step.reason.endswith("waits until the feedback database has been read.")
    hidden.rename(file)
    assert circle.tick().fault == turned.fault, "it is left alone for a while"
    turned = circle.tick(AGAIN.total_seconds())
    assert (turned.imported, turned.fault) == (9, "")
    circle.settle()
    assert circle.list_cycles()[0].trigger == "schedule"


def test_a_row_that_cannot_be_taken_holds_no_round_up(weekly: OpenLoop, tmp_path: Path) -> None:
    circle = weekly("trigger.minimum_new=3")
    begins = monday(circle)
    rows = feedback_rows.right_rows(pebbles(9, 61, 1.0), begins - HOUR, apart=SECOND)
    lacking = [("", "flint", begins - SECOND), (None, "flint", begins), ("a stone", "flint", None)]
    feedback_rows.write_rows(tmp_path, [*rows, *lacking])
    at(circle, begins)
    turned = circle.tick()
    assert (turned.imported, turned.fault) == (9, "")
    assert "The last import left 3 rows out: The row of feedback of" in status(circle)
    assert "Rows of feedback without a time: 1." in status(circle)
    circle.settle()
    assert circle.list_cycles()[0].trigger == "schedule"


def test_a_table_of_which_nothing_can_be_taken_holds_its_round_up_and_is_told(
    weekly: OpenLoop, tmp_path: Path
) -> None:
    circle = weekly()
    begins = monday(circle)
    feedback_rows.write_rows(tmp_path, [("no pebble", "flint", begins - HOUR)])
    at(circle, begins)
    turned = circle.tick()
    assert "None of 1 rows of feedback can be imported" in turned.fault
    assert turned.step is not None
    assert turned.step.reason.endswith("waits until the feedback database has been read.")


def test_labels_from_elsewhere_count_in_the_round(weekly: OpenLoop) -> None:
    circle = weekly("trigger.minimum_new=3")
    circle.give_feedback(pebbles(9, 61, 1.0))
    at(circle, monday(circle))
    circle.settle()
    assert circle.list_cycles()[0].trigger == "schedule"


def test_a_round_without_a_database_asks_none(
    weekly: OpenLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATABASE)
    circle = weekly()
    at(circle, monday(circle))
    assert [turned.step.kind for turned in circle.settle() if turned.step] == [
        "skip_scheduled_run",
        "wait",
    ]
    assert circle.count_events("FeedbackImported") == 0


def test_without_a_schedule_no_database_is_read(
    weekly: OpenLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / 'nowhere'}")
    circle = weekly("trigger.schedule=never")
    at(circle, monday(circle) + HOUR)
    assert [(turned.fault, turned.imported) for turned in circle.settle()] == [("", 0)]
    assert circle.workspace.status().schedule == ""


def test_without_a_champion_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / 'nowhere'}")
    workspace = Workspace(tmp_path / "home", clock=FixedClock()).create()
    circle = InProcessLoop(workspace, *WEEKLY)
    at(circle, monday(circle))
    turned = circle.settle()
    circle.close()
    assert [(row.fault, row.imported) for row in turned] == [("", 0)]
