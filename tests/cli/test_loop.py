"""`tidemill loop`: what a person sees and does in this process; engines as real ones."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from uuid_utils import uuid7

from tests.cli.commands import SECONDS, ended, rest, started, surroundings, until
from tests.cli.conftest import Ask
from tidemill.adapters.child_process import EngineProcess
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.memory import FixedClock
from tidemill.domain.cycle import Cycle, CycleState
from tidemill.domain.types import Run
from tidemill.engine.leadership import Leadership
from tidemill.loop.transitions import move_cycle, open_cycle
from tidemill.testing.in_process import InProcessLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.runs import new_run, start_run
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebble commands")
WHY = "new [pebbles] from the north beach [/b]"
FAST = {"TIDEMILL_TICK_MS": "20", "TIDEMILL_LEASE_MS": "1000"}
HOUR = timedelta(hours=1)
LONG = {"TIDEMILL_LEASE_MS": "3600000"}
LEARN = ("trigger.feedback=300", "trigger.minimum_new=300")


@contextmanager
def opened(home: Path) -> Iterator[Workspace]:
    workspace = Workspace(home)
    try:
        yield workspace
    finally:
        workspace.close()


def teach(home: Path) -> None:
    """300 labels that nobody has decided on yet."""
    workspace = Workspace(home, clock=FixedClock(SystemClock().now()))
    circle = InProcessLoop(workspace)
    circle.give_feedback(pebbles(300, 61, 1.0))
    circle.close()


def brought_to(home: Path, state: CycleState) -> Cycle:
    """A cycle in this state, with a run that runs."""
    with opened(home) as workspace:
        champion, now = workspace.champion(), workspace.clock.now()
        cycle = Cycle(str(uuid7()), "pebble", "person", WHY, "v1", at=now, changed_at=now)
        with workspace.ledger.begin() as unit:
            run = new_run("pebble", unit.get(Run, champion.run).config, champion.snapshot, now)
            start_run(unit, run, actor="engine", reason="the first attempt")
            open_cycle(unit, cycle, actor="ada")
            return move_cycle(
                unit, replace(cycle, runs=(run.id,)), state, "So be it.", actor="engine", at=now
            )


def cycles(home: Path) -> list[Cycle]:
    with opened(home) as workspace, workspace.ledger.begin(write=False) as unit:
        return unit.latest(Cycle)


@contextmanager
def another_leads(home: Path) -> Iterator[None]:
    """Another engine has taken the lease for an hour."""
    with opened(home) as workspace:
        leadership = Leadership(workspace.ledger, workspace.clock, holder="another", ttl=HOUR)
        leadership.lead(workspace.clock.now())
        yield


def test_the_status_says_who_leads_what_waits_and_what_comes_next(tell: Ask, beach: Path) -> None:
    teach(beach)
    result = tell("loop", "status")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("No engine has ever led this workspace; ")
    assert (
        "Feedback: 300 pending, 0 accepted, 0 rejected, 0 superseded, 0 quarantined" in result.out
    )
    assert "Drift: not checked yet; 0 of 200 predictions for the next check." in result.out
    assert result.out.endswith("Next: wait. No drift so far, and 0 of 150 new feedback labels.\n")


def test_the_status_as_json_and_by_other_policies(tell: Ask, beach: Path) -> None:
    cycle = brought_to(beach, "training")
    with another_leads(beach):
        body = tell("loop", "status", "drift.minimum=70", "--json").body
    assert set(body) == {
        *("engine", "feedback", "drift", "verdict", "window", "schedule", "cycles", "next")
    }
    assert body["engine"] == "another leads."
    assert "0 of 70 predictions" in body["drift"]
    [shown] = body["cycles"]
    assert (shown["id"], shown["state"], shown["cause"]) == (cycle.id, "training", WHY)
    assert shown["runs"] == list(cycle.runs)
    assert body["next"]["reason"] == "The training runs."


def test_the_status_says_when_the_next_round_begins(tell: Ask, beach: Path) -> None:
    assert "Schedule" not in tell("loop", "status").out
    result = tell("loop", "status", "trigger.schedule=weekly")
    assert re.search(
        r"^Schedule: weekly; the next scheduled run is due at \d{4}-\d\d-\d\d 00:00 UTC\.$",
        result.out,
        re.M,
    )
    assert tell("loop", "status", "--json").body["schedule"] == ""


def test_a_person_begins_a_cycle_and_another_one_has_to_wait(tell: Ask, beach: Path) -> None:
    body = tell("loop", "trigger", "--reason", WHY, "--json").body
    assert [row.id for row in cycles(beach)] == [body["id"]]
    assert (body["state"], body["cause"], body["trigger"]) == ("triggered", WHY, "person")
    again = tell("loop", "trigger", "--reason", "more", "--json")
    assert (again.code, again.body["error"]["code"]) == (1, "conflict")
    assert len(cycles(beach)) == 1


def test_a_person_refuses_what_awaits_approval(tell: Ask, beach: Path) -> None:
    cycle = brought_to(beach, "awaiting_approval")
    result = tell("loop", "refuse", "--reason", WHY)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"Cycle {cycle.id} is refused; v1 stays champion.\n"
    [refused] = cycles(beach)
    assert (refused.state, refused.reason) == ("refused", WHY)
    shown = tell("loop", "status")
    assert shown.code == 0
    assert cycle.id in shown.out
    assert WHY in shown.out
    again = tell("loop", "refuse", "--reason", WHY, "--json")
    assert (again.code, again.body["error"]["code"]) == (1, "conflict")


@pytest.mark.parametrize("command", ["trigger", "refuse"])
@pytest.mark.parametrize("words", [[], ["--reason", " "]])
def test_a_reason_is_needed(tell: Ask, beach: Path, command: str, words: list[str]) -> None:
    result = tell("loop", command, *words, "--json")
    assert (result.code, result.body["error"]["code"]) == (2, "usage")
    assert "reason" in result.body["error"]["message"]
    assert cycles(beach) == []


@pytest.mark.parametrize("words", [("loop", "run"), ("loop", "tick"), ("up", "pebble")])
def test_a_wrong_policy_is_usage_before_anything_is_done(
    tell: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    home = tmp_path / "elsewhere"
    monkeypatch.setenv("TIDEMILL_HOME", str(home))
    result = tell(*words, "trigger.fedback=3")
    assert (result.code, result.err.count("error:")) == (2, 1)
    assert "There is no policy 'trigger.fedback'" in result.err
    assert not home.exists()


def test_one_tick_does_all_there_is_and_tells_it(tell: Ask, beach: Path) -> None:
    before = tell("loop", "tick", "--json").body
    assert (before["steps"], before["cycle"], before["fault"]) == ([], None, "")
    assert before["next"] == "No drift so far, and 0 of 150 new feedback labels."
    assert tell("loop", "tick").err == f"Next: wait. {before['next']}\n"
    tell("loop", "trigger", "--reason", WHY)
    body = tell("loop", "tick", "--json").body
    assert [row["kind"] for row in body["steps"]] == ["take_snapshot"]
    assert (body["leading"], body["cycle"]["state"]) == (True, "refused")
    with opened(beach) as workspace, workspace.ledger.begin(write=False) as unit:
        lease = unit.lease("engine")
    assert lease is not None
    assert lease.until <= workspace.clock.now(), "it lets another engine lead at once"


def test_an_engine_that_is_stopped_while_it_trains_is_followed_by_a_tick(beach: Path) -> None:
    teach(beach)
    with started("loop", "run", *LEARN, home=beach, **FAST) as process:
        until(process, "^start training: the first attempt$")
        process.send_signal(signal.SIGTERM)
        output = rest(process)
    assert (process.returncode, "Traceback" in output) == (0, False)
    [cycle] = cycles(beach)
    assert cycle.state == "training"
    done = subprocess.run(
        [sys.executable, "-m", "tidemill", "loop", "tick", *LEARN, "--json"],
        env=surroundings(beach, **FAST),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert '"state": "awaiting_approval"' in done.stdout
    [cycle] = cycles(beach)
    assert (cycle.state, cycle.version, len(cycle.runs)) == ("awaiting_approval", "v2", 2)
    with opened(beach) as workspace, workspace.ledger.begin(write=False) as unit:
        first, second = (unit.get(Run, id) for id in cycle.runs)
    assert first.status in ("interrupted", "abandoned"), "that was no failed attempt"
    assert second.status == "finished"
    assert "start training: again" in done.stderr


@pytest.mark.parametrize("state", ["triggered", "training"])
def test_a_tick_beside_another_engine_does_nothing_and_says_so(
    tell: Ask, beach: Path, monkeypatch: pytest.MonkeyPatch, state: CycleState
) -> None:
    monkeypatch.setenv("TIDEMILL_LEASE_MS", LONG["TIDEMILL_LEASE_MS"])
    cycle = brought_to(beach, state)
    with another_leads(beach):
        result = tell("loop", "tick")
    assert (result.code, result.err.count("another holds the lease")) == (1, 1)
    assert cycles(beach) == [cycle]


def test_a_damaged_log_does_not_keep_a_tick_from_its_training(beach: Path) -> None:
    teach(beach)
    (beach / "traffic" / "damaged.sqlite").write_bytes(b"no log" * 1_000)
    code, output = ended("loop", "tick", *LEARN, home=beach, **FAST)
    assert (code, output.count("damaged.sqlite")) == (1, 1)
    assert cycles(beach)[0].state == "awaiting_approval"


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_an_engine_that_is_told_to_end_lets_another_one_lead_at_once(
    beach: Path, tell: Ask, name: signal.Signals
) -> None:
    with started("loop", "run", home=beach, **LONG) as process:
        until(process, f"^The engine runs over {re.escape(str(beach))}. Ctrl-C stops it.$")
        process.send_signal(name)
        output = rest(process)
    assert (process.returncode, output) == (0, "")
    assert " leads.\n" not in tell("loop", "status").out


def test_an_engine_ends_when_its_parent_s_pipe_closes(beach: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        with EngineProcess(beach, settings=surroundings(beach, **FAST), log=log) as engine:
            assert engine.announced == {"engine": engine.pid}
        assert engine.wait() == 0
    assert (tmp_path / "log").read_text("utf-8") == ""


def test_a_second_engine_says_once_that_another_one_leads(beach: Path) -> None:
    with (
        another_leads(beach),
        started("loop", "run", home=beach, **LONG) as process,
    ):
        until(process, "^another holds the lease")
        process.send_signal(signal.SIGTERM)
        output = rest(process)
    assert (process.returncode, output) == (0, "")
    assert cycles(beach) == []
