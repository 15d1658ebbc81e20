"""What a person decides on feedback; all of one command is one unit of work."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.loop import feedback
from tidemill.workspace.root import Workspace


def latest(
    workspace: Workspace, *, status: FeedbackStatus | None = None, limit: int = 100
) -> list[Feedback]:
    """The newest feedback first; of one status, the oldest first, as it is decided on."""
    with workspace.ledger.begin(write=False) as unit:
        return feedback.listed(unit, status, limit=limit)


def accept(workspace: Workspace, ids: Sequence[str], *, reason: str) -> list[Feedback]:
    """Believe these, or none of them. Raises NotFound and Conflict."""
    at = workspace.clock.now()
    with workspace.ledger.begin() as unit:
        return [
            feedback.accept(unit, id, actor=workspace.actor, reason=reason, at=at) for id in ids
        ]


def accept_pending(workspace: Workspace, *, reason: str) -> list[Feedback]:
    """Believe everything that nobody has decided on. Of two labels for one item the later wins."""
    at = workspace.clock.now()
    with workspace.ledger.begin() as unit:
        pending = unit.feedback(status="pending", limit=None)
        for item in pending:
            others = feedback.beside(unit, item)
            status, why = feedback.decide(item, others, "accept")
            said = reason if status == "accepted" else why
            feedback.settle(unit, item, status, reason=said, actor=workspace.actor, at=at)
        return [unit.get(Feedback, item.id) for item in pending]


def reject(workspace: Workspace, ids: Sequence[str], *, reason: str) -> list[Feedback]:
    """Believe none of these. Raises NotFound and Conflict, and then nothing is changed."""
    at = workspace.clock.now()
    with workspace.ledger.begin() as unit:
        return [
            feedback.reject(unit, id, actor=workspace.actor, reason=reason, at=at) for id in ids
        ]
