"""Begin a cycle by hand, or end one that waits."""

from __future__ import annotations

from uuid_utils import uuid7

from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import Conflict, UsageError
from tidemill.loop.cycle import BEFORE_PROMOTION
from tidemill.loop.transitions import move_cycle, open_cycle
from tidemill.workspace.parts import WorkspaceParts


class CyclePart(WorkspaceParts):
    """The methods of a workspace that begin and end cycles."""

    def trigger_cycle(self, *, reason: str) -> Cycle:
        """Begin a cycle for a person's reason.

        Raises NotFound without a champion, Conflict while another cycle is open, and UsageError for
        an empty reason.
        """
        cause = _require_reason(reason)
        champion = self.champion()
        now = self.clock.now()
        cycle = Cycle(
            str(uuid7()), champion.recipe, "person", cause, champion.id, at=now, changed_at=now
        )
        with self.ledger.begin() as unit:
            open_cycle(unit, cycle, actor=self.actor)
        return cycle

    def refuse_cycle(self, *, reason: str) -> Cycle:
        """End the open cycle before it promotes a version; the champion and the feedback stay.

        Raises Conflict without an open cycle, and after its promotion. Raises UsageError for an
        empty reason.
        """
        why = _require_reason(reason)
        with self.ledger.begin() as unit:
            cycle = unit.cycle()
            if cycle is None or cycle.state not in BEFORE_PROMOTION:
                raise Conflict(
                    "No cycle is open that has not promoted its version yet.",
                    hint="`tidemill loop status` shows the cycles, `tidemill models rollback` "
                    "takes a promotion back.",
                )
            return move_cycle(unit, cycle, "refused", why, actor=self.actor, at=self.clock.now())

    def list_cycles(self, *, limit: int = 100) -> list[Cycle]:
        """Return the cycles, newest first."""
        with self.ledger.begin(write=False) as unit:
            return unit.latest(Cycle, limit=limit)


def _require_reason(reason: str) -> str:
    if not reason.strip():
        raise UsageError("A reason is needed, in words.", hint='--reason "what made you do it"')
    return reason.strip()
