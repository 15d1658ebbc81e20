"""Review feedback by hand. All decisions of one call are one unit of work."""

from __future__ import annotations

from typing import get_args

from tidemill.domain.errors import UsageError
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.loop import feedback
from tidemill.workspace.parts import WorkspaceParts


class FeedbackPart(WorkspaceParts):
    """The methods of a workspace that give and review feedback."""

    def list_feedback(
        self, *, status: FeedbackStatus | None = None, limit: int = 100
    ) -> list[Feedback]:
        """Return the newest feedback first; for one status the oldest, in the order of review."""
        if status is not None and status not in get_args(FeedbackStatus):
            raise UsageError(
                f"{status!r} is no status of feedback.",
                hint=f"Known are {', '.join(get_args(FeedbackStatus))}.",
            )
        with self.ledger.begin(write=False) as unit:
            return feedback.listed(unit, status, limit=limit)

    def accept_feedback(self, *ids: str, reason: str = "accepted by hand") -> list[Feedback]:
        """Accept all of these, or none. Raises NotFound and Conflict."""
        at = self.clock.now()
        with self.ledger.begin() as unit:
            return [feedback.accept(unit, id, actor=self.actor, reason=reason, at=at) for id in ids]

    def accept_pending(self, *, reason: str = "accepted by hand") -> list[Feedback]:
        """Accept all pending feedback. Of two labels for one item the later wins."""
        at = self.clock.now()
        with self.ledger.begin() as unit:
            pending = unit.feedback(status="pending", limit=None)
            for row in pending:
                others = feedback.beside(unit, row)
                status, why = feedback.decide_status(row, others, "accept")
                because = reason if status == "accepted" else why
                feedback.settle(unit, row, status, reason=because, actor=self.actor, at=at)
            return [unit.get(Feedback, row.id) for row in pending]

    def reject_feedback(self, *ids: str, reason: str) -> list[Feedback]:
        """Reject all of these, or none. Raises NotFound and Conflict."""
        at = self.clock.now()
        with self.ledger.begin() as unit:
            return [feedback.reject(unit, id, actor=self.actor, reason=reason, at=at) for id in ids]
