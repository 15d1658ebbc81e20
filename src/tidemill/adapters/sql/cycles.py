"""Cycles and leases in SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from tidemill.adapters.sql.records import RecordsPart, as_written
from tidemill.adapters.sql.rows import to_row
from tidemill.adapters.sql.tables import CYCLES, LEASES
from tidemill.domain.cycle import Cycle, CycleState, Lease
from tidemill.domain.events import Event, LeaseTaken
from tidemill.domain.guards import grant_lease, guard_cycle, guard_lease, guard_state


class CyclesPart(RecordsPart):
    """Implements `Cycles`."""

    def cycle(self) -> Cycle | None:
        cycles = self._records(Cycle, select(CYCLES).where(CYCLES.c.open))
        return cycles[0] if cycles else None

    def open_cycle(self, cycle: Cycle, event: Event) -> None:
        guard_cycle(cycle, self.cycle())
        self.add(cycle, event)

    def move_cycle(self, to: Cycle, *, expected: CycleState, event: Event) -> None:
        guard_state(self.get(Cycle, to.id), expected)
        guard_cycle(to, self.cycle())
        self.record_event(event)
        self._connection.execute(update(CYCLES).where(CYCLES.c.id == to.id).values(to_row(to)))

    def lease(self, name: str) -> Lease | None:
        with as_written():
            row = self._connection.execute(select(LEASES).where(LEASES.c.name == name)).first()
            return Lease(**row._mapping) if row else None

    def take_lease(self, name: str, holder: str, *, now: datetime, ttl: timedelta) -> Lease:
        self._require_write()
        last = self.lease(name)
        taken = grant_lease(last, name=name, holder=holder, now=now, ttl=ttl)
        if last is None or last.token != taken.token:
            self.record_event(LeaseTaken(actor=holder, subject=name, token=taken.token))
        if last is None:
            self._connection.execute(insert(LEASES).values(asdict(taken)))
        else:
            self._replace(taken)
        return taken

    def release_lease(self, lease: Lease, *, now: datetime) -> None:
        self._require_write()
        self._connection.execute(
            update(LEASES)
            .where(
                LEASES.c.name == lease.name,
                LEASES.c.token == lease.token,
                LEASES.c.holder == lease.holder,
            )
            .values(until=now)
        )

    def fence(self, lease: Lease) -> None:
        guard_lease(lease, self.lease(lease.name))

    def _replace(self, lease: Lease) -> None:
        query = update(LEASES).where(LEASES.c.name == lease.name)
        self._connection.execute(query.values(asdict(lease)))
