"""Learns how many payloads a run of the model should take.

A larger batch is not always faster for each payload: its arrays may leave the processor's cache.
The best size differs by model and machine, so it is measured while the server answers.
"""

from __future__ import annotations

from collections import Counter, deque
from statistics import median

SMALLEST = 8
"""Fewer waiting payloads run together, without a choice."""
WINDOW = 9
"""Runs of a size that are remembered. The median of so few follows a change of the model soon."""
FIRST_RUNS = 3
"""A size counts after so many runs. Until all have had them, each other batch tries one."""
EXPLORE_EVERY = 32
"""Later one batch in so many tries a size, so that none is judged for ever."""
CLEARLY = 0.95
"""A smaller batch must cost less than this share of a larger one's time."""


class BatchSize:
    """The choice of one lane. Only its thread uses it.

    Sizes are powers of two. All that waits counts for the largest power that it contains.
    """

    def __init__(self) -> None:
        self._costs: dict[int, deque[float]] = {}
        self._tries: Counter[int] = Counter()
        self._batches = 0

    def choose(self, waiting: int) -> int:
        """Return how many of the waiting payloads the next run should take."""
        if waiting < 2 * SMALLEST:
            return waiting
        top = _power(waiting)
        sizes = [top >> shift for shift in range(top.bit_length()) if top >> shift >= SMALLEST]
        self._batches += 1
        # Tries are counted, not runs: a request with more payloads never runs at that size.
        size = min(sizes, key=self._tries.__getitem__)
        if self._tries[size] < FIRST_RUNS and self._batches % 2:
            self._tries[size] += 1
        elif self._batches % EXPLORE_EVERY == 0:
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
        best = sizes[0]
        if self._count_runs(best) < FIRST_RUNS:
            return best
        for size in sizes[1:]:
            measured = self._count_runs(size) >= FIRST_RUNS
            if measured and self._cost(size) < CLEARLY * self._cost(best):
                best = size
        return best

    def _cost(self, size: int) -> float:
        """Return the usual seconds for each unit of length, in runs of this size."""
        return median(self._costs[size])

    def _count_runs(self, size: int) -> int:
        return len(self._costs.get(size, ()))


def _power(number: int) -> int:
    return 1 << (number.bit_length() - 1)
