"""One thread that takes what waits for the model, and the facts about its health.

Live requests and those of the golden check have a lane each, so that the check of a slow version
keeps nobody waiting.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from tidemill.domain.errors import Unavailable
from tidemill.predictor import Predictor
from tidemill.web.batch_size import BatchSize
from tidemill.web.job import Job, count_payloads, take_batch

log = logging.getLogger(__name__)

CLOSE_S = 5.0
"""How long a lane that closes answers what waits, before it ends the running model."""


class BatchLane:
    """A queue and the thread that hands its jobs, a batch at a time, to `process`."""

    def __init__(
        self,
        name: str,
        process: Callable[[Sequence[Job]], bool],
        *,
        batch: int,
        delay_s: float,
        max_items: int,
        max_run_s: float,
    ) -> None:
        self._process = process
        self._batch = batch
        self._delay_s = delay_s
        self._max_items = max_items
        self._max_run_s = max_run_s
        self._wake = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._closing = False
        self._running: Sequence[Predictor] = ()
        self._began = 0.0
        self._size = BatchSize()
        self._name = f"tidemill-{name}"
        self._thread = self._new_thread()

    def __len__(self) -> int:
        return len(self._jobs)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Add a job. Raises Unavailable (closing)."""
        with self._wake:
            if self._closing:
                raise Unavailable("The server is stopping.")
            self._jobs.append(job)
            self._wake.notify()

    def close(self) -> list[Job]:
        """Answer what waits, then stop. Returns what is unanswered after CLOSE_S.

        The running model is ended then.
        """
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.ident:
            self._thread.join(CLOSE_S)
        with self._wake:
            unanswered = [*self._jobs]
            self._jobs.clear()
        self.terminate()
        if self._thread.ident:
            self._thread.join(CLOSE_S)
        return unanswered

    def terminate(self) -> None:
        """End the run of the model that is in progress. Its requests get TimedOut."""
        for predictor in self._running:
            predictor.terminate()

    def look_after(self) -> None:
        """End the run when it takes longer than it may; start the thread again if it has ended."""
        if self._running and monotonic() - self._began > self._max_run_s:
            self.terminate()
        if self._thread.ident and not self._thread.is_alive() and not self._closing:
            log.error("The thread %s has ended and is started again.", self._thread.name)
            self._thread = self._new_thread()
            self._thread.start()

    def fault(self, max_wait_s: float) -> str:
        """Return why this lane does not answer, as a sentence; empty while it does."""
        if self._thread.ident and not self._thread.is_alive():
            return "The thread that runs the model has ended."
        jobs, running = self._jobs, self._running
        oldest = self._began if running else (jobs[0].at if jobs else None)
        if oldest is not None and monotonic() - oldest > max_wait_s:
            return f"A request has waited for the model for more than {max_wait_s:g} s."
        return ""

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name=self._name, daemon=True)

    def _run(self) -> None:
        while jobs := self._take_jobs():
            self._began = monotonic()
            self._running = tuple({job.context.slot.predictor for job in jobs})
            try:
                answered = self._process(jobs)
            finally:
                self._running = ()
            # What was left out or failed took another time than an answer.
            if answered:
                self._size.observe(
                    sum(len(job.payloads) for job in jobs),
                    sum(sum(job.lengths) for job in jobs),
                    monotonic() - self._began,
                )

    def _take_jobs(self) -> list[Job]:
        """Return the jobs of the next batch; none once closed and drained."""
        with self._wake:
            while not self._jobs and not self._closing:
                self._wake.wait()
            self._wait_for_more()
            if not self._jobs:
                return []
            payloads = self._size.choose(count_payloads(self._jobs, self._batch))
            return take_batch(self._jobs, payloads, self._max_items)

    def _wait_for_more(self) -> None:
        """Wait until a batch is full, its oldest job has waited for the delay, or all closes."""
        while self._jobs and not self._closing:
            rest = self._jobs[0].at + self._delay_s - monotonic()
            if rest <= 0 or count_payloads(self._jobs, self._batch) == self._batch:
                return
            self._wake.wait(rest)
