"""Leadership: one engine writes, and another one only once the first is known to be gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_ledger import MemoryLedger, MemoryUnit
from tidemill.domain.cycle import ENGINE_LEASE
from tidemill.domain.errors import LeaseLost, StorageFailed
from tidemill.domain.ledger import Ledger
from tidemill.engine.leadership import Leadership

TTL = timedelta(milliseconds=30)
SECONDS = 30
Claim = Callable[[str], Leadership]


class AskedClock(FixedClock):
    """A clock that lets a test wait until it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = threading.Semaphore(0)

    def now(self) -> datetime:
        self.requests.release()
        return super().now()

    def wait(self, times: int) -> None:
        for _ in range(times):
            assert self.requests.acquire(timeout=SECONDS)


@pytest.fixture
def ledger() -> Ledger:
    return MemoryLedger()


@pytest.fixture
def clock() -> AskedClock:
    return AskedClock()


@pytest.fixture
def claim(ledger: Ledger, clock: AskedClock) -> Claim:
    """`claim(holder)`: an engine's claim to lead; nothing is taken yet."""
    return lambda holder: Leadership(ledger, clock, holder=holder, ttl=TTL)


def written(ledger: Ledger) -> tuple[str, int, datetime]:
    """Holder, token and end of the lease in the ledger."""
    with ledger.begin(write=False) as unit:
        lease = unit.lease(ENGINE_LEASE)
    assert lease is not None
    return lease.holder, lease.token, lease.until


def refused(one: Leadership) -> bool:
    """True when a writing unit of this engine is refused before anything is done in it."""
    try:
        with one.unit():
            return False
    except LeaseLost:
        return True


def test_the_holder_renews_its_lease_under_the_same_token(
    claim: Claim, ledger: Ledger, clock: AskedClock
) -> None:
    one, start = claim("one"), clock.now()
    one.lead(start)
    one.lead(start + TTL / 2)
    assert written(ledger) == ("one", 1, start + TTL * 1.5)
    with ledger.begin(write=False) as unit:
        assert [event.kind for event in unit.events()] == ["LeaseTaken"]


def test_another_one_waits_until_the_lease_has_run_out(
    claim: Claim, ledger: Ledger, clock: AskedClock
) -> None:
    one, two, start = claim("one"), claim("two"), clock.now()
    one.lead(start)
    with pytest.raises(LeaseLost, match="one holds the lease"):
        two.lead(start + TTL / 2)
    assert refused(two)
    two.lead(start + TTL)
    assert written(ledger) == ("two", 2, start + TTL * 2)
    assert not refused(two)


def test_a_leader_that_was_overtaken_writes_nothing_and_waits_in_its_turn(
    claim: Claim, clock: AskedClock
) -> None:
    one, two, start = claim("one"), claim("two"), clock.now()
    one.lead(start)
    assert not refused(one)
    two.lead(start + TTL)
    assert refused(one)
    with pytest.raises(LeaseLost, match="two"):
        one.lead(start + TTL)


def test_a_unit_that_fails_writes_nothing(claim: Claim, ledger: Ledger, clock: AskedClock) -> None:
    one, start = claim("one"), clock.now()
    one.lead(start)
    with pytest.raises(LeaseLost), one.unit() as unit:
        unit.take_lease(ENGINE_LEASE, "one", now=start + TTL, ttl=TTL)
        raise LeaseLost("Enough.")
    assert written(ledger) == ("one", 1, start + TTL)


def test_who_never_led_cannot_write(claim: Claim) -> None:
    with pytest.raises(LeaseLost, match="one does not lead"), claim("one").unit():
        pytest.fail("it wrote")


def test_who_resigns_lets_another_lead_at_once(claim: Claim, clock: AskedClock) -> None:
    one, two, start = claim("one"), claim("two"), clock.now()
    one.resign(start)  # it has nothing to give
    one.lead(start)
    one.resign(start)
    two.lead(start)
    assert refused(one)
    assert not refused(two)


def test_resigning_late_takes_nothing_from_the_next_leader(
    claim: Claim, ledger: Ledger, clock: AskedClock
) -> None:
    one, two, start = claim("one"), claim("two"), clock.now()
    one.lead(start)
    two.lead(start + TTL)
    one.resign(start + TTL)
    assert written(ledger) == ("two", 2, start + TTL * 2)


def test_long_work_keeps_the_lease(claim: Claim, ledger: Ledger, clock: AskedClock) -> None:
    one = claim("one")
    one.lead(clock.now())
    clock.wait(1)
    with one.renewal():
        clock.advance(TTL * 10)
        clock.wait(3)  # the last of these reads follows a renewal that is written
        assert written(ledger) == ("one", 1, FixedClock().now() + TTL * 11)
        assert not refused(one)


def test_the_lease_is_not_renewed_after_the_work(claim: Claim, clock: AskedClock) -> None:
    one, two, start = claim("one"), claim("two"), clock.now()
    one.lead(start)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), one.renewal():
        assert threading.active_count() == before + 1
        raise ZeroDivisionError
    assert threading.active_count() == before
    two.lead(start + TTL * 2)


def test_a_keeper_that_comes_too_late_does_not_lead_again(
    claim: Claim, ledger: Ledger, clock: AskedClock
) -> None:
    """It would give a new token to work that was begun under the old one."""
    one, two, start = claim("one"), claim("two"), clock.now()
    one.lead(start)
    two.lead(start + TTL)
    two.resign(start + TTL)
    clock.advance(TTL * 2)
    others = threading.enumerate()
    with one.renewal():
        for thread in threading.enumerate():
            if thread not in others:
                thread.join(SECONDS)
                assert not thread.is_alive()
    assert refused(one)
    assert written(ledger)[:2] == ("two", 2)


class Faltering(MemoryLedger):
    """A ledger that cannot be written for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    @contextmanager
    def begin(self, *, write: bool = True) -> Iterator[MemoryUnit]:
        if write and self.failures:
            self.failures -= 1
            raise StorageFailed("The disk is full.")
        with super().begin(write=write) as unit:
            yield unit


def test_a_renewal_that_fails_is_tried_again(clock: AskedClock) -> None:
    ledger = Faltering()
    leadership = Leadership(ledger, clock, holder="one", ttl=TTL)
    leadership.lead(clock.now())
    clock.wait(1)
    ledger.failures = 2
    with leadership.renewal():
        clock.wait(2)
    assert ledger.failures == 0
