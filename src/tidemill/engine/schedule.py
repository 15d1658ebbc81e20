"""What a round of the schedule begins with: the database of feedback is read."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidemill.domain.errors import Conflict, TidemillError
from tidemill.domain.types import ModelVersion
from tidemill.engine.cycle_steps import ACTOR
from tidemill.engine.feedback_import import pull
from tidemill.engine.leadership import Leadership
from tidemill.loop.schedule import Schedule, due_scheduled_run
from tidemill.workspace.root import Workspace
from tidemill.workspace.state import last_pull

AGAIN = timedelta(minutes=1)
"""How long a database that could not be read is left alone."""


class Round:
    """Reads the database once in each round, and again while that fails.

    A fault is kept until a reading goes well, so that it is told for as long as it stands.
    """

    def __init__(self, workspace: Workspace, leadership: Leadership) -> None:
        self._workspace = workspace
        self._leadership = leadership
        self._failed: datetime | None = None
        self.fault = ""

    def step(self, schedule: Schedule, now: datetime) -> int:
        """Read it if a round wants that, and return how many rows said something new.

        Raises Conflict when somebody else reads it as well, LeaseLost.
        """
        rows = self._workspace.rows
        if rows is None or not self._wanted(schedule, now):
            self.fault = ""
            return 0
        if self._failed and timedelta(0) <= now - self._failed < AGAIN:
            return 0
        try:
            with self._leadership.kept():
                pulled = pull(self._workspace, rows, self._leadership.unit, actor=ACTOR)
        except Conflict:
            raise
        except TidemillError as error:
            # Feedback from elsewhere, drift and cycles do not wait for another system's database.
            self._failed, self.fault = now, error.message
            return 0
        self._failed, self.fault = None, ""
        return pulled.new

    def _wanted(self, schedule: Schedule, now: datetime) -> bool:
        rows = self._workspace.rows
        with self._workspace.ledger.begin(write=False) as unit:
            alias = unit.alias("champion")
            if rows is None or alias is None:
                return False
            champion = unit.get(ModelVersion, alias.version)
            since = last_pull(unit, rows, champion)
        return due_scheduled_run(schedule, now, since) is not None
