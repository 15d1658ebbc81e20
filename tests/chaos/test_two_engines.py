"""Two engines on one workspace: one leads; it is paused, the other finishes, and it stays out."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.chaos import processes
from tests.chaos.conftest import Tally, Undisturbed
from tests.chaos.invariants import check
from tests.chaos.loop_processes import SECONDS, LoopProcesses
from tidemill.adapters.child_process import EngineProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not processes.PROC.is_dir(), reason="processes are looked for in /proc"),
]
PACE = {"TIDEMILL_TICK_MS": "200", "TIDEMILL_LEASE_MS": "3000"}
"""So that a leader on a busy machine keeps its lease, and writes only now and then."""


def read_log(home: Path, name: str) -> str:
    return home.with_name(f"{name}.log").read_text("utf-8")


def holds(engine: EngineProcess, holder: str) -> bool:
    """True when the lease's holder is this process: a host, a process and an id make the name."""
    return f":{engine.pid}:" in holder


def pause_between_units(loop: LoopProcesses, engine: EngineProcess) -> None:
    """Stop it where it does not hold the ledger's lock, which would stop everybody else."""

    def stopped() -> bool:
        os.kill(engine.pid, signal.SIGSTOP)
        if loop.records.unlocked():
            return True
        os.kill(engine.pid, signal.SIGCONT)
        return False

    loop.wait_until(stopped, "a moment at which the leader does not write")


def test_a_paused_leader_is_followed_and_writes_nothing_when_it_wakes(
    home: Path, undisturbed: Undisturbed, tally: Tally
) -> None:
    with tally.trial("two engines"), LoopProcesses(home, **PACE) as loop:
        one, records = loop.engine, loop.records
        loop.wait_until(lambda: holds(one, records.leader()), "a leader")
        first = records.leader()
        two = loop.start_engine("two")
        loop.wait_until(
            lambda: f"{first} holds the lease" in read_log(home, "two"), "the other's word"
        )
        loop.wait_until(lambda: loop.find_trainer() is not None, "a trainer")
        opened = records.cycle()
        pause_between_units(loop, one)
        tally.kills["engine, paused"][records.state()] += 1
        loop.wait_until(lambda: holds(two, records.leader()), f"a second leader within {SECONDS} s")
        loop.engine = two
        loop.wait_until(lambda: records.state() == "settled", "the end of the cycle")
        loop.settle()
        assert read_log(home, "two").count("holds the lease") == 1
        before = records.rows("events")
        os.kill(one.pid, signal.SIGCONT)
        second = records.leader()
        log = loop.log
        # Where it was paused decides who stops it: its next claim to lead, or the fence of a unit.
        words = (f"{second} holds the lease", f"went to {second}")
        loop.wait_until(
            lambda: any(word in log.read_text("utf-8") for word in words), "the first's word"
        )
        assert holds(two, records.leader())
        assert records.rows("events") == before
        assert [row["actor"] for row in records.events("LeaseTaken")] == [first, second]
        one.stop()
        two.stop()
        outcome = check(home, loop.client, loop.labelled, opened)
    assert outcome == undisturbed.outcome
