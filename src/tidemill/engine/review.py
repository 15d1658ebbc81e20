"""The review of pending feedback by the policy of the loop."""

from __future__ import annotations

from datetime import datetime

from tidemill.engine.drain import Unit
from tidemill.engine.leadership import ACTOR
from tidemill.loop import feedback
from tidemill.loop.feedback import FeedbackPolicy
from tidemill.workspace.workspace import Workspace

REVIEWS = 500
"""Feedback that is decided on within one unit of work."""


class Review:
    """Decides on pending feedback. `unit` opens fenced units."""

    def __init__(self, workspace: Workspace, unit: Unit) -> None:
        self._workspace = workspace
        self._unit = unit

    def step(self, policy: FeedbackPolicy, now: datetime) -> int:
        """Decide on all that is pending and return on how many. Raises Conflict, LeaseLost."""
        with self._workspace.ledger.begin(write=False) as unit:
            if not unit.feedback(status="pending", limit=1):
                return 0
        reviewed = 0
        while True:
            with self._unit() as unit:
                count = feedback.review(unit, policy, actor=ACTOR, at=now, limit=REVIEWS)
            reviewed += count
            if count < REVIEWS:
                return reviewed
