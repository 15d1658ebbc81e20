"""Jobs that run in this process, inside `start`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidemill.domain.ports import Jobs, JobState


class MemoryJobs:
    """Each job is `work(words)`, which returns or fails before `start` returns.

    The text of its exception is its output, as with a process that prints its error and ends.
    """

    def __init__(self, work: Callable[[Sequence[str]], object]) -> None:
        self._work = work
        self._output: dict[str, str] = {}

    def start(self, key: str, words: Sequence[str]) -> None:
        self._output[key] = ""
        try:
            self._work(words)
        except Exception as error:  # noqa: BLE001  a process would end by it, and no more
            self._output[key] = str(error)

    def state(self, key: str) -> JobState:
        return "ended" if key in self._output else "unknown"

    def output(self, key: str) -> str:
        return self._output.get(key, "")

    def running(self) -> list[str]:
        return []

    def stop(self, key: str) -> None:
        """Do nothing: no job runs."""

    def close(self) -> None:
        """Do nothing: no job runs."""


def _proof(jobs: MemoryJobs) -> Jobs:
    """Let mypy prove that this meets the contract."""
    return jobs
