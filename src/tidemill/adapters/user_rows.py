"""The table in which another system keeps what its users said: `user_data(prompt, label, time)`."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidemill.data import database
from tidemill.data.sql_pages import SqlPages
from tidemill.domain.errors import DataError

TABLE = "user_data"
QUERY = f"SELECT prompt, label, time FROM {TABLE}"  # noqa: S608 - the name above
MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class UserRow:
    """One row. `label` is as the database has it; `place` is where its time begins."""

    payload: bytes
    label: object
    at: datetime
    place: str


class UserRows:
    """The rows of one database, which is connected to only while it is read.

    `bookmark` names the table and the database, without user and password. Raises UsageError for an
    address that is none.
    """

    def __init__(self, address: str) -> None:
        self._database = database.Database(address, "feedback")
        self.name = TABLE
        self.bookmark = f"{TABLE} of {self._database.public}"

    def pages(self, place: str, *, size: int) -> Generator[Sequence[UserRow]]:
        """The rows from a place on, those of its very time included; from the first when empty.

        The last page, and no other, has fewer than `size` rows; it may have none. Raises
        Unavailable when the database cannot be read, DataError for a row without prompt or time or
        with a time that is none.
        """
        pages = SqlPages(self._database, QUERY, ("time",), name=TABLE, size=size)
        with closing(pages.read(since=(_value(place),) if place else None)) as read:
            for page in read:
                yield [_row(**row) for row in page.rows]


def _row(prompt: Any, label: Any, time: Any) -> UserRow:
    at = _moment(time)
    if isinstance(prompt, str):
        prompt = prompt.encode()
    if not isinstance(prompt, bytes):
        raise DataError(f"The row of {TABLE} of {time} has no prompt.", hint="Mend or delete it.")
    return UserRow(prompt, label, at, _place(time))


def _moment(time: Any) -> datetime:
    """The time of a row, aware; one without a zone is UTC, a number counts seconds since 1970."""
    try:
        if isinstance(time, int | float):
            return datetime.fromtimestamp(time, UTC)
        at = time if isinstance(time, datetime) else datetime.fromisoformat(time)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise DataError(
            f"A row of {TABLE} has the time {time!r}, which is none.",
            hint="Write times as 2026-01-01 12:00:00, in UTC.",
        ) from error


def _place(time: Any) -> str:
    return json.dumps({MOMENT: time.isoformat()} if isinstance(time, datetime) else time)


def _value(place: str) -> Any:
    value = json.loads(place)
    return datetime.fromisoformat(value[MOMENT]) if isinstance(value, dict) else value
