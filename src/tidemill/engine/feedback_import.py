"""Import labels from the table of another system as feedback.

Importing a row again changes nothing, because the ledger has its label. So an import may stop
anywhere, and recent rows are read again. A row that cannot be imported is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from tidemill.adapters.feedback_table import FaultyRow, FeedbackTable, LabelRow
from tidemill.domain.errors import DataError
from tidemill.domain.events import FeedbackImported
from tidemill.domain.feedback import Feedback
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.ledger import UnitOfWork
from tidemill.engine.drain import Unit
from tidemill.engine.label_reader import LabelReader
from tidemill.loop.feedback import STRANGERS, beside, give
from tidemill.workspace.workspace import Workspace

ImportPage = Sequence[LabelRow | FaultyRow]

PAGE = 500
"""The number of rows in one unit of work."""

SETTLING = timedelta(minutes=5)
"""How long rows may still appear before one that was read.

A row has the time at which its transaction began, and is visible when the transaction ends.
"""

SHOWN = 3
"""The number of omitted rows whose reasons are shown."""


@dataclass(frozen=True, slots=True)
class ImportedFeedback:
    """The number of rows that were read, of new labels, and of omitted rows.

    `reasons` has a sentence for each of the first omitted rows, which names the row by its time.
    """

    rows: int
    new: int
    left_out: int = 0
    reasons: tuple[str, ...] = ()


class FeedbackImport:
    """Imports the rows of a table that are new since the last import."""

    def __init__(self, workspace: Workspace, table: FeedbackTable) -> None:
        self._workspace = workspace
        self._table = table

    def run(self, unit: Unit, *, actor: str, size: int = PAGE) -> ImportedFeedback:
        """Record every new label as feedback; `unit` opens the writing units.

        Each page of `size` rows is one unit of work, which also moves the offset. A row is omitted
        for an unknown label, an unreadable payload or an unknown prediction. It is also omitted
        without a time, or without both payload and prediction. Raises Unavailable when the database
        cannot be read. Raises DataError for a missing table or column, and when no new row of a
        whole page, or of all complete rows, can be imported: then the table is the wrong one.
        Raises NotFound without a champion, UsageError when the configured names do not fit the
        champion's targets, and Conflict when somebody else imports.
        """
        workspace, table = self._workspace, self._table
        reader = LabelReader(workspace, table)
        now = workspace.clock.now()
        with workspace.ledger.begin(write=False) as reading:
            offset = reading.import_offset(table.import_offset)
        total, undated = ImportedFeedback(0, 0), table.count_undated(offset.position)
        with closing(table.pages(offset.position, size=size)) as pages:
            for page in pages:
                read = reader.read(page)
                faults = list(read.faults)
                full = len(page) == size
                # Incomplete rows do not contradict the champion, unless they fill a page.
                refused = any(isinstance(row, LabelRow) for row in page)
                whole = full or (refused and total.rows == total.left_out)
                if faults and not read.feedback and whole and _has_unread(page, offset):
                    raise DataError(
                        f"None of {len(page)} rows of {table.name} can be imported: {faults[0]}",
                        hint=f"The champion's labels are {reader.known_labels()}.",
                    )
                place = _settled(page, now) or offset.position
                to = ImportOffset(offset.name, place, offset.caught_up_at if full else now)
                left_out = len(faults)
                if undated and not full:  # they stand in no page, and count with the last
                    faults.append(f"Rows of {table.name} without a time: {undated}.")
                    left_out += undated
                with unit() as writing:
                    new = sum(_record_new(writing, row) for row in read.feedback)
                    event = FeedbackImported(
                        actor=actor,
                        subject=offset.name,
                        reason=" ".join(faults[:SHOWN]),
                        rows=len(page),
                        new=new,
                        left_out=left_out,
                    )
                    writing.move_import_offset(to, expected=offset, event=event)
                total = ImportedFeedback(
                    total.rows + len(page),
                    total.new + new,
                    total.left_out + left_out,
                    (*total.reasons, *faults)[:SHOWN],
                )
                offset = to
        return total


def _settled(page: ImportPage, now: datetime) -> str:
    """Return the place where the next import continues: before rows that others may still join."""
    dated = [(row.at, row.place) for row in page if row.at]
    old = list(takewhile(lambda row: row[0] <= now - SETTLING, dated))
    return old[-1][1] if old else ""


def _has_unread(page: ImportPage, offset: ImportOffset) -> bool:
    """Return True for a page with a new row; each import reads the last old row again."""
    reached = offset.caught_up_at
    return reached is None or any(row.at > reached for row in page if row.at)


def _record_new(unit: UnitOfWork, item: Feedback) -> bool:
    """Record feedback, unless its row was read before; True when it is new.

    A rejected label could be recorded again. So a row also counts as read when it is older than the
    decision on its label. Rows may appear out of order, so a row of a named actor also counts as
    read when a later label of that actor is recorded.
    """
    for other in beside(unit, item):
        if (other.actor, other.subject) != (item.actor, item.subject):
            continue
        if item.at < other.at and item.actor not in STRANGERS:
            return False
        if item.label == other.label and item.at <= max(other.at, other.settled_at or other.at):
            return False
    _, repeated = give(unit, item)
    return not repeated
