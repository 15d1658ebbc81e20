"""Learns how many payloads a run of the model should take.

A larger batch is not always faster for each payload: its arrays may leave the processor's cache.
The best size differs by model and machine, so it is measured while the server answers.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

SMALLEST = 8
"""Fewer waiting payloads run together, without a choice."""
WINDOW = 9
"""Runs of a size that are remembered. The median of so few follows a change of the model soon."""
EXPLORE_EVERY = 32
"""One batch in so many tries the size that was tried least, so that no size is judged for ever."""
CLEARLY = 0.95
"""A smaller batch must cost less than this share of a larger one's time."""


class BatchSize:
    """The choice of one lane. Only its thread uses it.

    Sizes are powers of two. All that waits counts for the largest power that it contains.
    """

    def __init__(self) -> None:
        self._costs: dict[int, deque[float]] = {}
        self._batches = 0

    def choose(self, waiting: int) -> int:
        """Return how many of the waiting payloads the next run should take."""
        if waiting < 2 * SMALLEST:
            return waiting
        top = _power(waiting)
        sizes = [top >> shift for shift in range(top.bit_length()) if top >> shift >= SMALLEST]
        self._batches += 1
        if self._batches % EXPLORE_EVERY == 0:
            size = min(sizes, key=lambda size: len(self._costs.get(size, ())))
            if len(self._costs.get(size, ())) == WINDOW:
                size = sizes[self._batches // EXPLORE_EVERY % len(sizes)]
        else:
            size = self._fastest(sizes)
        return waiting if size == top else size

    def observe(self, payloads: int, length: int, seconds: float) -> None:
        """Learn from a run of so many payloads, whose lengths make `length` together.

        Padding is not among them, so a run that pads much is a slow one.
        """
        if payloads >= SMALLEST:
            costs = self._costs.setdefault(_power(payloads), deque(maxlen=WINDOW))
            costs.append(seconds / length)

    def _fastest(self, sizes: list[int]) -> int:
        """Return the fastest of these sizes, the largest first, which must have been measured."""
        if not self._costs.get(sizes[0]):
            return sizes[0]
        best, least = sizes[0], math.inf
        for size in sizes:
            if (costs := self._costs.get(size)) and (cost := median(costs)) < least * CLEARLY:
                best, least = size, cost
        return best


def _power(number: int) -> int:
    return 1 << (number.bit_length() - 1)
