"""Jobs that are processes: they run beside this one, and none of them outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.chaos import processes
from tidemill.adapters import local_jobs
from tidemill.adapters.local_jobs import LocalJobs
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.errors import Conflict, StorageFailed

pytestmark = pytest.mark.skipif(
    not processes.PROC.is_dir(), reason="processes are looked for in /proc"
)
SECONDS = 60.0
ENDLESS = ["loop", "run"]
"""A command that runs until it is ended."""
STARTER = """
import sys
from threading import Event
from tidemill.adapters.local_jobs import LocalJobs
jobs = LocalJobs({"TIDEMILL_HOME": sys.argv[1]})
jobs.start("k", ["loop", "run"])
print("started", flush=True)
Event().wait()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace in which nothing was ever done."""
    home = tmp_path / "home"
    upgrade(home / "ledger.sqlite")
    return home


@pytest.fixture
def jobs(home: Path) -> Iterator[LocalJobs]:
    local_jobs = LocalJobs({"TIDEMILL_HOME": str(home)})
    yield local_jobs
    local_jobs.close()


def running(home: Path, *, wanted: int) -> list[int]:
    """Wait until so many processes work on this workspace, and return their ids."""
    looking = Event()
    for _ in range(int(SECONDS / 0.01)):
        if len(own_processes := processes.naming(home)) == wanted:
            return own_processes
        looking.wait(0.01)
    pytest.fail(f"{len(own_processes)} processes work on {home}, not {wanted}.")


def until_up(home: Path) -> None:
    """Wait until an engine works on its ledger, and so can be interrupted."""
    looking = Event()
    for _ in range(int(SECONDS / 0.01)):
        if any(processes.has_open(pid, home / "ledger.sqlite") for pid in processes.naming(home)):
            return
        looking.wait(0.01)
    pytest.fail(f"No engine works on {home}.")


def test_a_job_runs_beside_its_starter_with_the_given_settings(jobs: LocalJobs, home: Path) -> None:
    jobs.start("k", ENDLESS)
    running(home, wanted=1)
    assert (jobs.state("k"), jobs.output("k")) == ("running", "")


def test_a_job_that_runs_is_not_started_twice(jobs: LocalJobs, home: Path) -> None:
    jobs.start("k", ENDLESS)
    with pytest.raises(Conflict, match="runs already"):
        jobs.start("k", ENDLESS)
    running(home, wanted=1)


@pytest.mark.train_extra
def test_closing_ends_what_runs(jobs: LocalJobs, home: Path) -> None:
    jobs.start("k", ENDLESS)
    until_up(home)
    jobs.close()
    assert processes.naming(home) == []
    assert jobs.state("k") == "unknown"


def test_a_job_that_does_not_end_when_asked_is_ended_hard(
    jobs: LocalJobs, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.start("k", ENDLESS)
    [stuck] = running(home, wanted=1)
    os.kill(stuck, signal.SIGSTOP)
    monkeypatch.setattr(local_jobs, "PATIENCE", 0.1)
    jobs.close()
    assert processes.naming(home) == []


def test_a_job_ends_when_its_starter_is_killed(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home)], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "started\n"
        running(home, wanted=1)
        starter.kill()
    running(home, wanted=0)


def test_a_killed_job_has_ended_without_a_word(jobs: LocalJobs, home: Path) -> None:
    jobs.start("k", ENDLESS)
    [job] = running(home, wanted=1)
    os.kill(job, signal.SIGKILL)
    running(home, wanted=0)
    assert jobs.state("k") == "ended"


def test_what_cannot_be_started_is_said(jobs: LocalJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(StorageFailed, match="could not be started"):
        jobs.start("k", ENDLESS)
    assert jobs.state("k") == "unknown"


@pytest.mark.train_extra
def test_of_what_a_job_said_the_end_is_kept(
    jobs: LocalJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_jobs, "TAIL", 60)
    jobs.start("k", ["train"])
    looking = Event()
    for _ in range(int(SECONDS / 0.01)):
        if jobs.state("k") == "ended":
            break
        looking.wait(0.01)
    assert jobs.output("k").endswith("tidemill train coffee, or tidemill train --run ID")
    assert len(jobs.output("k")) <= 60
