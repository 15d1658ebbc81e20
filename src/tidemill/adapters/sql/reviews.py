"""Feedback in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, case, func, select, update

from tidemill.adapters.sql.records import RecordsPart
from tidemill.adapters.sql.tables import FEEDBACK
from tidemill.domain.errors import NotFound
from tidemill.domain.events import Event
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.guards import guard_status


class ReviewsPart(RecordsPart):
    """The part that `Reviews` asks for."""

    def feedback(
        self,
        *,
        status: FeedbackStatus | None = None,
        example: str | None = None,
        limit: int | None = 100,
    ) -> list[Feedback]:
        query = select(FEEDBACK).order_by(FEEDBACK.c.n).limit(limit)
        if status is not None:
            query = query.where(FEEDBACK.c.status == status)
        if example is not None:
            query = query.where(FEEDBACK.c.example == example)
        return self._records(Feedback, query)

    def settle_feedback(self, to: Feedback, *, expected: FeedbackStatus, event: Event) -> None:
        guard_status(self.get(Feedback, to.id), expected)
        self.tell(event)
        self._connection.execute(
            update(FEEDBACK)
            .where(FEEDBACK.c.id == to.id)
            .values(status=to.status, reason=to.reason, settled=to.settled)
        )

    def accepted_since(self, moment: datetime | None) -> int:
        query = select(func.count()).where(FEEDBACK.c.status == "accepted")
        if moment is not None:
            query = query.where(FEEDBACK.c.settled > moment)
        return self._connection.scalar(query) or 0

    def take_feedback(self, ids: Sequence[str], snapshot: str) -> None:
        self._require_write()
        if not ids:
            return
        # One row at a time, because a database bounds how many values one statement may name.
        kept = case((FEEDBACK.c.snapshot == "", snapshot), else_=FEEDBACK.c.snapshot)
        taken = self._connection.execute(
            update(FEEDBACK).where(FEEDBACK.c.id == bindparam("taken")).values(snapshot=kept),
            [{"taken": id} for id in ids],
        )
        if taken.rowcount != len(ids):
            raise NotFound(
                f"{len(ids) - taken.rowcount} of the feedback for snapshot {snapshot} is unknown.",
                hint="A snapshot takes only feedback that the ledger holds.",
            )
