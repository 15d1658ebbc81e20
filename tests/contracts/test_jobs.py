"""What every way to do long work must do. A new adapter joins by one line in JOBS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event

import pytest

from tidemill.adapters.local_jobs import LocalJobs
from tidemill.adapters.memory_jobs import MemoryJobs
from tidemill.domain.errors import UsageError
from tidemill.domain.ports import Jobs

SECONDS = 60.0
WELL = ["config"]
BADLY = ["train"]
"""A command that refuses its words at once, because it is told neither a recipe nor a run."""
SAID = "Name a recipe, or a run that the ledger knows."


def work(words: object) -> None:
    """What the two commands do, without a process."""
    if words == BADLY:
        raise UsageError(SAID)


JOBS: dict[str, Callable[[], Jobs]] = {"memory": lambda: MemoryJobs(work), "local": LocalJobs}


@pytest.fixture(params=JOBS)
def jobs(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    implementation = JOBS[request.param]()
    yield implementation
    implementation.close()


def ended(jobs: Jobs, key: str) -> None:
    """Wait until a job is over."""
    looking = Event()
    for _ in range(int(SECONDS / 0.01)):
        if jobs.state(key) != "running":
            return
        looking.wait(0.01)
    pytest.fail(f"The job {key} has not ended within {SECONDS} s.")


def test_a_job_that_was_never_started_is_unknown_and_said_nothing(jobs: Jobs) -> None:
    assert (jobs.state("k"), jobs.output("k")) == ("unknown", "")


@pytest.mark.train_extra
def test_a_job_ends_and_said_why_it_failed(jobs: Jobs) -> None:
    jobs.start("k", BADLY)
    ended(jobs, "k")
    assert jobs.state("k") == "ended"
    assert SAID in jobs.output("k")
    assert jobs.output("k") == jobs.output("k")


def test_each_key_is_a_job_of_its_own(jobs: Jobs) -> None:
    jobs.start("one", BADLY)
    assert jobs.state("other") == "unknown"
    ended(jobs, "one")
    assert jobs.output("other") == ""


def test_a_key_can_be_used_again_once_its_job_has_ended(jobs: Jobs) -> None:
    jobs.start("k", BADLY)
    ended(jobs, "k")
    jobs.start("k", [*BADLY, "pebble", "--run", "r1"])
    ended(jobs, "k")
    assert jobs.state("k") == "ended"


def test_closing_twice_is_closing_once(jobs: Jobs) -> None:
    jobs.start("k", BADLY)
    jobs.close()
    jobs.close()
