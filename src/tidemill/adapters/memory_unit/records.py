"""Records and events in memory, and the state that every part of a unit works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from uuid_utils import uuid7

from tidemill.domain.cycle import Lease
from tidemill.domain.drift import Profile
from tidemill.domain.errors import Conflict
from tidemill.domain.events import Event, EventKind, RecordedEvent
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.ledger import R, Record, missing, missing_event, require_text
from tidemill.domain.ports import Clock
from tidemill.domain.types import Alias, Prediction

OpenProfile = tuple[str, str, datetime]
"""Version, kind and bucket, the key of an open profile."""


@dataclass
class State:
    """The content of a ledger."""

    records: dict[type, dict[str, Record]] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    events: list[RecordedEvent] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    predictions: dict[str, Prediction] = field(default_factory=dict)
    profiles: dict[OpenProfile, Profile] = field(default_factory=dict)
    judged_answers: dict[str, int] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    import_offsets: dict[str, ImportOffset] = field(default_factory=dict)

    def copy(self) -> State:
        """Return a copy of this state."""
        return State(
            {kind: dict(rows) for kind, rows in self.records.items()},
            dict(self.aliases),
            list(self.events),
            dict(self.offsets),
            dict(self.predictions),
            dict(self.profiles),
            dict(self.judged_answers),
            dict(self.leases),
            dict(self.import_offsets),
        )


class RecordsPart:
    """The base of the other parts."""

    def __init__(self, state: State, clock: Clock, *, write: bool) -> None:
        self._state = state
        self._clock = clock
        self._write = write
        self._address = ""

    def add(self, record: Record, event: Event) -> None:
        if record.id in self._rows(type(record)):
            raise Conflict(f"{type(record).__name__} {record.id} exists already.")
        self.record_event(event)
        self._keep(record)

    def get(self, kind: type[R], id: str) -> R:
        require_text(id)
        record = self._rows(kind).get(id)
        if record is None:
            raise missing(kind, id)
        return record

    def latest(self, kind: type[R], *, limit: int = 100) -> list[R]:
        return list(self._rows(kind).values())[::-1][:limit]

    def events(
        self,
        *,
        subject: str | None = None,
        kinds: Sequence[EventKind] = (),
        before: str | None = None,
        limit: int | None = 100,
    ) -> list[RecordedEvent]:
        older = self._state.events[: None if before is None else self._place(before)]
        events = [
            event
            for event in older
            if subject in (None, event.subject) and (not kinds or event.kind in kinds)
        ]
        return events[::-1][:limit]

    def _place(self, id: str) -> int:
        for place, event in enumerate(self._state.events):
            if event.id == id:
                return place
        raise missing_event(id)

    def record_event(self, event: Event) -> None:
        self._require_write()
        self._state.events.append(
            RecordedEvent(
                str(uuid7()),
                self._clock.now(),
                event.kind,
                event.actor,
                event.subject,
                event.reason,
                self._detail(event),
            )
        )

    def note_address(self, address: str) -> None:
        self._address = address

    def _detail(self, event: Event) -> dict[str, Any]:
        return event.detail() | ({"address": self._address} if self._address else {})

    def _require_write(self) -> None:
        if not self._write:
            raise Conflict("This unit of work was opened for reading.")

    def _rows(self, kind: type[R]) -> dict[str, R]:
        return cast("dict[str, R]", self._state.records.get(kind, {}))

    def _keep(self, record: Record) -> None:
        """Store a record in the place of its earlier state, or at the end."""
        self._state.records.setdefault(type(record), {})[record.id] = record
