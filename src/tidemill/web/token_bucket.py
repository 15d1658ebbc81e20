"""The rate of an API key as a token bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class TokenBucket:
    """`rate` tokens, which fill again within a minute; each request takes one."""

    rate: int
    tokens: float
    at: datetime

    def take(self, now: datetime) -> float:
        """Take a token, and return 0; without one, return the seconds until there is one."""
        # A clock that was set back fills nothing.
        passed = max(0.0, (now - self.at).total_seconds())
        self.tokens = min(self.rate, self.tokens + passed * self.rate / 60)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * 60 / self.rate
