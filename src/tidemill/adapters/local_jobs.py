"""Jobs as child processes. Each ends with the process that started it in any case."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from tidemill.domain.errors import Conflict, StorageFailed
from tidemill.domain.ports import Jobs, JobState

PATIENCE = 30.0
"""The longest time from the request to end to the end of a job, in seconds."""
TAIL = 2_000
"""The number of bytes kept of an ended job's stderr."""


@dataclass(frozen=True, slots=True)
class _Job:
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]


class LocalJobs:
    """Commands of this installation, with `environment` for their settings.

    A job reads a pipe that this process keeps open. The operating system closes it when this
    process dies, and a command that was started `--with-parent` then ends.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**os.environ, **(environment or {})}
        self._jobs: dict[str, _Job] = {}

    def start(self, key: str, words: Sequence[str]) -> None:
        """Start `tidemill WORDS`. Raises Conflict while that job runs, and StorageFailed."""
        if self.state(key) == "running":
            raise Conflict(f"The job {key} runs already.")
        self._forget(key)
        try:
            with ExitStack() as undo:
                stderr = undo.enter_context(tempfile.TemporaryFile())
                process = subprocess.Popen(
                    [sys.executable, "-m", "tidemill", *words, "--with-parent"],
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                )
                undo.pop_all()
        except OSError as error:
            raise StorageFailed(f"A job could not be started: {error.strerror}.") from error
        self._jobs[key] = _Job(process, stderr)

    def state(self, key: str) -> JobState:
        job = self._jobs.get(key)
        if job is None:
            return "unknown"
        return "running" if job.process.poll() is None else "ended"

    def output(self, key: str) -> str:
        job = self._jobs.get(key)
        if job is None or job.process.poll() is None:
            return ""
        size = job.stderr.seek(0, os.SEEK_END)
        job.stderr.seek(max(0, size - TAIL))
        return job.stderr.read().decode(errors="replace").strip()

    def running(self) -> list[str]:
        return [key for key in self._jobs if self.state(key) == "running"]

    def stop(self, key: str) -> None:
        if self.state(key) == "running":
            self._forget(key)

    def close(self) -> None:
        for key in list(self._jobs):
            self._forget(key)

    def _forget(self, key: str) -> None:
        job = self._jobs.pop(key, None)
        if job is None:
            return
        assert job.process.stdin is not None  # noqa: S101 - a pipe was asked for
        job.process.stdin.close()
        try:
            job.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()
        job.stderr.close()


def _proof(jobs: LocalJobs) -> Jobs:
    """Let mypy prove that this meets the contract."""
    return jobs
