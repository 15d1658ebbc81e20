"""The payloads of one request that wait for the model, and which of them run together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic

from tidemill.domain.types import Prediction
from tidemill.predictor import Preprocessed
from tidemill.web.request_context import RequestContext

MAX_SORTED = 256
"""Waiting jobs that are compared by length; the choice must not take longer as a queue grows."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """The payloads of one request. They stay together.

    `lengths` has the length of each decoded payload, where a batch is padded to its longest.
    """

    context: RequestContext
    payloads: Sequence[bytes]
    inputs: Sequence[Preprocessed]
    lengths: Sequence[int]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Prediction]]
    at: float = field(default_factory=monotonic)

    @property
    def items(self) -> int:
        return sum(len(row.features) for row in self.inputs)

    def fits(self, payloads: int, items: int) -> bool:
        """Return True when a batch with so much room left can take the job."""
        return len(self.payloads) <= payloads and self.items <= items


def take_batch(waiting: deque[Job], payloads: int, items: int) -> list[Job]:
    """Remove and return a batch: the oldest job, and with it those nearest to it in length.

    A batch is full of payloads or of items. One job always fits. The oldest comes first each time,
    so every job has its turn.
    """
    jobs = [waiting.popleft() for _ in range(min(len(waiting), MAX_SORTED))]
    length = max(jobs[0].lengths)
    batch: list[Job] = []
    for job in sorted(jobs, key=lambda job: abs(max(job.lengths) - length)):
        # Of equal lengths, the older ones come first: the sort is stable.
        if not batch or job.fits(payloads, items):
            batch.append(job)
            payloads -= len(job.payloads)
            items -= job.items
        if payloads <= 0:
            break
    chosen = set(map(id, batch))
    waiting.extendleft(job for job in reversed(jobs) if id(job) not in chosen)
    return [job for job in jobs if id(job) in chosen]


def count_payloads(waiting: deque[Job], most: int) -> int:
    """Return how many payloads wait, up to `most`."""
    return min(most, sum(len(job.payloads) for job in islice(waiting, most)))
