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
from typing import Literal

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

AHEAD = timedelta(days=1)
"""How far the clock of another system may be ahead. A time without a zone may be a local one."""

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
        without a time, with one in the future, without both payload and prediction, and when its
        actor has a later label already. Raises Unavailable when the database
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
            for rows in pages:
                page = [_leave_out_future(row, now, table.name) for row in rows]
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
                    recorded = [(row, _record(writing, row)) for row in read.feedback]
                    new = sum(outcome == "new" for _, outcome in recorded)
                    late = [row for row, outcome in recorded if outcome == "late"]
                    faults += [
                        f"The row of {table.name} of {row.at} is older than another label of"
                        f" {row.actor!r}."
                        for row in late
                    ]
                    left_out += len(late)
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


def _leave_out_future(row: LabelRow | FaultyRow, now: datetime, name: str) -> LabelRow | FaultyRow:
    """Return a faulty row for one of the far future: it would silence its actor until then."""
    if row.at is None or row.at <= now + AHEAD:
        return row
    fault = f"The row of {name} of {row.at} lies more than a day ahead."
    return FaultyRow(None, row.place, fault)


def _record(unit: UnitOfWork, item: Feedback) -> Literal["new", "repeat", "late"]:
    """Record feedback, unless its row was read before or comes too late.

    A rejected label could be recorded again. So a row also counts as read when it is older than the
    decision on its label. Rows may appear out of order, so a row of a named actor is late when a
    later label of that actor is recorded.
    """
    own = [
        other
        for other in beside(unit, item)
        if (other.actor, other.subject) == (item.actor, item.subject)
    ]
    last = max(own, key=lambda other: other.at, default=item)
    if item.at < last.at and item.actor not in STRANGERS:
        equal = [other for other in own if other.label == item.label]
        known = last in equal or any(other.at <= item.at for other in equal)
        return "repeat" if known else "late"
    for other in own:
        if item.label == other.label and item.at <= max(other.at, other.settled_at or other.at):
            return "repeat"
    _, repeated = give(unit, item)
    return "repeat" if repeated else "new"
