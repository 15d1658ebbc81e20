"""Micro-batching: the model answers all waiting payloads together as soon as it is free.

No request waits for a batch to fill. One thread takes the waiting payloads, runs the model, makes
the predictions durable in one append, and only then completes the requests.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import (
    BadPayload,
    InvalidRequest,
    Overloaded,
    StorageFailed,
    Unavailable,
)
from tidemill.domain.ports import Clock, TrafficLog
from tidemill.domain.types import Prediction
from tidemill.loop.prediction_log import PredictionLog, PredictionRequest
from tidemill.predictor import Preprocessed
from tidemill.web.preprocess import Preprocessor, at_index
from tidemill.web.slots import Slot

log = logging.getLogger(__name__)

MAX_ITEMS = 200_000
"""Items that one request, or one batch of several, may hold, where a payload has many items."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """The payloads of one request. They stay together."""

    slot: Slot
    kind: RequestKind
    payloads: Sequence[bytes]
    inputs: list[Preprocessed]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Prediction]]

    @property
    def items(self) -> int:
        return sum(len(row.features) for row in self.inputs)

    def fits(self, payloads: int, items: int) -> bool:
        """Return True when a batch with so much room left can take the job."""
        return len(self.payloads) <= payloads and self.items <= items


_Outcome = tuple[_Job, list[Prediction] | Exception]


class Batcher:
    """`predict` may be awaited on any event loop. `on_batch` gets every batch after the append."""

    def __init__(
        self,
        *,
        server: str,
        clock: Clock,
        traffic: TrafficLog,
        batch: int,
        queue: int,
        on_batch: Callable[[Sequence[Prediction]], None],
        max_items: int = MAX_ITEMS,
    ) -> None:
        self.max_payloads = min(batch, queue)
        """Payloads that one request may hold."""
        self._log = PredictionLog(server=server, clock=clock, traffic=traffic)
        self._batch = batch
        self._queue = queue
        self._max_items = max_items
        self._on_batch = on_batch
        self._preprocessor = Preprocessor()
        self._wake = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="tidemill-batch", daemon=True)

    @property
    def waiting(self) -> int:
        """Live payloads that are being decoded or wait for the model."""
        return self._waiting

    def start(self) -> None:
        """Start the thread that answers."""
        self._thread.start()

    def close(self) -> None:
        """Answer the waiting requests, then stop. Later requests get Unavailable."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._preprocessor.close()

    async def predict(
        self, slot: Slot, payloads: Sequence[bytes], kind: RequestKind
    ) -> list[Prediction]:
        """Return one prediction per payload, in order; all are durable before this returns.

        Raises BadPayload, InvalidRequest (more payloads than `max_payloads`, or too many items),
        Overloaded, StorageFailed and Unavailable (closing).
        """
        if len(payloads) > self.max_payloads:
            raise InvalidRequest(f"A request may hold {self.max_payloads} payloads at most.")
        self._admit(len(payloads), kind)
        try:
            inputs = await self._preprocessor.preprocess(slot.predictor, payloads)
            loop = asyncio.get_running_loop()
            job = _Job(slot, kind, payloads, inputs, loop, loop.create_future())
            self._check_items(job)
            self._submit(job)
        except BaseException:
            self._release(len(payloads), kind)
            raise
        return await job.future

    def _admit(self, payloads: int, kind: RequestKind) -> None:
        with self._wake:
            if self._closing:
                raise Unavailable("The server is stopping.")
            # Golden requests are few, and a full queue must not keep a better model out.
            if kind != "live":
                return
            if self._waiting + payloads > self._queue:
                raise Overloaded(
                    f"{self._waiting} payloads wait already, and the queue holds {self._queue}.",
                    hint="Try again shortly, or send fewer at a time.",
                )
            self._waiting += payloads

    def _release(self, payloads: int, kind: RequestKind) -> None:
        if kind == "live":
            with self._wake:
                self._waiting -= payloads

    def _check_items(self, job: _Job) -> None:
        # With every other codec a payload is one item, and payloads have a limit already.
        if job.slot.predictor.many is not None and job.items > self._max_items:
            raise InvalidRequest(
                f"{job.items:,} items are too many for one request; at most {self._max_items:,}.",
                hint="Send several requests, each with fewer payloads or smaller ones.",
            )

    def _submit(self, job: _Job) -> None:
        with self._wake:
            if self._closing:
                raise Unavailable("The server is stopping.")
            self._jobs.append(job)
            self._wake.notify()

    def _run(self) -> None:
        while jobs := self._take_jobs():
            try:
                outcomes = self._process(jobs)
            except Exception as error:
                # Without this thread no request would ever get an answer again.
                log.exception("A batch failed")
                outcomes = [(job, error) for job in jobs]
            _deliver(outcomes)

    def _take_jobs(self) -> list[_Job]:
        """Return the waiting jobs, up to a full batch; none once closed and drained.

        A batch is full of payloads or of items. One job always fits.
        """
        with self._wake:
            self._wake.wait_for(lambda: self._jobs or self._closing)
            jobs: list[_Job] = []
            payloads, items = self._batch, self._max_items
            while self._jobs and (not jobs or self._jobs[0].fits(payloads, items)):
                job = self._jobs.popleft()
                payloads -= len(job.payloads)
                items -= job.items
                jobs.append(job)
                if job.kind == "live":
                    self._waiting -= len(job.payloads)
            return jobs

    def _process(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        groups: dict[Slot, list[_Job]] = {}
        for job in jobs:
            groups.setdefault(job.slot, []).append(job)
        outcomes: list[_Outcome] = []
        predictions: list[Prediction] = []
        for slot, members in groups.items():
            for job, outcome in self._outcomes(slot, members):
                predictions += outcome if isinstance(outcome, list) else []
                outcomes.append((job, outcome))
        try:
            self._log.append(predictions)
        except StorageFailed as error:
            log.warning("%s", error)
            return [
                (job, error if isinstance(outcome, list) else outcome) for job, outcome in outcomes
            ]
        if predictions:
            self._on_batch(predictions)
        return outcomes

    def _outcomes(self, slot: Slot, jobs: Sequence[_Job]) -> list[_Outcome]:
        """Return the outcome of each job of one version, before the append."""
        try:
            predictions = self._predict(slot, jobs)
        except BadPayload as error:
            # A payload that the model cannot answer must fail one request alone.
            if len(jobs) > 1:
                return [*chain.from_iterable(self._outcomes(slot, [job]) for job in jobs)]
            return [(jobs[0], at_index(error, error.index, of=len(jobs[0].payloads)))]
        except Exception as error:  # noqa: BLE001  a fault of one version must not fail another's
            return [(job, error) for job in jobs]
        rows = iter(predictions)
        return [(job, list(islice(rows, len(job.payloads)))) for job in jobs]

    def _predict(self, slot: Slot, jobs: Sequence[_Job]) -> list[Prediction]:
        requests = [
            PredictionRequest(payload, preprocessed, job.kind)
            for job in jobs
            for payload, preprocessed in zip(job.payloads, job.inputs, strict=True)
        ]
        return self._log.predict(slot, requests)


def _deliver(outcomes: Sequence[_Outcome]) -> None:
    """Hand the outcomes to the event loops that wait for them, with one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, rows in by_loop.items():
        try:
            loop.call_soon_threadsafe(_set_results, rows)
        except RuntimeError:
            log.debug("%d requests ended before their answers", len(rows))  # the loop is closed


def _set_results(outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in outcomes:
        if job.future.done():
            continue  # its request was cancelled
        if isinstance(outcome, list):
            job.future.set_result(outcome)
        else:
            job.future.set_exception(outcome)
