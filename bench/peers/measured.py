"""What one case found in one round, and cases of a workload by round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.peers.generator import Result
from bench.peers.intervals import Interval, interval
from tidemill.testing.load import percentile

BARE, BARE_ONE, FLOOR = "bare, best batch", "bare, batch 1", "generator"
OURS = "tidemill"
OPEN = "open"
"""In place of the users: requests come at 80 % of the capacity, answers or not."""

Case = tuple[str, int | str]
"""A contestant and its users."""


def rate(result: Result) -> float:
    """Return the answers in a second; where none came in time, half of one counts."""
    return max(result.answered, 0.5) / result.seconds


@dataclass(slots=True)
class Measured:
    """All rounds of one workload. `log_share` is the log's share of the time at so many users."""

    rounds: dict[Case, list[Result]] = field(default_factory=dict)
    log_share: dict[int, list[float]] = field(default_factory=dict)
    differing: dict[str, int] = field(default_factory=dict)
    batch: int = 0

    def rates(self, name: str, users: int | str) -> list[float]:
        """Return the rate of each round."""
        return [rate(result) for result in self.rounds[name, users]]

    def ratio(self, case: Case, other: Case) -> Interval:
        """Return how many times the rate of `other` a case reaches, each round by itself."""
        pairs = zip(self.rates(*case), self.rates(*other), strict=True)
        return interval([one / two for one, two in pairs])

    def percentile(self, case: Case, share: float) -> float | None:
        """Return the median over the rounds of a percentile, in ms; None without a time."""
        rounds = [percentile(result.ms, share) for result in self.rounds[case] if result.ms]
        return median(rounds) if rounds else None

    def spread(self, case: Case) -> Interval | None:
        """Return p99 as a multiple of p50, each round by itself; None when one has no time."""
        rounds = [result.ms for result in self.rounds[case]]
        if not all(rounds):
            return None
        return interval([percentile(ms, 0.99) / percentile(ms, 0.5) for ms in rounds])

    def faults(self, name: str) -> int:
        """Return the requests of a contestant that failed."""
        return sum(
            sum(result.faults.values())
            for (other, _), results in self.rounds.items()
            for result in results
            if other == name
        )

    def users(self, name: str) -> Sequence[int | str]:
        """Return the users with which a contestant was measured."""
        return [users for other, users in self.rounds if other == name]

    def names(self) -> Sequence[str]:
        """Return the contestants, in order."""
        return list(dict.fromkeys(name for name, _ in self.rounds))
