"""Feedback from the database of another system, given as that of strangers is.

A row that was read before does nothing, however often it is read: the ledger has the label that the
table gives to the example. So an import may be cut off anywhere, and rows that are still being
written are read again. A row that cannot be taken is left out and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from reprlib import repr as shortened

from uuid_utils import uuid7

from tidemill.adapters.user_rows import TABLE, LackingRow, UserRow, UserRows
from tidemill.bundle import Bundle
from tidemill.data.truth import SPELLINGS
from tidemill.domain.errors import BadPayload, DataError, UsageError
from tidemill.domain.events import FeedbackImported
from tidemill.domain.feedback import Feedback
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.ports import Blobs
from tidemill.engine.drain import Unit
from tidemill.loop.feedback import USER_DATA, beside, give
from tidemill.workspace.workspace import Workspace

ImportPage = Sequence[UserRow | LackingRow]

PAGE = 500
"""Rows that one unit of work takes in."""

WRITERS = 4
"""Payloads that are on their way to the disk at once."""

SETTLING = timedelta(minutes=5)
"""A row bears the time at which its transaction began, and is seen when that ends: so long, rows
may still come to stand before one that was read."""

SHOWN = 3
"""Rows that were left out and have their reason shown."""


@dataclass(frozen=True, slots=True)
class ImportedFeedback:
    """How many rows were read, how many of them said something new, how many cannot be taken.

    `reasons` has a sentence for the first of the latter, each naming its row by the time.
    """

    rows: int
    new: int
    left_out: int = 0
    reasons: tuple[str, ...] = ()


class FeedbackImport:
    """Reads the rows that came to a database of feedback since the last import."""

    def __init__(self, workspace: Workspace, rows: UserRows) -> None:
        self._workspace = workspace
        self._rows = rows

    def run(self, unit: Unit, *, actor: str, size: int = PAGE) -> ImportedFeedback:
        """Give every new row as feedback; `unit` opens the writing units.

        Each page of `size` rows is one unit of work, which also moves the offset. A row whose label
        is none of the champion's, whose payload its codec cannot read, or that has no prompt or no
        time is left out. Raises Unavailable when the database cannot be read; DataError when
        nothing that is new can be taken, in a whole page or of all rows with prompt and time,
        because then the table is the wrong one; NotFound without a champion; UsageError when it
        has several targets; Conflict when somebody else imports.
        """
        workspace, rows = self._workspace, self._rows
        bundle = workspace.bundles.open(workspace.champion().bundle)
        target = target_of(bundle.classes)
        now = workspace.clock.now()
        with workspace.ledger.begin(write=False) as reading:
            offset = reading.import_offset(rows.import_offset)
        total, undated = ImportedFeedback(0, 0), rows.undated()
        with closing(rows.pages(offset.position, size=size)) as pages:
            for page in pages:
                sound, faults = _sorted(bundle, target, page)
                full = len(page) == size
                # What a row lacks says nothing about the champion, unless a page is full of it.
                refused = any(isinstance(row, UserRow) for row in page)
                whole = full or (refused and total.rows == total.left_out)
                if faults and not sound and whole and _unread(page, offset):
                    raise DataError(
                        f"None of {len(page)} rows of {TABLE} can be taken: {faults[0]}",
                        hint=f"The champion's labels are {', '.join(bundle.classes[target])}.",
                    )
                examples = _store_payloads(workspace.blobs, [row for row, _ in sound])
                feedback = [
                    Feedback(str(uuid7()), "", example, target, "", label, "", USER_DATA, row.at)
                    for (row, label), example in zip(sound, examples, strict=True)
                ]
                place = _settled(page, now) or offset.position
                to = ImportOffset(offset.name, place, offset.caught_up_at if full else now)
                left_out = len(faults)
                if undated and not full:  # they stand in no page, and count with the last
                    faults.append(f"Rows of {TABLE} without a time: {undated}.")
                    left_out += undated
                with unit() as writing:
                    new = sum(_record_new(writing, row) for row in feedback)
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


def target_of(labels: Mapping[str, Sequence[str]]) -> str:
    """Return the one target that rows can mean, who name none.

    Raises UsageError when there are more.
    """
    if len(labels) != 1:
        raise UsageError(
            f"The rows name no target, and the champion has {len(labels)}: {', '.join(labels)}.",
            hint="Give such feedback over HTTP, which names its target.",
        )
    return next(iter(labels))


def label_of(value: object, names: Sequence[str]) -> str | None:
    """Return the label that a database means; None when it means none of the names.

    A name is meant by itself; yes and no also by what databases write for them: true and false, 1
    and 0. Nothing is taken to be true for being there.
    """
    if isinstance(value, str) and value in names:
        return value
    word = str(value).strip().lower()
    matches = [name for name in names if word in SPELLINGS.get(name, ())]
    return matches[0] if matches else None


def _settled(page: ImportPage, now: datetime) -> str:
    """Return the place to continue from next time: before rows that others may still join."""
    dated = [(row.at, row.place) for row in page if row.at]
    old = list(takewhile(lambda row: row[0] <= now - SETTLING, dated))
    return old[-1][1] if old else ""


def _sorted(
    bundle: Bundle, target: str, page: ImportPage
) -> tuple[list[tuple[UserRow, str]], list[str]]:
    """Return the rows that can be taken, each with its label, and what is wrong with each other
    one.
    """
    sound: list[tuple[UserRow, str]] = []
    faults: list[str] = []
    for row in page:
        if isinstance(row, LackingRow):
            faults.append(row.fault)
            continue
        named = f"The row of {TABLE} of {row.at}"
        label = label_of(row.label, bundle.classes[target])
        if label is None:
            faults.append(f"{named} has the label {shortened(row.label)}, which is none.")
            continue
        try:
            bundle.codec.decode(row.payload)
        except BadPayload as error:
            faults.append(f"{named} cannot be read: {error.message}")
        else:
            sound.append((row, label))
    return sound, faults


def _unread(page: ImportPage, offset: ImportOffset) -> bool:
    """Return True when it holds a row that no import has read; its last row is read again by the
    next.
    """
    reached = offset.caught_up_at
    return reached is None or any(row.at > reached for row in page if row.at)


def _store_payloads(blobs: Blobs, page: Sequence[UserRow]) -> list[str]:
    """Make the payloads durable and return their ids, in order. Several at a time, because most of
    it is waiting for the disk."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(blobs.put, [row.payload for row in page]))


def _record_new(unit: UnitOfWork, item: Feedback) -> bool:
    """Give feedback, unless its row was read before; True when it is new.

    A repeat is not recorded, and would be new once the label was rejected. So a row also counts as
    read when it is older than the decision on its label.
    """
    key = (item.actor, item.target, item.item, item.label)
    for other in beside(unit, item):
        same = (other.actor, other.target, other.item, other.label) == key
        if same and item.at <= max(other.at, other.settled_at or other.at):
            return False
    _, repeated = give(unit, item)
    return not repeated
