"""Sends requests and measures the answers, as a process of its own: a plan on stdin, a result on
stdout.

It writes whole requests that were made before and reads as little of an answer as it must, because
it must not be the limit. It imports nothing of Tidemill and runs on one core.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import cast

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
PATIENCE_S = 60.0
"""How long after the end an answer may still come."""
OPEN_CONNECTIONS = 64
"""Connections of an open loop; more are opened while all of them wait."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`users` send one request after the other for `warmup` and then `seconds`. With a `rate`,
    requests come at random moments (a Poisson process) instead, whether answers come or not.

    `requests` are files, each one whole HTTP request; they take turns.
    """

    port: int
    requests: list[str]
    users: int
    seconds: float
    warmup: float
    core: int | None = None
    rate: float | None = None


@dataclass(slots=True)
class Result:
    """`ms` are those of the requests that began after the warm-up, `answered` counts the answers
    with status 200 that came within `seconds`.

    A time of an open loop begins when the request was due. `bodies` has the first answer to each
    request of the plan, by its index.
    """

    seconds: float
    answered: int = 0
    ms: list[float] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)


class Run:
    """Counts what all connections of one plan send and receive."""

    def __init__(self, plan: Plan, requests: list[bytes]) -> None:
        self.plan = plan
        self.requests = requests
        self.result = Result(plan.seconds)
        self.faults: Counter[str] = Counter()
        self.sent = 0
        self.busy = 0
        self.begin = perf_counter() + plan.warmup
        self.end = self.begin + plan.seconds
        self.over = asyncio.get_running_loop().create_future()
        self.idle: deque[Connection] = deque()
        self.due: deque[float] = deque()

    def next(self) -> int:
        """Return the index of the request whose turn it is."""
        self.sent += 1
        return (self.sent - 1) % len(self.requests)

    def finish(self, connection: Connection, began: float, index: int, answer: bytes) -> None:
        """Count an answer and let the connection send again."""
        now = perf_counter()
        self.busy -= 1
        good = answer.startswith(b"HTTP/1.1 200")
        if not good:
            self.faults[answer[9:12].decode(errors="replace")] += 1
        elif str(index) not in self.result.bodies:
            body = answer[answer.index(HEAD_END) + len(HEAD_END) :]
            self.result.bodies[str(index)] = body.decode(errors="replace")
        if began >= self.begin:
            self.result.ms.append((now - began) * 1000)
        if good and self.begin <= now < self.end:
            self.result.answered += 1
        self._continue(connection, now)

    def fail(self, fault: str, *, busy: bool) -> None:
        """Count a connection that was closed."""
        self.faults[fault] += 1
        self.busy -= busy
        self.check_over()

    def _continue(self, connection: Connection, now: float) -> None:
        if self.plan.rate is None:
            if now < self.end:
                connection.send(now)
        elif self.due:
            connection.send(self.due.popleft())
        else:
            self.idle.append(connection)
        self.check_over()

    def check_over(self) -> None:
        """End the run when its time is over and nothing is waited for."""
        if perf_counter() >= self.end and not self.busy and not self.due and not self.over.done():
            self.over.set_result(None)


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._parts = b""
        self._whole = 0
        self._began: float | None = None
        self._index = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, began: float) -> None:
        """Send the next request; its time counts from `began`."""
        assert self.transport is not None
        self._run.busy += 1
        self._began, self._index = began, self._run.next()
        self.transport.write(self._run.requests[self._index])

    def data_received(self, data: bytes) -> None:
        self._parts = self._parts + data if self._parts else data
        if not self._whole:
            end = self._parts.find(HEAD_END)
            if end < 0:
                return
            head = self._parts[:end].lower()
            at = head.find(LENGTH)
            if at < 0:
                self._run.faults["no content-length"] += 1
                assert self.transport is not None
                self.transport.abort()
                return
            self._whole = end + len(HEAD_END) + int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])
        if len(self._parts) < self._whole or self._began is None:
            return
        answer, began = self._parts, self._began
        self._parts, self._whole, self._began = b"", 0, None
        self._run.finish(self, began, self._index, answer)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._run.over.done():
            self._run.fail("closed", busy=self._began is not None)


async def carry_out(plan: Plan) -> Result:
    """Send what the plan says and wait for the answers."""
    loop = asyncio.get_running_loop()
    requests = [Path(name).read_bytes() for name in plan.requests]
    run = Run(plan, requests)

    async def connect() -> Connection:
        _, connection = await loop.create_connection(
            lambda: Connection(run), "127.0.0.1", plan.port
        )
        return connection

    users = OPEN_CONNECTIONS if plan.rate else plan.users
    connections = [await connect() for _ in range(users)]
    run.begin = perf_counter() + plan.warmup
    run.end = run.begin + plan.seconds
    if plan.rate is None:
        for connection in connections:
            connection.send(perf_counter())
    else:
        run.idle.extend(connections)
        await arrive(run, plan.rate)
    loop.call_later(run.end - perf_counter() + 0.001, run.check_over)
    try:
        await asyncio.wait_for(run.over, plan.warmup + plan.seconds + PATIENCE_S)
    except TimeoutError:
        run.faults["no answer"] += run.busy + len(run.due)
    for connection in connections:
        assert connection.transport is not None
        connection.transport.abort()
    run.result.faults = dict(run.faults)
    return run.result


async def arrive(run: Run, rate: float) -> None:
    """Send requests at random moments until the end, `rate` of them in a second."""
    dice = random.Random(0)
    due = perf_counter()
    while (due := due + dice.expovariate(rate)) < run.end:
        if (wait := due - perf_counter()) > 0:
            await asyncio.sleep(wait)
        if run.idle:
            run.idle.popleft().send(due)
        else:
            run.due.append(due)


def main() -> None:
    """Carry out the plan on stdin."""
    plan = Plan(**json.load(sys.stdin))
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    print(json.dumps(asdict(uvloop.run(carry_out(plan)))))


if __name__ == "__main__":
    main()
