"""Import offsets in SQL."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import insert, select, update

from tidemill.adapters.sql.records import RecordsPart, as_written
from tidemill.adapters.sql.tables import IMPORT_OFFSETS
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_import_offset
from tidemill.domain.import_offset import ImportOffset


class ImportOffsetsPart(RecordsPart):
    """Implements `ImportOffsets`."""

    def import_offset(self, name: str) -> ImportOffset:
        return self._import_offset(name) or ImportOffset(name)

    def move_import_offset(self, to: ImportOffset, *, expected: ImportOffset, event: Event) -> None:
        stored = self._import_offset(to.name)
        guard_import_offset(stored or ImportOffset(to.name), expected)
        self.record_event(event)
        if stored is None:
            self._connection.execute(insert(IMPORT_OFFSETS).values(asdict(to)))
        else:
            query = update(IMPORT_OFFSETS).where(IMPORT_OFFSETS.c.name == to.name)
            self._connection.execute(query.values(asdict(to)))

    def _import_offset(self, name: str) -> ImportOffset | None:
        with as_written():
            query = select(IMPORT_OFFSETS).where(IMPORT_OFFSETS.c.name == name)
            row = self._connection.execute(query).first()
            return ImportOffset(**row._mapping) if row else None
