"""Import feedback at the beginning of a scheduled run."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidemill.adapters.feedback_table import FeedbackTable
from tidemill.domain.errors import Conflict, TidemillError
from tidemill.engine.feedback_import import FeedbackImport
from tidemill.engine.leadership import ACTOR, Leadership
from tidemill.loop.champion_history import find_champion
from tidemill.loop.schedule import Schedule, due_scheduled_run
from tidemill.workspace.state import last_import
from tidemill.workspace.workspace import Workspace

AGAIN = timedelta(minutes=1)
"""How long a database that could not be read is left alone."""


class ScheduledImport:
    """Reads the feedback database once in each scheduled run, and again after a failure.

    `fault` says why the last reading failed, until one succeeds.
    """

    def __init__(self, workspace: Workspace, leadership: Leadership) -> None:
        self._workspace = workspace
        self._leadership = leadership
        self._failed: datetime | None = None
        self.fault = ""

    def step(self, table: FeedbackTable | None, schedule: Schedule, now: datetime) -> int:
        """Read the table if a scheduled run is due, and return the number of new labels.

        Raises Conflict when somebody else reads it as well, and LeaseLost.
        """
        if table is None or not self._due(table, schedule, now):
            self.fault = ""
            return 0
        if self._failed and timedelta(0) <= now - self._failed < AGAIN:
            return 0
        try:
            with self._leadership.renewal():
                imported = FeedbackImport(self._workspace, table).run(
                    self._leadership.unit, actor=ACTOR
                )
        except Conflict:
            raise
        except TidemillError as error:
            # Other feedback, drift checks and cycles do not wait for another system's database.
            self._failed, self.fault = now, error.message
            return 0
        self._failed, self.fault = None, ""
        return imported.new

    def _due(self, table: FeedbackTable, schedule: Schedule, now: datetime) -> bool:
        with self._workspace.ledger.begin(write=False) as unit:
            champion = find_champion(unit)
            if champion is None:
                return False
            since = last_import(unit, table.import_offset, champion)
        return due_scheduled_run(schedule, now, since) is not None
