"""Decodes the payloads of every route: cheap ones in threads, costly ones in killable processes.

A codec estimates the cost before a decode begins. Clients take turns, so that one request with many
costly payloads keeps another waiting for one of them at most.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any, Protocol, TypeVar

from tidemill.adapters.processors import available_processors
from tidemill.codecs.codec import Codec
from tidemill.domain.errors import BadPayload, Overloaded, Unavailable
from tidemill.predictor import Preprocessed, preprocess
from tidemill.web.reader_process import Call, ReaderProcess
from tidemill.web.request_context import RequestContext
from tidemill.web.turns import Turns

T = TypeVar("T")

INLINE_NS = 1.5e6
"""Decodes up to this cost run on the event loop: to hand them over would cost as much."""
INLINE_BYTES = 16 << 10
"""Payloads up to this size are estimated on the event loop."""
TURN_NS = 2e7
"""What a thread decodes before others get a turn."""
THREAD_NS = 6e7
"""What costs more goes to a process."""
REFUSED_NS = 5e10
"""What costs more is refused at once. Estimates are of the worst content, so this is generous."""
DEADLINE_S = 5.0
"""Processor time that a process may take for one payload."""
WALL_S = 20.0
"""How long it may take by the clock: the machine may be busy."""
MAX_WAITING = 1_024
"""Jobs that wait in one lane; one more is refused."""
IDLE_S = 10.0
"""After so long without work a process ends, and its memory is free."""
CLOSE_S = 1.0
"""How long a closing reader waits for its threads. Their work is cheap, or was ended."""


class Performer(Protocol):
    """Does the calls of one worker of a lane."""

    def perform(self, call: Call) -> Any: ...
    def rest(self) -> None: ...
    def close(self) -> None: ...


class InThread:
    """Performs a call in the worker's own thread."""

    def perform(self, call: Call) -> Any:
        return call.perform()

    def rest(self) -> None:
        """Nothing is held between calls."""

    def close(self) -> None:
        """A running call ends by itself: its cost is bounded."""


class Reader:
    """The one reader of a server. `decode` may be awaited on any event loop."""

    def __init__(
        self,
        *,
        workers: int | None = None,
        deadline_s: float = DEADLINE_S,
        wall_s: float = WALL_S,
    ) -> None:
        self._workers = workers or available_processors()
        self._threads = Lane("read", self._workers, InThread)
        process = partial(ReaderProcess, deadline_s, wall_s)
        self._processes = Lane("read-process", self._workers, process)

    async def decode(
        self, context: RequestContext, payloads: Sequence[bytes]
    ) -> list[Preprocessed]:
        """Decode every payload, in order.

        Raises BadPayload for an unreadable one, Overloaded, Unavailable (closing)
        and ClientDisconnect.
        """
        codec = context.slot.predictor.codec
        if sum(map(len, payloads)) <= INLINE_BYTES:
            costs = [_estimate(codec, payloads, at) for at in range(len(payloads))]
            if sum(costs) <= INLINE_NS:
                return [_decode(codec, payloads, at) for at in range(len(payloads))]
        size = -(-len(payloads) // self._workers)
        spans = [(at, min(at + size, len(payloads))) for at in range(0, len(payloads), size)]
        tasks = [
            asyncio.create_task(self._decode_span(context, codec, payloads, *span))
            for span in spans
        ]
        try:
            return list(chain.from_iterable(await asyncio.gather(*tasks)))
        finally:
            # After a failure the rest would be decoded for nobody.
            for task in tasks:
                task.cancel()

    def submit(
        self,
        context: RequestContext,
        codec: Codec[Any],
        cost_ns: float,
        function: Callable[..., T],
        *args: Any,
    ) -> Future[T]:
        """Return the future of `function(codec, *args)`, done in the lane of its cost.

        Everything must be picklable, and the function importable by its name. The future raises
        what the function raises and what `decode` raises.
        """
        lane = self._threads if cost_ns <= THREAD_NS else self._processes
        return lane.submit(context, Call(function, codec, args))

    def close(self) -> None:
        """End what runs and refuse what waits. Takes CLOSE_S at most; any thread may call this."""
        for lane in (self._threads, self._processes):
            lane.close()
        deadline = monotonic() + CLOSE_S
        for lane in (self._threads, self._processes):
            lane.join(deadline)

    async def _decode_span(
        self,
        context: RequestContext,
        codec: Codec[Any],
        payloads: Sequence[bytes],
        start: int,
        stop: int,
    ) -> list[Preprocessed]:
        rows: list[Preprocessed] = []
        while (at := start + len(rows)) < stop:
            call = Call(_decode_turn, codec, (payloads, at, stop))
            decoded, costly = await asyncio.wrap_future(self._threads.submit(context, call))
            rows += decoded
            if costly:
                at = start + len(rows)
                call = Call(_decode_one, codec, (payloads[at], at, len(payloads)))
                rows.append(await asyncio.wrap_future(self._processes.submit(context, call)))
        return rows


class Lane:
    """Workers that do one kind of work, and the jobs that wait for them."""

    def __init__(self, name: str, workers: int, performer: Callable[[], Performer]) -> None:
        self._turns: Turns[_Job] = Turns()
        self._wake = threading.Condition()
        self._closing = False
        self._performers = [performer() for _ in range(workers)]
        self._workers = [
            threading.Thread(target=self._run, args=[each], name=f"tidemill-{name}", daemon=True)
            for each in self._performers
        ]
        self._started = False

    def submit(self, context: RequestContext, call: Call) -> Future[Any]:
        """Return the future of a call. Raises Overloaded and Unavailable (closing)."""
        job = _Job(context, call)
        with self._wake:
            if self._closing:
                raise Unavailable("The server is stopping.")
            if len(self._turns) >= MAX_WAITING:
                raise Overloaded(
                    f"{len(self._turns):,} payloads wait to be decoded.", hint="Try again shortly."
                )
            if not self._started:
                self._started = True
                for worker in self._workers:
                    worker.start()
            self._turns.add(context.client, id(context), job)
            self._wake.notify()
        return job.future

    def close(self) -> None:
        """Let the workers end; what waits gets Unavailable, and so does what runs in a process."""
        with self._wake:
            self._closing = True
            while self._turns:
                self._turns.take().refuse(Unavailable("The server is stopping."))
            self._wake.notify_all()
        for performer in self._performers:
            performer.close()

    def join(self, deadline: float) -> None:
        """Wait for the workers of a closed lane, until `deadline` by the monotonic clock."""
        if self._started:
            for worker in self._workers:
                worker.join(max(0.0, deadline - monotonic()))

    def _run(self, performer: Performer) -> None:
        while (job := self._next(performer)) is not None:
            job.perform(performer)
        performer.rest()

    def _next(self, performer: Performer) -> _Job | None:
        with self._wake:
            while not self._turns and not self._closing:
                if not self._wake.wait(IDLE_S) and not self._turns:
                    performer.rest()
            return None if self._closing else self._turns.take()


class _Job:
    """One call and whoever waits for it."""

    def __init__(self, context: RequestContext, call: Call) -> None:
        self._context = context
        self._call = call
        self.future: Future[Any] = Future()

    def perform(self, performer: Performer) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        if (refusal := self._context.refusal()) is not None:
            self.future.set_exception(refusal)
            return
        try:
            result = performer.perform(self._call)
        except BaseException as error:  # noqa: BLE001  whoever waits gets it
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def refuse(self, error: Exception) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


def at_index(error: BadPayload, index: int, *, of: int) -> BadPayload:
    """Return the same error, naming which of the `of` payloads of a request has it."""
    message = f"Payload {index}: {error.message}" if of > 1 else error.message
    return BadPayload(message, hint=error.hint, index=index)


def _estimate(codec: Codec[Any], payloads: Sequence[bytes], at: int) -> float:
    try:
        cost = codec.estimate_ns(payloads[at])
    except BadPayload as error:
        raise at_index(error, at, of=len(payloads)) from error
    if REFUSED_NS < cost < math.inf:
        too_costly = BadPayload(
            "The payload would take too long to decode.",
            hint="Send a smaller one, or save it again with another program.",
        )
        raise at_index(too_costly, at, of=len(payloads))
    return cost


def _decode(codec: Codec[Any], payloads: Sequence[bytes], at: int) -> Preprocessed:
    return _decode_one(codec, payloads[at], at, len(payloads))


def _decode_one(codec: Codec[Any], payload: bytes, at: int, of: int) -> Preprocessed:
    try:
        return preprocess(codec, payload)
    except BadPayload as error:
        raise at_index(error, at, of=of) from error


def _decode_turn(
    codec: Codec[Any], payloads: Sequence[bytes], start: int, stop: int
) -> tuple[list[Preprocessed], bool]:
    """Decode as many payloads as one turn allows; True when the next one is for a process."""
    rows: list[Preprocessed] = []
    spent = 0.0
    for at in range(start, stop):
        cost = _estimate(codec, payloads, at)
        if cost > THREAD_NS:
            return rows, True
        if rows and spent + cost > TURN_NS:
            break
        rows.append(_decode(codec, payloads, at))
        spent += cost
    return rows, False
