"""Import offsets in memory."""

from __future__ import annotations

from tidemill.adapters.memory_unit.records import RecordsPart
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_import_offset
from tidemill.domain.import_offset import ImportOffset


class ImportOffsetsPart(RecordsPart):
    """Implements `ImportOffsets`."""

    def import_offset(self, name: str) -> ImportOffset:
        return self._state.import_offsets.get(name, ImportOffset(name))

    def move_import_offset(self, to: ImportOffset, *, expected: ImportOffset, event: Event) -> None:
        guard_import_offset(self.import_offset(to.name), expected)
        self.record_event(event)
        self._state.import_offsets[to.name] = to
