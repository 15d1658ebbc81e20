"""Feedback from the database of another system, given as everybody's is.

A row that was read before does nothing, however often it is read: what the table said of an example
at that moment or later is in the ledger. So a pull may be cut off anywhere, and rows that are still
being written are read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from uuid_utils import uuid7

from tidemill.adapters.user_rows import TABLE, UserRow, UserRows
from tidemill.bundle import Bundle
from tidemill.domain.bookmark import Bookmark
from tidemill.domain.errors import BadPayload, DataError, UsageError
from tidemill.domain.events import RowsPulled
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.ports import Blobs
from tidemill.loop.feedback import give
from tidemill.workshop.draining import Unit
from tidemill.workshop.root import Workshop

PAGE = 500
"""Rows that one unit of work takes in."""

WRITERS = 4
"""Payloads that are on their way to the disk at once."""

SETTLING = timedelta(minutes=5)
"""A row bears the time at which its transaction began, and is seen when that ends: so long, rows
may still come to stand before one that was read."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "yes": dict.fromkeys(("yes", "true", "1"), "yes"),
    "no": dict.fromkeys(("no", "false", "0"), "no"),
}
"""How databases write the two labels of a question; what is not listed is no label."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """How many rows were read, and how many of them said something new."""

    rows: int
    new: int


def pull(workshop: Workshop, rows: UserRows, unit: Unit, *, actor: str, size: int = PAGE) -> Pulled:
    """Give every row that came since the last pull as feedback; `unit` opens the writing units.

    Each page of `size` rows is one unit of work, which also moves the bookmark. Raises Unavailable
    when the database cannot be read; DataError naming a row that cannot be taken, and then nothing
    of its page is; NotFound without a champion, whose codec and labels the rows have to fit;
    UsageError when it has several targets; Conflict when somebody else pulls.
    """
    bundle = workshop.bundles.open(workshop.champion().bundle)
    target = target_of(bundle.labels)
    now = workshop.clock.now()
    with workshop.ledger.begin(write=False) as reading:
        mark = reading.bookmark(rows.bookmark)
    read = new = 0
    with closing(rows.pages(mark.place, size=size)) as pages:
        for page in pages:
            labels = [_label(bundle, target, row) for row in page]
            examples = _kept(workshop.blobs, page)
            items = [
                Feedback(str(uuid7()), "", example, target, "", label, "", rows.name, row.at)
                for row, label, example in zip(page, labels, examples, strict=True)
            ]
            place = _settled(page, now) or mark.place
            to = Bookmark(mark.name, place, now if len(page) < size else mark.reached)
            with unit() as writing:
                given = sum(_given(writing, item) for item in items)
                event = RowsPulled(actor=actor, subject=mark.name, rows=len(page), new=given)
                writing.move_bookmark(to, expected=mark, event=event)
            mark, read, new = to, read + len(page), new + given
    return Pulled(read, new)


def target_of(labels: Mapping[str, Sequence[str]]) -> str:
    """The one target that rows can mean, who name none. Raises UsageError when there are more."""
    if len(labels) != 1:
        raise UsageError(
            f"The rows name no target, and the champion has {len(labels)}: {', '.join(labels)}.",
            hint="Give such feedback over HTTP, which names its target.",
        )
    return next(iter(labels))


def label_of(said: object, names: Sequence[str]) -> str | None:
    """The label that a database means; None when it means none of the names.

    A name is meant by itself; yes and no also by what databases write for them: true and false, 1
    and 0. Nothing is taken to be true for being there.
    """
    if isinstance(said, str) and said in names:
        return said
    word = str(said).strip().lower()
    meant = [name for name in names if word in WORDS.get(name, ())]
    return meant[0] if meant else None


def _settled(page: Sequence[UserRow], now: datetime) -> str:
    """Where to go on from the next time: before all that may still be joined by other rows."""
    old = list(takewhile(lambda row: row.at <= now - SETTLING, page))
    return old[-1].place if old else ""


def _label(bundle: Bundle, target: str, row: UserRow) -> str:
    """The row's label, its payload having been read. Raises DataError naming the row."""
    label = label_of(row.label, bundle.labels[target])
    if label is None:
        raise DataError(
            f"The row of {TABLE} of {row.at} has the label {row.label!r}, which is none.",
            hint=f"Known are {', '.join(bundle.labels[target])}. Mend or delete the row.",
        )
    try:
        bundle.codec.read(row.payload)
    except BadPayload as error:
        raise DataError(
            f"The row of {TABLE} of {row.at} cannot be read: {error.message}",
            hint="Mend or delete the row.",
        ) from error
    return label


def _kept(blobs: Blobs, page: Sequence[UserRow]) -> list[str]:
    """The payloads, durable, by their ids. Most of it is waiting for the disk, which likes to be
    asked for several at once."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(blobs.put, [row.payload for row in page]))


def _given(unit: UnitOfWork, item: Feedback) -> bool:
    """Give it, unless it was read before; True when it said something new."""
    said = [
        (other.at, other.label)
        for other in unit.feedback(example=item.example, limit=None)
        if (other.actor, other.target, other.item) == (item.actor, item.target, item.item)
    ]
    if max(said, default=(item.at, "")) >= (item.at, item.label):
        return False
    _, repeated = give(unit, item)
    return not repeated
