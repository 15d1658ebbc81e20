"""How the loop stands: who leads, what waits, what an engine would do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from uuid_utils import uuid7

from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Run
from tidemill.loop.transitions import move_cycle, open_cycle
from tidemill.testing.in_process import TTL, InProcessLoop, OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.runs import new_run, start_run
from tidemill.workspace.status import SHOWN
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebbles")


@pytest.fixture
def circle(begin: OpenLoop) -> InProcessLoop:
    return begin()


def cycles(circle: InProcessLoop, n: int) -> list[str]:
    """So many cycles that were refused, a minute apart; returns their ids."""
    ids = []
    for _ in range(n):
        circle.clock.advance(timedelta(minutes=1))
        now = circle.clock.now()
        cycle = Cycle(str(uuid7()), "pebble", "person", "I say so", "v1", at=now, changed_at=now)
        with circle.workspace.ledger.begin() as unit:
            open_cycle(unit, cycle, actor="ada")
            move_cycle(unit, cycle, "refused", "I changed my mind.", actor="ada", at=now)
        ids.append(cycle.id)
    return ids


def test_without_a_champion_there_is_nothing_to_improve_on(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home").create()
    now = workspace.status()
    workspace.close()
    assert now.engine.startswith("No engine has ever led this workspace")
    assert now.drift == "not checked yet; 0 of 200 predictions for the next check."
    assert set(now.feedback.values()) == {0}
    assert (now.cycles, now.verdict, now.window) == ((), None, 0)
    assert (now.next.kind, "no champion" in now.next.reason) == ("wait", True)


def test_who_leads_is_said_and_who_led(circle: InProcessLoop) -> None:
    assert "has ever led" in circle.workspace.status().engine
    circle.tick()
    until = circle.clock.now() + TTL
    assert circle.workspace.status().engine == "one leads."
    circle.clock.advance(TTL)
    line = f"No engine leads; one did until {until:%Y-%m-%d %H:%M:%S}."
    assert circle.workspace.status().engine == line


def test_who_resigned_does_not_lead(circle: InProcessLoop) -> None:
    circle.tick()
    circle.engine.close(circle.clock.now())
    assert circle.workspace.status().engine.startswith("No engine leads; one did")


def test_feedback_is_counted_by_status(circle: InProcessLoop) -> None:
    circle.give_feedback(pebbles(6, 61, 0.0))
    circle.tick()
    circle.give_feedback(pebbles(4, 62, 0.0))
    counts = circle.workspace.status().feedback
    assert {name: n for name, n in counts.items() if n} == {"accepted": 6, "pending": 4}
    assert len(counts) == 5


def test_a_window_grows_until_it_is_judged(circle: InProcessLoop) -> None:
    circle.predict(pebbles(150, 60, 1.0))
    circle.tick()
    before = circle.workspace.status()
    assert before.window == 150
    assert before.drift == "not checked yet; 150 of 200 predictions for the next check."
    circle.predict(pebbles(60, 61, 1.0))
    circle.tick()
    after = circle.workspace.status("drift.minimum=70")
    assert after.window == 0
    assert after.verdict is not None
    assert after.drift.startswith(f"drift at {after.verdict.at:%Y-%m-%d %H:%M:%S}: ")
    assert after.drift.endswith("; 0 of 70 predictions for the next check.")
    assert "The traffic drifted" in after.next.reason


def test_the_latest_cycles_are_shown_newest_first(circle: InProcessLoop) -> None:
    ids = cycles(circle, SHOWN + 2)
    assert [row.id for row in circle.workspace.status().cycles] == ids[::-1][:SHOWN]


def test_what_comes_next_is_by_the_policies_that_are_given(circle: InProcessLoop) -> None:
    circle.give_feedback(pebbles(60, 61, 0.0))
    circle.tick()
    workspace = circle.workspace
    assert workspace.status().next.reason == "No drift so far, and 60 of 150 new feedback labels."
    enough = workspace.status("trigger.feedback=60", "trigger.minimum_new=60")
    assert enough.next.kind == "open_cycle"
    with pytest.raises(UsageError, match="no policy"):
        workspace.status("feedback=60")


def test_looking_takes_a_training_to_run_and_changes_nothing(circle: InProcessLoop) -> None:
    circle.clock.advance(timedelta(minutes=1))
    now = circle.clock.now()
    cycle = Cycle(str(uuid7()), "pebble", "person", "I say so", "v1", at=now, changed_at=now)
    champion = circle.workspace.champion()
    with circle.workspace.ledger.begin() as unit:
        run = new_run("pebble", unit.get(Run, champion.run).config, champion.snapshot, now)
        start_run(unit, run, actor="engine", reason="the first attempt")
        open_cycle(unit, cycle, actor="ada")
        move_cycle(
            unit,
            replace(cycle, runs=(run.id,)),
            "training",
            "the first attempt",
            actor="engine",
            at=now,
        )
        before = len(unit.events())
    assert circle.workspace.status().next.reason == "The training runs."
    with circle.workspace.ledger.begin(write=False) as unit:
        assert len(unit.events()) == before
