"""Records and events in SQL, and the base of the parts of a unit of work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table, bindparam, insert, select
from uuid_utils import uuid7

from tidemill.adapters.sql.rows import from_row, to_row
from tidemill.adapters.sql.tables import EVENTS, TABLES
from tidemill.domain.errors import Conflict, Corrupt
from tidemill.domain.events import Event, EventKind, RecordedEvent
from tidemill.domain.ledger import R, Record, missing, missing_event, require_text
from tidemill.domain.ports import Clock


def damaged(cause: object) -> Corrupt:
    """Return the error of a damaged ledger."""
    return Corrupt(f"The ledger is damaged: {cause}.", hint="Restore it from a copy.")


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """Raise Corrupt for a row with values that Tidemill never writes."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise damaged(f"a row holds what was never written: {error}") from error


# SQLAlchemy takes longer to build a statement than SQLite to run it, so each is built once.
@cache
def insert_into(table: Table) -> Insert:
    """Return the statement that adds a row to a table."""
    return insert(table)


@cache
def _place_in(table: Table) -> Select[Any]:
    return select(table.c.n).where(table.c.id == bindparam("id"))


@cache
def _by_id(table: Table) -> Select[Any]:
    return select(table).where(table.c.id == bindparam("id"))


class RecordsPart:
    """The base of the other parts. Each works on the connection of its unit."""

    def __init__(self, connection: Connection, clock: Clock, *, write: bool) -> None:
        self._connection = connection
        self._clock = clock
        self._write = write
        self._address = ""

    def add(self, record: Record, event: Event) -> None:
        table = TABLES[type(record)]
        if self._place(table, record.id) is not None:
            raise Conflict(f"{type(record).__name__} {record.id} exists already.")
        self.record_event(event)
        self._connection.execute(insert_into(table), to_row(record))

    def get(self, kind: type[R], id: str) -> R:
        require_text(id)
        records = self._records(kind, _by_id(TABLES[kind]), {"id": id})
        if not records:
            raise missing(kind, id)
        return records[0]

    def latest(self, kind: type[R], *, limit: int = 100) -> list[R]:
        table = TABLES[kind]
        return self._records(kind, select(table).order_by(table.c.n.desc()).limit(limit))

    def events(
        self,
        *,
        subject: str | None = None,
        kinds: Sequence[EventKind] = (),
        before: str | None = None,
        limit: int | None = 100,
    ) -> list[RecordedEvent]:
        query = select(EVENTS).order_by(EVENTS.c.n.desc()).limit(limit)
        if subject is not None:
            query = query.where(EVENTS.c.subject == subject)
        if before is not None:
            if (place := self._place(EVENTS, before)) is None:
                raise missing_event(before)
            query = query.where(EVENTS.c.n < place)
        # One statement for each kind: an index leads to its latest rows, however many there are.
        queries = [query.where(EVENTS.c.kind == kind) for kind in dict.fromkeys(kinds)] or [query]
        with as_written():
            rows = [row for each in queries for row in self._connection.execute(each).mappings()]
            rows.sort(key=itemgetter("n"), reverse=True)
            return [
                RecordedEvent(**{k: v for k, v in row.items() if k != "n"}) for row in rows[:limit]
            ]

    def _place(self, table: Table, id: str) -> int | None:
        """Return the number of a row in the order of arrival; None for an unknown id."""
        place: int | None = self._connection.scalar(_place_in(table), {"id": id})
        return place

    def record_event(self, event: Event) -> None:
        self._require_write()
        self._connection.execute(
            insert_into(EVENTS),
            {
                "id": str(uuid7()),
                "at": self._clock.now(),
                "kind": event.kind,
                "actor": event.actor,
                "subject": event.subject,
                "reason": event.reason,
                "detail": self._detail(event),
            },
        )

    def note_address(self, address: str) -> None:
        self._address = address

    def _detail(self, event: Event) -> dict[str, Any]:
        return event.detail() | ({"address": self._address} if self._address else {})

    def _require_write(self) -> None:
        if not self._write:
            raise Conflict("This unit of work was opened for reading.")

    def _records(
        self, kind: type[R], query: Select[Any], values: Mapping[str, Any] | None = None
    ) -> list[R]:
        with as_written():
            rows = self._connection.execute(query, values).mappings()
            return [from_row(kind, dict(row)) for row in rows]
