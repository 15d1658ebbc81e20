"""The table in which another system keeps what its users said: `user_data(prompt, label, time)`."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from reprlib import repr as shortened
from typing import Any

from sqlalchemy import text

from tidemill.data import database
from tidemill.data.sql_pages import SqlPages

TABLE = "user_data"
QUERY = f"SELECT prompt, label, time FROM {TABLE} WHERE time IS NOT NULL"  # noqa: S608 - ours
UNDATED = f"SELECT count(*) FROM {TABLE} WHERE time IS NULL"  # noqa: S608 - the name above
MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class UserRow:
    """One row. `label` is as the database has it; `place` is where its time begins."""

    payload: bytes
    label: object
    at: datetime
    place: str


@dataclass(frozen=True, slots=True)
class LackingRow:
    """A row without a prompt, or whose time is none: then `at` is None. `fault` says which."""

    at: datetime | None
    place: str
    fault: str


class UserRows:
    """The rows of one database, which is connected to only while it is read.

    `import_offset` names the table and the database, without user and password. Raises UsageError
    for an address that is none.
    """

    def __init__(self, address: str) -> None:
        self._database = database.Database(address, "feedback")
        self.name = TABLE
        self.import_offset = f"{TABLE} of {self._database.public}"

    def pages(self, place: str, *, size: int) -> Generator[Sequence[UserRow | LackingRow]]:
        """Yield the rows from a place on, those of its very time included; from the first when
        empty.

        The last page, and no other, has fewer than `size` rows; it may have none. Rows with nothing
        in time have no place and are not among them. Raises Unavailable when the database cannot be
        read, DataError when the table is another one.
        """
        pages = SqlPages(self._database, QUERY, ("time",), name=TABLE, size=size)
        with closing(pages.read(since=(_value(place),) if place else None)) as read:
            for page in read:
                yield [_row(**row) for row in page.rows]

    def undated(self) -> int:
        """Return how many rows have nothing in time. Raises what `pages` raises."""
        with self._database.connected(UNDATED) as connection:
            return int(connection.execute(text(UNDATED)).scalar_one())


def _row(prompt: Any, label: Any, time: Any) -> UserRow | LackingRow:
    place, at = _place(time), _moment(time)
    if at is None:
        fault = f"A row of {TABLE} has the time {shortened(time)}, which is none."
        return LackingRow(None, place, fault)
    if isinstance(prompt, str):
        prompt = prompt.encode()
    if not isinstance(prompt, bytes):
        return LackingRow(at, place, f"The row of {TABLE} of {time} has no prompt.")
    return UserRow(prompt, label, at, place)


def _moment(time: Any) -> datetime | None:
    """Return the time of a row, aware; one without a zone is UTC, a number counts seconds since
    1970.
    """
    try:
        if isinstance(time, int | float):
            return datetime.fromtimestamp(time, UTC)
        at = time if isinstance(time, datetime) else datetime.fromisoformat(time)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _place(time: Any) -> str:
    if isinstance(time, bytes):
        return ""  # it is no time either
    return json.dumps({MOMENT: time.isoformat()} if isinstance(time, datetime) else time)


def _value(place: str) -> Any:
    value = json.loads(place)
    return datetime.fromisoformat(value[MOMENT]) if isinstance(value, dict) else value
