"""Read the rows of a query to a SQL database in the order of their time, page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    TextClause,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.types import NullType

from tidemill.data.database import Database
from tidemill.data.rows import require
from tidemill.domain.errors import DataError

PAGE = 1000
BOUNDS: dict[str, Callable[..., Any]] = {
    "after": gt,
    "since": ge,
    "until": le,
    "below": lt,
    "at": eq,
}

Place = tuple[Any, ...]
"""The position of a row: its values in the order columns, as the database returned them.

A bound may be shorter: the time alone stands for every row of that time.
"""


class Page(NamedTuple):
    """Some rows in order, and the position of the last row read so far; None before the first."""

    rows: tuple[dict[str, Any], ...]
    end: Place | None


class SqlPages:
    """Reads the rows of a query, ordered by the columns of `order`, which may not be empty.

    A query is a text, or a statement of SQLAlchemy, which quotes names. `order` begins with the
    time of writing. Rows of one position are ordered by their other columns, so that a page may end
    between them. `keep_unreadable` is as in `Database.connected`.
    """

    def __init__(
        self,
        database: Database,
        query: str | Select[Any],
        order: Sequence[str],
        *,
        name: str,
        size: int = PAGE,
        keep_unreadable: bool = False,
    ) -> None:
        self.database = database
        self.query = str(query).strip()
        self.order = tuple(order)
        self.name = name
        self.size = size
        self.keep_unreadable = keep_unreadable
        rows = _parse(self.query).columns() if isinstance(query, str) else query
        self._statement = select(text("*")).select_from(rows.subquery("statement"))

    def read(
        self, *, after: Place | None = None, since: Place | None = None, until: Place | None = None
    ) -> Generator[Page]:
        """Yield the rows after `after`, from `since` and up to `until`, the latter two included.

        Only the last page has fewer than `size` rows; it may have none. Each page is its own
        transaction, so nobody waits for this reader between two pages. When somebody deletes a row
        at the last position between two pages, the rows of that position come again. Raises what
        `Database.connected` raises, and DataError for a row without a position.
        """
        end, skip, equal = after or since, 0, 0
        keep = self.keep_unreadable
        with self.database.connected(self.query, keep_unreadable=keep) as connection:
            ordered = self._ordered(connection).limit(self.size)
            while True:
                bounds = self._within(after=after, since=since)
                with connection.begin():
                    if skip and self._rows_at(connection, end) < equal:
                        # One of them was deleted, maybe one before the rows that follow. None may
                        # be lost, so this position is read again from its start.
                        skip = 0
                    statement = ordered.where(*bounds, *self._within(until=until)).offset(skip)
                    rows = tuple(dict(row) for row in connection.execute(statement).mappings())
                    if rows:
                        end = tuple(rows[-1][name] for name in self.order)
                        # Only the database knows which positions are equal.
                        before = connection.execute(self._count(*bounds, *self._within(below=end)))
                        skip = max(0, skip + len(rows) - before.scalar_one())
                        equal = self._rows_at(connection, end) if len(rows) == self.size else 0
                yield Page(rows, end)
                if len(rows) < self.size:
                    return
                # The next page begins with this position again, after its rows that were read
                # already.
                after, since = None, end

    def _ordered(self, connection: Connection) -> Select[Any]:
        empty = or_(*(column(name).is_(None) for name in self.order))
        with connection.begin():
            columns = list(connection.execute(self._statement.limit(0)).keys())
            require(self.order, columns, self.name)
            # Comparisons with NULL are never true, so the database would skip such rows silently.
            placeless = connection.execute(self._count(empty)).scalar_one()
        if placeless:
            raise DataError(
                f"{placeless} {'row' if placeless == 1 else 'rows'} of {self.name} with nothing in"
                f" {' or '.join(self.order)} would never be read.",
                hint="Fill it in, or delete them.",
            )
        # As text, because some types of columns have no order.
        rest = [cast(column(name), Text) for name in columns if name not in self.order]
        return self._statement.order_by(*map(column, self.order), *rest)

    def _rows_at(self, connection: Connection, place: Place | None) -> int:
        return int(connection.execute(self._count(*self._within(at=place))).scalar_one())

    def _count(self, *where: ColumnElement[bool]) -> Select[int]:
        return select(func.count()).select_from(self._statement.where(*where).subquery())

    def _within(self, **bounds: Place | None) -> list[ColumnElement[bool]]:
        # Without a type the database compares by its own types: a time with a zone keeps it.
        return [
            BOUNDS[bound](
                tuple_(*map(column, self.order[: len(place)])),
                tuple_(*(literal(value, NullType()) for value in place)),
            )
            for bound, place in bounds.items()
            if place is not None
        ]


def _parse(query: str) -> TextClause:
    # A colon would begin a parameter. The query has no parameters, but casts and times have colons.
    return text(re.sub(r"(?<!:):(?!:)", r"\\:", query.rstrip(";")) + "\n")
