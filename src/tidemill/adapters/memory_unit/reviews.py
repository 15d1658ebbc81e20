"""Feedback in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tidemill.adapters.memory_unit.records import RecordsPart
from tidemill.domain.events import Event
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.guards import guard_status, guard_taken


class ReviewsPart(RecordsPart):
    """Implements `Reviews`."""

    def feedback(
        self,
        *,
        status: FeedbackStatus | None = None,
        example: str | None = None,
        item: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        after: str | None = None,
        limit: int | None = 100,
    ) -> list[Feedback]:
        arrived = list(self._rows(Feedback).values())
        if after is not None:
            arrived = arrived[arrived.index(self.get(Feedback, after)) + 1 :]
        rows = [
            row
            for row in arrived
            if status in (None, row.status)
            and example in (None, row.example)
            and item in (None, row.item)
            and actor in (None, row.actor)
            and client in (None, row.client)
        ]
        return rows[:limit]

    def settle_feedback(self, to: Feedback, *, expected: FeedbackStatus, event: Event) -> None:
        before = self.get(Feedback, to.id)
        guard_status(before, expected)
        self.record_event(event)
        self._keep(replace(before, status=to.status, reason=to.reason, settled_at=to.settled_at))

    def count_accepted_feedback(self, moment: datetime | None) -> int:
        return sum(
            moment is None or (row.settled_at is not None and row.settled_at > moment)
            for row in self._rows(Feedback).values()
            if row.status == "accepted"
        )

    def assign_feedback(self, ids: Sequence[str], snapshot: str) -> None:
        self._require_write()
        rows = self._rows(Feedback)
        rows_by_id = {id: rows[id] for id in ids if id in rows}
        statuses = {id: row.status for id, row in rows_by_id.items()}
        guard_taken(ids, statuses, snapshot=snapshot)
        for row in rows_by_id.values():
            self._keep(replace(row, snapshot=snapshot))
