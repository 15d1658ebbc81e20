"""What every ledger must do with cycles and leases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.cycle import FINAL, Cycle, CycleState, Lease
from tidemill.domain.errors import Conflict, LeaseLost, NotFound
from tidemill.domain.events import CycleMoved, CycleOpened
from tidemill.domain.ledger import Ledger, UnitOfWork

Race = Callable[[Callable[[UnitOfWork, str], object]], list[str]]

NOW = FixedClock().now()
TTL = timedelta(seconds=30)
CYCLE = Cycle("c1", "coffee", "drift", "brightness moved", "v1", NOW)
OPENED = CycleOpened(actor="engine", subject="c1", trigger="drift", champion="v1")
MOVED = CycleMoved(actor="engine", subject="c1", before="triggered", state="training")
LATER = replace(
    CYCLE,
    state="training",
    reason="The first training was lost.",
    changed_at=NOW + TTL,
    snapshot="s2",
    runs=("r2", "r3"),
)


@pytest.fixture
def cycle_ledger(ledger: Ledger) -> Ledger:
    """A cycle that has just been triggered."""
    with ledger.begin() as unit:
        unit.open_cycle(CYCLE, OPENED)
    return ledger


def take(ledger: Ledger, holder: str, seconds: float = 0) -> Lease:
    """Take the engine's lease so long after the beginning."""
    with ledger.begin() as unit:
        return unit.take_lease("engine", holder, now=NOW + timedelta(seconds=seconds), ttl=TTL)


def test_no_cycle_is_open_before_the_first(ledger: Ledger) -> None:
    with ledger.begin(write=False) as unit:
        assert unit.cycle() is None


def test_an_opened_cycle_comes_back_as_it_was(cycle_ledger: Ledger) -> None:
    with cycle_ledger.begin(write=False) as unit:
        assert unit.cycle() == unit.get(Cycle, "c1") == CYCLE
        assert unit.latest(Cycle) == [CYCLE]
        assert [event.kind for event in unit.events()] == ["CycleOpened"]


def test_a_moved_cycle_is_its_later_self(cycle_ledger: Ledger) -> None:
    with cycle_ledger.begin() as unit:
        unit.move_cycle(LATER, expected="triggered", event=MOVED)
    with cycle_ledger.begin(write=False) as unit:
        assert unit.cycle() == LATER
        assert [event.kind for event in unit.events()] == ["CycleMoved", "CycleOpened"]


def test_one_cycle_turns_at_a_time(cycle_ledger: Ledger) -> None:
    with pytest.raises(Conflict, match="c1 is open"), cycle_ledger.begin() as unit:
        unit.open_cycle(replace(CYCLE, id="c2"), OPENED)
    with pytest.raises(Conflict, match="exists already"), cycle_ledger.begin() as unit:
        unit.open_cycle(CYCLE, OPENED)
    with cycle_ledger.begin(write=False) as unit:
        assert unit.latest(Cycle) == [CYCLE]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_the_next_cycle_begins_once_one_has_ended(cycle_ledger: Ledger, state: CycleState) -> None:
    with cycle_ledger.begin() as unit:
        unit.move_cycle(replace(LATER, state=state), expected="triggered", event=MOVED)
        assert unit.cycle() is None
        unit.open_cycle(replace(CYCLE, id="c2"), OPENED)
    with cycle_ledger.begin(write=False) as unit:
        assert unit.cycle() == replace(CYCLE, id="c2")


def test_an_ended_cycle_does_not_come_back_beside_another(cycle_ledger: Ledger) -> None:
    with cycle_ledger.begin() as unit:
        unit.move_cycle(replace(CYCLE, state="failed"), expected="triggered", event=MOVED)
        unit.open_cycle(replace(CYCLE, id="c2"), OPENED)
    with pytest.raises(Conflict, match="c2 is open"), cycle_ledger.begin() as unit:
        unit.move_cycle(LATER, expected="failed", event=MOVED)


def test_a_cycle_moves_only_from_where_that_was_decided(cycle_ledger: Ledger) -> None:
    with pytest.raises(Conflict, match="triggered"), cycle_ledger.begin() as unit:
        unit.move_cycle(LATER, expected="judged", event=MOVED)
    with pytest.raises(NotFound), cycle_ledger.begin() as unit:
        unit.move_cycle(replace(LATER, id="c9"), expected="triggered", event=MOVED)
    with cycle_ledger.begin(write=False) as unit:
        assert unit.cycle() == CYCLE
        assert len(unit.events()) == 1


def test_of_two_racing_cycles_one_is_opened(ledger: Ledger, race: Race) -> None:
    results = race(lambda unit, name: unit.open_cycle(replace(CYCLE, id=name), OPENED))
    assert results == ["Conflict", "won"]
    with ledger.begin(write=False) as unit:
        assert len(unit.latest(Cycle)) == len(unit.events()) == 1


def test_nobody_holds_a_lease_before_the_first(ledger: Ledger) -> None:
    with ledger.begin(write=False) as unit:
        assert unit.lease("engine") is None


def test_the_first_to_take_a_lease_gets_token_one(ledger: Ledger) -> None:
    assert take(ledger, "a") == Lease("engine", "a", 1, NOW + TTL)
    with ledger.begin(write=False) as unit:
        assert unit.lease("engine") == Lease("engine", "a", 1, NOW + TTL)
        (event,) = unit.events(subject="engine")
        assert (event.kind, event.actor, event.detail) == ("LeaseTaken", "a", {"token": 1})


@pytest.mark.parametrize("seconds", [10, 30, 3600])
def test_a_holder_renews_without_a_word(ledger: Ledger, seconds: int) -> None:
    take(ledger, "a")
    until = NOW + timedelta(seconds=seconds) + TTL
    assert take(ledger, "a", seconds) == Lease("engine", "a", 1, until)
    with ledger.begin(write=False) as unit:
        assert unit.lease("engine") == Lease("engine", "a", 1, until)
        assert len(unit.events()) == 1


def test_a_held_lease_is_not_to_be_had(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    with pytest.raises(LeaseLost, match="a holds the lease 'engine' until 2026-01-01 00:00:30 UTC"):
        take(ledger, "b", 29.9)
    with ledger.begin(write=False) as unit:
        assert unit.lease("engine") == lease
        unit.fence(lease)


def test_a_lease_that_ran_out_goes_to_the_next_with_a_higher_token(ledger: Ledger) -> None:
    before = take(ledger, "a")
    after = take(ledger, "b", 30)
    assert after == Lease("engine", "b", 2, NOW + 2 * TTL)
    with ledger.begin() as unit:
        unit.fence(after)
        with pytest.raises(LeaseLost, match="went to b"):
            unit.fence(before)
        assert [event.detail for event in unit.events()] == [{"token": 2}, {"token": 1}]
    with pytest.raises(LeaseLost):
        take(ledger, "a", 31)
    assert take(ledger, "a", 60).token == 3


def test_a_lease_of_a_clock_that_was_ahead_is_to_be_had_at_once(ledger: Ledger) -> None:
    ahead = take(ledger, "a", 30.001)
    taken = take(ledger, "b")
    assert taken == Lease("engine", "b", 2, NOW + TTL)
    with ledger.begin(write=False) as unit:
        assert unit.lease("engine") == taken
        assert len(unit.events()) == 2
        with pytest.raises(LeaseLost, match="went to b"):
            unit.fence(ahead)


@pytest.mark.parametrize("seconds", [0.001, 10, 30])
def test_a_lease_renewed_while_another_waited_to_write_is_held(
    ledger: Ledger, seconds: float
) -> None:
    """The other one read its clock first, and found the lease a little longer than its own."""
    take(ledger, "a")
    lease = take(ledger, "a", seconds)
    with pytest.raises(LeaseLost, match="a holds the lease"):
        take(ledger, "b")
    with ledger.begin(write=False) as unit:
        unit.fence(lease)


def test_a_holder_whose_clock_was_ahead_renews_to_what_is_right(ledger: Ledger) -> None:
    take(ledger, "a", 3600)
    assert take(ledger, "a") == Lease("engine", "a", 1, NOW + TTL)
    with pytest.raises(LeaseLost):
        take(ledger, "b")


def test_a_fence_looks_at_the_token_alone(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    take(ledger, "a", 3600)
    with ledger.begin(write=False) as unit:
        unit.fence(lease)


def test_a_lease_that_was_never_taken_stops_at_the_fence(ledger: Ledger) -> None:
    with ledger.begin() as unit, pytest.raises(LeaseLost, match="unknown"):
        unit.fence(Lease("engine", "a", 1, NOW))


def test_leases_of_different_names_have_nothing_to_do_with_each_other(ledger: Ledger) -> None:
    take(ledger, "a")
    with ledger.begin() as unit:
        assert unit.take_lease("other", "b", now=NOW, ttl=TTL).token == 1
        assert unit.lease("engine") == Lease("engine", "a", 1, NOW + TTL)


def test_a_lease_that_was_given_back_is_to_be_had_at_once(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    with ledger.begin() as unit:
        unit.release_lease(lease, now=NOW)
        assert unit.lease("engine") == replace(lease, until=NOW)
    assert take(ledger, "b").token == 2


def test_a_lease_that_has_gone_on_is_not_given_back(ledger: Ledger) -> None:
    before = take(ledger, "a")
    after = take(ledger, "b", 30)
    with ledger.begin() as unit:
        unit.release_lease(before, now=NOW)
        unit.release_lease(replace(after, holder="a"), now=NOW)
        unit.release_lease(replace(after, name="other"), now=NOW)
        assert unit.lease("engine") == after
        assert unit.lease("other") is None


def test_of_two_who_take_a_lease_one_gets_it(ledger: Ledger, race: Race) -> None:
    results = race(lambda unit, name: unit.take_lease("engine", name, now=NOW, ttl=TTL))
    assert results == ["LeaseLost", "won"]
    with ledger.begin(write=False) as unit:
        assert len(unit.events()) == 1


WRITES: dict[str, Callable[[UnitOfWork], object]] = {
    "open_cycle": lambda unit: unit.open_cycle(replace(CYCLE, id="c2"), OPENED),
    "move_cycle": lambda unit: unit.move_cycle(LATER, expected="failed", event=MOVED),
    "take_lease": lambda unit: unit.take_lease("other", "a", now=NOW, ttl=TTL),
    "renew": lambda unit: unit.take_lease("engine", "a", now=NOW + TTL, ttl=TTL),
    "give_lease": lambda unit: unit.release_lease(Lease("engine", "a", 1, NOW), now=NOW),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_reading_unit_refuses_to_write(cycle_ledger: Ledger, name: str) -> None:
    ended = replace(CYCLE, state="failed")
    with cycle_ledger.begin() as unit:
        unit.move_cycle(ended, expected="triggered", event=MOVED)
    lease = take(cycle_ledger, "a")
    with cycle_ledger.begin(write=False) as unit:
        before = unit.events()
        with pytest.raises(Conflict, match="for reading"):
            WRITES[name](unit)
    with cycle_ledger.begin(write=False) as unit:
        assert unit.latest(Cycle) == [ended]
        assert (unit.lease("engine"), unit.lease("other")) == (lease, None)
        assert unit.events() == before
