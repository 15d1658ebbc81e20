"""Micro-batching: the model answers all waiting payloads together as soon as it is free.

No request waits for a batch to fill, unless a delay is set. The thread of a lane takes the waiting
payloads, runs the model, makes the predictions durable in one append, and only then completes the
requests.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from time import monotonic

from tidemill.domain.errors import (
    BadPayload,
    InvalidRequest,
    Overloaded,
    StorageFailed,
    Unavailable,
)
from tidemill.domain.ports import Clock, TrafficLog
from tidemill.domain.types import Prediction
from tidemill.loop.prediction_log import Observation, PredictionLog, PredictionRequest, observe
from tidemill.web.batch_lane import BatchLane
from tidemill.web.job import Job
from tidemill.web.metrics import Stage
from tidemill.web.reader import Reader, at_index
from tidemill.web.request_context import RequestContext, too_late
from tidemill.web.slots import Slot

log = logging.getLogger(__name__)

MAX_ITEMS = 200_000
"""Items that one request, or one batch of several, may hold, where a payload has many items."""
MAX_RUN_S = 10.0
"""How long one run of a model may take. A longer one is ended, and its requests fail."""
MAX_WAIT_S = 15.0
"""How long a request may wait for the model before the server is not ready."""

_Observed = tuple[Job, list[Observation] | Exception]
_Outcome = tuple[Job, list[Prediction] | Exception]


class Batcher:
    """`predict` may be awaited on any event loop. `on_batch` gets every batch after the append.

    `on_stage` gets the seconds of each stage of a live request or batch.
    """

    def __init__(
        self,
        *,
        server: str,
        clock: Clock,
        traffic: TrafficLog,
        reader: Reader,
        batch: int,
        queue: int,
        request_payloads: int,
        delay_s: float = 0.0,
        on_batch: Callable[[Sequence[Prediction]], None],
        on_stage: Callable[[Stage, float], None] = lambda _stage, _seconds: None,
        max_items: int = MAX_ITEMS,
        max_run_s: float = MAX_RUN_S,
    ) -> None:
        self.max_payloads = min(request_payloads, queue)
        """Payloads that one request may hold."""
        self._log = PredictionLog(server=server, clock=clock, traffic=traffic)
        self._reader = reader
        self._batch = batch
        self._queue = queue
        self._max_items = max_items
        self._on_batch = on_batch
        self._on_stage = on_stage
        self._counting = threading.Lock()
        self._waiting = 0
        self._by_client: Counter[str] = Counter()
        self._log_fault = ""
        self._closing = threading.Event()
        self._live, self._golden = (
            BatchLane(
                name,
                self._process,
                batch=batch,
                delay_s=delay,
                max_items=max_items,
                max_run_s=max_run_s,
            )
            for name, delay in (("batch", delay_s), ("golden", 0.0))
        )

    @property
    def waiting(self) -> int:
        """Live payloads that are being decoded or wait for the model."""
        return self._waiting

    def start(self) -> None:
        """Start the threads that answer."""
        for lane in (self._live, self._golden):
            lane.start()

    def close(self) -> None:
        """Answer the waiting requests, then stop. Later requests get Unavailable."""
        self._closing.set()
        for lane in (self._golden, self._live):
            unanswered = lane.close()
            _deliver([(job, Unavailable("The server is stopping.")) for job in unanswered])

    def end_golden_run(self) -> None:
        """End the run of the model that the golden check waits for."""
        self._golden.terminate()

    def fault(self) -> str:
        """Return why live requests get no answer now, as a sentence; empty while they do."""
        return self._live.fault(MAX_WAIT_S) or self._log_fault

    def look_after(self) -> None:
        """End runs of the model that take longer than they may, and start ended threads again."""
        for lane in (self._live, self._golden):
            lane.look_after()

    def check_log(self) -> None:
        """Look whether the log can be written, and change `fault` accordingly."""
        try:
            self._log.check()
        except StorageFailed as error:
            self._log_fault = error.message
        else:
            self._log_fault = ""

    async def predict(self, context: RequestContext, payloads: Sequence[bytes]) -> list[Prediction]:
        """Return one prediction per payload, in order; all are durable before this returns.

        Raises BadPayload, InvalidRequest (more payloads than `max_payloads`, or too many items),
        Overloaded, StorageFailed, TimedOut, Unavailable (closing), and ClientDisconnect.
        """
        if len(payloads) > self.max_payloads:
            raise InvalidRequest(f"A request may hold {self.max_payloads} payloads at most.")
        self._admit(len(payloads), context)
        try:
            start = monotonic()
            inputs = await self._reader.decode(context, payloads)
            if context.kind == "live":
                self._on_stage("decode", monotonic() - start)
            loop = asyncio.get_running_loop()
            lengths = [context.slot.predictor.length(row.decoded) for row in inputs]
            job = Job(context, payloads, inputs, lengths, loop, loop.create_future())
            self._check_items(job)
            # The event loop now sees the clients that have left already.
            await asyncio.sleep(0)
            lane = self._live if context.kind == "live" else self._golden
            lane.submit(job)
        except BaseException:
            self._release(len(payloads), context)
            raise
        if context.deadline == math.inf:
            return await job.future
        try:
            async with asyncio.timeout(context.deadline - monotonic()):
                return await job.future
        except TimeoutError as error:
            raise too_late() from error

    def _admit(self, payloads: int, context: RequestContext) -> None:
        if self._closing.is_set():
            raise Unavailable("The server is stopping.")
        # Golden requests are few, and a full queue must not keep a better model out.
        if context.kind != "live":
            return
        with self._counting:
            own = self._by_client[context.client] + payloads
            # A client that holds more than half leaves an eighth to others.
            room = self._queue if own <= self._queue // 2 else self._queue - self._queue // 8
            if self._waiting + payloads > room:
                raise Overloaded(
                    f"{self._waiting} payloads wait already, and the queue holds {self._queue}.",
                    hint="Try again shortly, or send fewer at a time.",
                )
            self._waiting += payloads
            self._by_client[context.client] = own

    def _release(self, payloads: int, context: RequestContext) -> None:
        if context.kind != "live":
            return
        with self._counting:
            self._waiting -= payloads
            self._by_client[context.client] -= payloads
            if not self._by_client[context.client]:
                del self._by_client[context.client]

    def _check_items(self, job: Job) -> None:
        # With every other codec a payload is one item, and payloads have a limit already.
        if job.context.slot.predictor.many is not None and job.items > self._max_items:
            raise InvalidRequest(
                f"{job.items:,} items are too many for one request; at most {self._max_items:,}.",
                hint="Send several requests, each with fewer payloads or smaller ones.",
            )

    def _process(self, jobs: Sequence[Job]) -> bool:
        """Answer the jobs. Returns True when the model answered each of them."""
        now = monotonic()
        for job in jobs:
            self._release(len(job.payloads), job.context)
            if job.context.kind == "live":
                self._on_stage("queue", now - job.at)
        try:
            outcomes = self._outcomes(jobs)
        except Exception as error:
            # Without its thread no request of a lane would get an answer for a while.
            log.exception("A batch failed")
            outcomes = [(job, error) for job in jobs]
        except BaseException as error:
            _deliver([(job, Unavailable(f"The batch was ended: {error!r}.")) for job in jobs])
            raise
        _deliver(outcomes)
        return all(isinstance(outcome, list) for _, outcome in outcomes)

    @contextmanager
    def _measure(self, stage: Stage, counted: bool) -> Iterator[None]:
        start = monotonic()
        yield
        if counted:
            self._on_stage(stage, monotonic() - start)

    def _outcomes(self, jobs: Sequence[Job]) -> list[_Outcome]:
        """Return the outcome of each job: its durable predictions, or why there are none."""
        observed: list[_Observed] = []
        by_slot: dict[Slot, list[Job]] = {}
        for job in jobs:
            if (refusal := job.context.refusal()) is not None:
                observed.append((job, refusal))
            else:
                by_slot.setdefault(job.context.slot, []).append(job)
        # Jobs of the two kinds have a lane each.
        live = jobs[0].context.kind == "live"
        with self._measure("model", live and bool(by_slot)):
            for slot, members in by_slot.items():
                observed += _observe_jobs(slot, members, self._batch)
        # An answer that nobody waits for any more is no traffic.
        observed = [(job, job.context.refusal() or outcome) for job, outcome in observed]
        rows = [row for _, outcome in observed if isinstance(outcome, list) for row in outcome]
        try:
            with self._measure("log", live and bool(rows)):
                predictions = self._log.record(rows)
        except StorageFailed as error:
            log.warning("%s", error)
            self._log_fault = error.message
            return [
                (job, error if isinstance(outcome, list) else outcome) for job, outcome in observed
            ]
        if predictions:
            self._on_batch(predictions)
        rest = iter(predictions)
        return [
            (job, [*islice(rest, len(outcome))] if isinstance(outcome, list) else outcome)
            for job, outcome in observed
        ]


def _observe_jobs(slot: Slot, jobs: Sequence[Job], batch: int) -> list[_Observed]:
    """Return what one version answers to each job, before the append."""
    requests = [
        PredictionRequest(
            payload, preprocessed, context.kind, context.request_id, context.traceparent
        )
        for job in jobs
        for context in (job.context,)
        for payload, preprocessed in zip(job.payloads, job.inputs, strict=True)
    ]
    try:
        observations = _observe_parts(slot, requests, batch)
    except BadPayload as error:
        # A payload that the model cannot answer must fail one request alone.
        if len(jobs) > 1:
            return [*chain.from_iterable(_observe_jobs(slot, [job], batch) for job in jobs)]
        return [(jobs[0], at_index(error, error.index, of=len(jobs[0].payloads)))]
    except Exception as error:  # noqa: BLE001  a fault of one version must not fail another's
        return [(job, error) for job in jobs]
    rows = iter(observations)
    return [(job, [*islice(rows, len(job.payloads))]) for job in jobs]


def _observe_parts(
    slot: Slot, requests: Sequence[PredictionRequest], batch: int
) -> list[Observation]:
    """Run the model on at most `batch` payloads at a time. Raises what `observe` raises."""
    observations: list[Observation] = []
    for start in range(0, len(requests), batch):
        try:
            observations += observe(slot, requests[start : start + batch])
        except BadPayload as error:
            raise BadPayload(error.message, hint=error.hint, index=start + error.index) from error
    return observations


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
