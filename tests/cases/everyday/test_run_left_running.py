"""A training is killed without a chance to say so. Who notices that its run is over?

After `doctor` and a tick of the engine, its run must no longer be called running.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.cases.commands import environment, run, tick
from tests.cases.names import argv
from tests.cases.server import wait_until
from tests.cases.verdict import falls_short, require

PATIENCE = 60.0


def run_statuses(home: Path) -> list[str]:
    """What the ledger says of each run; nothing before there is a table of them."""
    if not (home / "ledger.sqlite").exists():
        return []
    with closing(sqlite3.connect(home / "ledger.sqlite", timeout=20)) as ledger:
        try:
            return [status for (status,) in ledger.execute("SELECT status FROM runs")]
        except sqlite3.OperationalError:
            return []


def kill_a_training(home: Path) -> None:
    """Start a long training, and kill all its processes once its run has begun."""
    words = ("train", "sentiment", "data.train=2000", "train.epochs=200")
    with subprocess.Popen(
        argv(*words, "--home", str(home)),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as training:
        try:
            wait_until(lambda: bool(run_statuses(home)), PATIENCE)
            assert run_statuses(home) == ["running"]
        finally:
            os.killpg(training.pid, signal.SIGKILL)


@falls_short("everyday", "the run of a killed training is called running for ever")
def test_the_run_of_a_killed_training_is_closed(home: Path) -> None:
    kill_a_training(home)
    doctor = run("doctor", home=home, refusals=())
    tick(home)
    statuses = run_statuses(home)
    require(
        "running" not in statuses,
        f"the run of a killed training is {', '.join(statuses)}; doctor ends with"
        f" {doctor.exit_code}",
    )
