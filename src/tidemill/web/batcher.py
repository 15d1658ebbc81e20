"""Micro-batching: whatever waits when the model is free is answered together.

Nobody waits for a batch to fill. One thread takes what is there, runs the model, makes the
predictions durable in one append, and only then lets the requests go on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from uuid_utils import uuid7

from tidemill.domain.errors import BadPayload, Overloaded, StorageFailed, Unavailable
from tidemill.domain.ports import Clock, TrafficLog
from tidemill.domain.types import Prediction
from tidemill.predictor import Preprocessed
from tidemill.web.errors import Invalid
from tidemill.web.preprocess import Reader, at_index
from tidemill.web.slots import Slot

log = logging.getLogger(__name__)

Kind = Literal["live", "golden"]

ITEMS = 200_000
"""Items that one request, or one batch of several, may ask for, where payloads ask for many."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """The payloads of one request. They travel together."""

    slot: Slot
    kind: Kind
    payloads: Sequence[bytes]
    preprocessed: list[Preprocessed]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Prediction]]

    @property
    def items(self) -> int:
        return sum(len(each.features) for each in self.preprocessed)

    def fits(self, payloads: int, items: int) -> bool:
        """True when there is room for it in a batch that has so much left."""
        return len(self.payloads) <= payloads and self.items <= items


_Outcome = tuple[_Job, list[Prediction] | Exception]


class Batcher:
    """`answer` may be awaited on any event loop. `told` hears of every batch that was kept."""

    def __init__(
        self,
        *,
        server: str,
        clock: Clock,
        traffic: TrafficLog,
        batch: int,
        queue: int,
        told: Callable[[Sequence[Prediction]], None],
        items: int = ITEMS,
    ) -> None:
        self.most = min(batch, queue)
        """Payloads that one request may hold."""
        self._server = server
        self._clock = clock
        self._traffic = traffic
        self._batch = batch
        self._queue = queue
        self._items = items
        self._told = told
        self._reader = Reader()
        self._wake = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._sequence = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="tidemill-batch", daemon=True)

    @property
    def waiting(self) -> int:
        """Live payloads that are being decoded or wait for the model."""
        return self._waiting

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer what waits, then stop. Whoever comes later gets Unavailable."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._reader.close()

    async def answer(self, slot: Slot, payloads: Sequence[bytes], kind: Kind) -> list[Prediction]:
        """One prediction per payload, in order, durable before this returns.

        Raises BadPayload, Invalid (more payloads than `most`, or more items than one request may
        ask for), Overloaded, StorageFailed and Unavailable (closing).
        """
        if len(payloads) > self.most:
            raise Invalid(f"A request may hold {self.most} payloads at most.")
        self._admit(len(payloads), kind)
        try:
            preprocessed = await self._reader.preprocess(slot.predictor, payloads)
            loop = asyncio.get_running_loop()
            job = _Job(slot, kind, payloads, preprocessed, loop, loop.create_future())
            self._bound(job)
            self._submit(job)
        except BaseException:
            self._leave(len(payloads), kind)
            raise
        return await job.future

    def _admit(self, payloads: int, kind: Kind) -> None:
        with self._wake:
            if self._closing:
                raise Unavailable("The server is stopping.")
            # Probes are few by nature, and a full queue must not keep a better model out.
            if kind == "golden":
                return
            if self._waiting + payloads > self._queue:
                raise Overloaded(
                    f"{self._waiting} payloads wait already, the queue holds {self._queue}.",
                    hint="Try again shortly, or send fewer at a time.",
                )
            self._waiting += payloads

    def _leave(self, payloads: int, kind: Kind) -> None:
        if kind == "live":
            with self._wake:
                self._waiting -= payloads

    def _bound(self, job: _Job) -> None:
        # Of every other codec a payload is one item, and those are bounded already.
        if job.slot.predictor.many is not None and job.items > self._items:
            raise Invalid(
                f"{job.items:,} items are too many for one request, {self._items:,} may be.",
                hint="Send several requests, each with fewer payloads or smaller ones.",
            )

    def _submit(self, job: _Job) -> None:
        with self._wake:
            if self._closing:
                raise Unavailable("The server is stopping.")
            self._jobs.append(job)
            self._wake.notify()

    def _run(self) -> None:
        while jobs := self._take():
            try:
                outcomes = self._answer(jobs)
            except Exception as error:
                # Without this thread nothing would ever be answered again.
                log.exception("A batch failed")
                outcomes = [(job, error) for job in jobs]
            _settle(outcomes)

    def _take(self) -> list[_Job]:
        """Everything that waits, up to a full batch; nothing once closed and drained.

        A batch is full of payloads or of their items. One request always fits.
        """
        with self._wake:
            self._wake.wait_for(lambda: self._jobs or self._closing)
            jobs: list[_Job] = []
            room, items = self._batch, self._items
            while self._jobs and (not jobs or self._jobs[0].fits(room, items)):
                job = self._jobs.popleft()
                room -= len(job.payloads)
                items -= job.items
                jobs.append(job)
                if job.kind == "live":
                    self._waiting -= len(job.payloads)
            return jobs

    def _answer(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        groups: dict[Slot, list[_Job]] = {}
        for job in jobs:
            groups.setdefault(job.slot, []).append(job)
        outcomes: list[_Outcome] = []
        kept: list[Prediction] = []
        for slot, members in groups.items():
            for job, outcome in self._outcomes(slot, members):
                kept += outcome if isinstance(outcome, list) else []
                outcomes.append((job, outcome))
        try:
            self._keep(kept)
        except StorageFailed as error:
            log.warning("%s", error)
            return [
                (job, error if isinstance(outcome, list) else outcome) for job, outcome in outcomes
            ]
        return outcomes

    def _outcomes(self, slot: Slot, jobs: Sequence[_Job]) -> list[_Outcome]:
        """What becomes of jobs that one version answers, as far as the log lets it."""
        try:
            predictions = self._predict(slot, jobs)
        except BadPayload as error:
            # A payload that the model cannot answer is the fault of one request alone.
            if len(jobs) > 1:
                return [*chain.from_iterable(self._outcomes(slot, [job]) for job in jobs)]
            return [(jobs[0], at_index(error, error.index, of=len(jobs[0].payloads)))]
        except Exception as error:  # noqa: BLE001  a candidate's fault is not the champion's
            return [(job, error) for job in jobs]
        each = iter(predictions)
        return [(job, list(islice(each, len(job.payloads)))) for job in jobs]

    def _predict(self, slot: Slot, jobs: Sequence[_Job]) -> list[Prediction]:
        preprocessed = [each for job in jobs for each in job.preprocessed]
        observed = slot.predictor.predict_with_bins(preprocessed)
        remarks = [slot.predictor.remarks(each.decoded) for each in preprocessed]
        now = self._clock.now()
        asked = [(payload, job.kind) for job in jobs for payload in job.payloads]
        predictions = []
        for (payload, kind), (answers, seen), said in zip(asked, observed, remarks, strict=True):
            # A number is spent even when the append fails: nobody can tell how far it came.
            self._sequence += 1
            predictions.append(
                Prediction(
                    id=str(uuid7()),
                    server=self._server,
                    sequence=self._sequence,
                    version=slot.version.id,
                    at=now,
                    kind=kind,
                    # The bundle holds what a probe asked; the log need not hold it again.
                    payload=b"" if kind == "golden" else payload,
                    answers=answers,
                    bins=seen,
                    remarks=said,
                )
            )
        return predictions

    def _keep(self, predictions: Sequence[Prediction]) -> None:
        if not predictions:
            return
        try:
            self._traffic.append(predictions)
        except StorageFailed:
            raise
        except Exception as error:
            log.exception("The traffic log failed")
            raise StorageFailed("The answer could not be kept, so it is not given.") from error
        self._told(predictions)


def _settle(outcomes: Sequence[_Outcome]) -> None:
    """Hand the outcomes to the event loops that wait for them, one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, rows in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, rows)
        except RuntimeError:
            log.debug("%d requests ended before their answers", len(rows))  # the loop is closed


def _resolve(outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in outcomes:
        if job.future.done():
            continue  # its request was cancelled
        if isinstance(outcome, list):
            job.future.set_result(outcome)
        else:
            job.future.set_exception(outcome)
