"""Figures from measured times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 < share <= 1) of all do not exceed.

    Nearest rank: always a value that was measured, never one in between. `values` may have any
    order, but one of them there must be.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    return sorted(values)[math.ceil(share * len(values)) - 1]


@dataclass(frozen=True, slots=True)
class Round:
    """One measured run of one case: `ms` in the order of asking, `faults` by kind.

    Requests that failed are in `ms`, too; a case with a fault has no figure worth reading.
    """

    seconds: float
    ms: Sequence[float]
    faults: Mapping[str, int]

    @property
    def errors(self) -> int:
        return sum(self.faults.values())

    @property
    def rate(self) -> float:
        """Requests per second, all users together."""
        return len(self.ms) / self.seconds

    @property
    def p50(self) -> float:
        return percentile(self.ms, 0.5)

    @property
    def p99(self) -> float:
        return percentile(self.ms, 0.99)
