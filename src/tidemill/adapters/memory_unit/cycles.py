"""Cycles and leases in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tidemill.adapters.memory_unit.records import RecordsPart
from tidemill.domain.cycle import Cycle, CycleState, Lease
from tidemill.domain.events import Event, LeaseTaken
from tidemill.domain.guards import grant_lease, guard_cycle, guard_lease, guard_state


class CyclesPart(RecordsPart):
    """Implements `Cycles`."""

    def cycle(self) -> Cycle | None:
        return next((row for row in self._rows(Cycle).values() if row.open), None)

    def open_cycle(self, cycle: Cycle, event: Event) -> None:
        guard_cycle(cycle, self.cycle())
        self.add(cycle, event)

    def move_cycle(self, to: Cycle, *, expected: CycleState, event: Event) -> None:
        guard_state(self.get(Cycle, to.id), expected)
        guard_cycle(to, self.cycle())
        self.record_event(event)
        self._keep(to)

    def lease(self, name: str) -> Lease | None:
        return self._state.leases.get(name)

    def take_lease(self, name: str, holder: str, *, now: datetime, ttl: timedelta) -> Lease:
        self._require_write()
        last = self.lease(name)
        taken = grant_lease(last, name=name, holder=holder, now=now, ttl=ttl)
        if last is None or last.token != taken.token:
            self.record_event(LeaseTaken(actor=holder, subject=name, token=taken.token))
        self._state.leases[name] = taken
        return taken

    def release_lease(self, lease: Lease, *, now: datetime) -> None:
        self._require_write()
        last = self.lease(lease.name)
        if last is not None and (last.token, last.holder) == (lease.token, lease.holder):
            self._state.leases[lease.name] = replace(last, until=now)

    def fence(self, lease: Lease) -> None:
        guard_lease(lease, self.lease(lease.name))
