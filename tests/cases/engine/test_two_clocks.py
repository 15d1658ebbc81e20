"""Two engines share one workspace, and their clocks are eleven seconds apart. Who leads?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tests.cases.names import FixedClock, LeaseLost, MemoryLedger
from tests.cases.verdict import falls_short, require

TTL, APART, TICK, TICKS = timedelta(seconds=5), timedelta(seconds=11), timedelta(seconds=0.5), 40


def changes_of_the_lead() -> int:
    """How often another engine leads, when both ask twice a second by their own clocks."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger = MemoryLedger(FixedClock(now))
    tokens = []
    for _ in range(TICKS):
        now += TICK
        for holder, clock in (("early", now), ("late", now - APART)):
            try:
                with ledger.begin() as unit:
                    lease = unit.take_lease("engine", holder, now=clock, ttl=TTL)
            except LeaseLost:
                continue
            tokens.append(lease.token)
    return sum(after != before for before, after in pairwise(tokens))


@falls_short("engine", "the lead changes 79 times in 20 s; once may be")
def test_two_clocks_do_not_take_turns_at_leading() -> None:
    changes = changes_of_the_lead()
    require(
        changes <= 1,
        f"in {TICKS * TICK.total_seconds():.0f} seconds the lead changed {changes} times between"
        " two engines that both live",
    )
