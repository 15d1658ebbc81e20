"""Six trainings have ended. What does the engine's process still hold open for them?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.cases.names import LocalJobs
from tests.cases.server import wait_until
from tests.cases.verdict import falls_short, require

JOBS, PATIENCE, ALLOWED = 6, 60.0, 2


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def has_ended(jobs: LocalJobs, key: str) -> bool:
    return jobs.state(key) != "running"


@falls_short("engine", "six ended jobs hold 12 descriptors; two may be")
def test_ended_jobs_hold_no_descriptors() -> None:
    jobs, before = LocalJobs(), open_descriptors()
    for number in range(JOBS):
        key = f"job {number}"
        jobs.start(key, ("no-such-command",))
        assert wait_until(partial(has_ended, jobs, key), PATIENCE)
        assert jobs.output(key)
    open_now = open_descriptors() - before
    jobs.close()
    require(
        open_now <= ALLOWED,
        f"{open_now} descriptors are open after {JOBS} ended jobs whose last words were read; they"
        " add up for as long as the engine runs",
    )
