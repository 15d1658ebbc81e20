"""What a person does with cycles: begin one, or end one that waits."""

from __future__ import annotations

from uuid_utils import uuid7

from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import Conflict, UsageError
from tidemill.loop.cycle import BEFORE_PROMOTION
from tidemill.loop.transitions import move_cycle, open_cycle
from tidemill.workspace.root import Workspace


def trigger(workspace: Workspace, *, reason: str) -> Cycle:
    """Begin a cycle for a person's reason. Raises NotFound without a champion, Conflict while
    another cycle is open, UsageError for an empty reason."""
    cause = _said(reason)
    champion = workspace.champion()
    now = workspace.clock.now()
    cycle = Cycle(
        str(uuid7()), champion.recipe, "person", cause, champion.id, at=now, changed_at=now
    )
    with workspace.ledger.begin() as unit:
        open_cycle(unit, cycle, actor=workspace.actor)
    return cycle


def refuse(workspace: Workspace, *, reason: str) -> Cycle:
    """End the open cycle before it promotes anything; the champion stays, and so does feedback.

    Raises Conflict when there is none, or when it has promoted its version; UsageError.
    """
    why = _said(reason)
    with workspace.ledger.begin() as unit:
        cycle = unit.cycle()
        if cycle is None or cycle.state not in BEFORE_PROMOTION:
            raise Conflict(
                "No cycle is open that has not promoted its version yet.",
                hint="`tidemill loop status` shows the cycles, `tidemill models rollback` takes "
                "a promotion back.",
            )
        return move_cycle(
            unit, cycle, "refused", why, actor=workspace.actor, at=workspace.clock.now()
        )


def _said(reason: str) -> str:
    if not reason.strip():
        raise UsageError("A reason is needed, in words.", hint='--reason "what made you do it"')
    return reason.strip()
