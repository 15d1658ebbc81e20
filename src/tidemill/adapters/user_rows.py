"""The table in which another system keeps what its users said: `user_data(prompt, label, time)`.

It is read and never written, in pages, from a place on: rows in the order of their time, and of
prompt and label within one time, each page from after the last row of the one before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    TableClause,
    column,
    create_engine,
    func,
    make_url,
    select,
    table,
    tuple_,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tidemill.domain.errors import DataError, Unavailable, UsageError

TABLE = "user_data"
CONNECT_S = 10
ROWS: TableClause = table(TABLE, column("prompt"), column("label"), column("time"))
ORDER = (ROWS.c.time, ROWS.c.prompt, ROWS.c.label)
MOMENT = "moment"
FORM = "Write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE."


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
        try:
            self._url = _known(make_url(address))
        except ArgumentError as error:
            raise UsageError(
                "The database of feedback has no address that can be read.", hint=FORM
            ) from error
        url = self._url
        plain = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
        self.name = TABLE
        self.bookmark = f"{TABLE} of {plain}"

    def pages(self, place: str, *, size: int) -> Generator[Sequence[UserRow]]:
        """The rows from a place on, those of its very time included; from the first when empty.

        The last page, and no other, has fewer than `size` rows; it may have none. Raises
        Unavailable when the database cannot be read, DataError for a row without prompt or time or
        with a time that is none.
        """
        with self._connected() as connection:
            _refuse_timeless(connection)
            query = select(*ORDER).order_by(*ORDER).limit(size)
            after = [ROWS.c.time >= _value(place)] if place else []
            while True:
                found = connection.execute(query.where(*after)).all()
                yield [_row(*row) for row in found]
                if len(found) < size:
                    return
                after = [tuple_(*ORDER) > tuple_(*found[-1])]

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            engine = _engine(self._url)
            # Each statement by itself: between two pages nobody waits for this reader.
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                yield connection
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"Reading a database of feedback needs {error.name}, which is not installed.",
                hint="pip install 'psycopg[binary]'",
            ) from error
        except SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise Unavailable(
                f"The database of feedback cannot be read: {said.rstrip('.')}.",
                hint=f"It needs a table or a view {TABLE} with prompt, label and time.",
            ) from error


def _known(url: URL) -> URL:
    """The address with the driver that reads it."""
    match url.get_backend_name():
        case "sqlite" if url.database:
            return url
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case _:
            raise ArgumentError(url.drivername)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_S})
    # Opened for reading only: a mistyped file would else be made, and be empty.
    file = f"{Path(url.database or '').absolute().as_uri()}?mode=ro"
    return create_engine(
        "sqlite://",
        poolclass=NullPool,
        creator=lambda: sqlite3.connect(file, uri=True, timeout=CONNECT_S),
    )


def _refuse_timeless(connection: Connection) -> None:
    query = select(func.count()).select_from(ROWS).where(ROWS.c.time.is_(None))
    if n := connection.scalar(query):
        raise DataError(
            f"{n} rows of {TABLE} have no time, so that nobody knows when to read them.",
            hint="Give them one.",
        )


def _row(time: Any, prompt: Any, label: Any) -> UserRow:
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
