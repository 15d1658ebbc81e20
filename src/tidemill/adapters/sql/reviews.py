"""Feedback in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, select, update

from tidemill.adapters.sql.records import RecordsPart
from tidemill.adapters.sql.tables import FEEDBACK
from tidemill.domain.events import Event
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.guards import guard_status, guard_taken
from tidemill.domain.ledger import missing

NAMED = 500
"""The number of ids in one statement; databases limit the number of parameters."""

_SETTLE = update(FEEDBACK).where(FEEDBACK.c.id == bindparam("settled"))


@cache
def _feedback_by(columns: tuple[str, ...], *, limited: bool) -> Select[Any]:
    """Return the query for the oldest rows that have given values in these columns."""
    query = select(FEEDBACK).order_by(FEEDBACK.c.n)
    if limited:
        query = query.limit(bindparam("limit", type_=Integer))
    return query.where(*(FEEDBACK.c[name] == bindparam(name) for name in columns))


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
        wanted = {
            "status": status,
            "example": example,
            "item": item,
            "actor": actor,
            "client": client,
        }
        values = {name: value for name, value in wanted.items() if value is not None}
        query = _feedback_by(tuple(values), limited=limit is not None)
        if after is not None:
            if (place := self._place(FEEDBACK, after)) is None:
                raise missing(Feedback, after)
            query = query.where(FEEDBACK.c.n > place)
        return self._records(Feedback, query, {**values, "limit": limit})

    def settle_feedback(self, to: Feedback, *, expected: FeedbackStatus, event: Event) -> None:
        guard_status(self.get(Feedback, to.id), expected)
        self.record_event(event)
        self._connection.execute(
            _SETTLE,
            {
                "settled": to.id,
                "status": to.status,
                "reason": to.reason,
                "settled_at": to.settled_at,
            },
        )

    def count_accepted_feedback(self, moment: datetime | None) -> int:
        query = select(func.count()).where(FEEDBACK.c.status == "accepted")
        if moment is not None:
            query = query.where(FEEDBACK.c.settled_at > moment)
        return self._connection.scalar(query) or 0

    def assign_feedback(self, ids: Sequence[str], snapshot: str) -> None:
        self._require_write()
        if not ids:
            return
        guard_taken(ids, self._statuses(ids), snapshot=snapshot)
        self._connection.execute(
            update(FEEDBACK).where(FEEDBACK.c.id == bindparam("taken")).values(snapshot=snapshot),
            [{"taken": id} for id in ids],
        )

    def _statuses(self, ids: Sequence[str]) -> dict[str, FeedbackStatus]:
        """Return the statuses of the existing ones, by id."""
        statuses: dict[str, FeedbackStatus] = {}
        for start in range(0, len(ids), NAMED):
            some = FEEDBACK.c.id.in_(ids[start : start + NAMED])
            query = select(FEEDBACK.c.id, FEEDBACK.c.status).where(some)
            statuses.update((row.id, row.status) for row in self._connection.execute(query))
        return statuses
