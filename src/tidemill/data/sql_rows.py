"""Rows of a query to a SQL database, a page at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    URL,
    ColumnClause,
    Connection,
    Select,
    column,
    create_engine,
    func,
    make_url,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from tidemill.data.rows import Row, require
from tidemill.domain.errors import DataError, Unavailable

PAGE = 1000

Place = tuple[Any, ...]
"""Where a row stands: its values in the columns of the order, as the database gave them.

A place to read after may be shorter: the time alone stands for every row of that time.
"""


class Page(NamedTuple):
    """Some rows in order, and where the last of them stands: the next page comes after it."""

    rows: tuple[dict[str, Any], ...]
    end: Place


class SqlRows:
    """The rows of a query, ordered by the columns of `order`. Fulfils `rows.Rows`.

    `order` begins with the time a row was written and ends with what tells rows of one time apart;
    none of its columns may be empty. The connection string is the value of the environment variable
    `variable`, so that no configuration holds a password. `after` leaves out the rows up to and
    including that place: what was read before.

    A table that grows gives the same rows at every reading: the first one notes where the last row
    stands, and later ones end there.
    """

    def __init__(
        self,
        variable: str,
        query: str,
        order: Sequence[str],
        *,
        after: Place | None = None,
        page: int = PAGE,
        name: str = "query",
    ) -> None:
        self.variable = variable
        self.query = query
        self.order = tuple(order)
        self.after = after
        self.page = page
        self.name = name
        # Where the first reading ended, once there was one.
        self._end: tuple[Place | None] | None = None

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """All columns of every row, counted from 1. Raises what `pages` raises."""
        number = 0
        end = self.after
        if self._end == (end,):
            return
        for page in self.pages(self.after, until=self._end[0] if self._end else None):
            for values in page.rows:
                require(columns, list(values), self.name)
                number += 1
                yield Row(f"row {number} ({values[self.order[0]]})", values)
            end = page.end
        self._end = self._end or (end,)

    def pages(self, after: Place | None, *, until: Place | None = None) -> Iterator[Page]:
        """The rows after one place, up to and including another, in pages of whole places.

        Each page is a short transaction of its own. Raises Unavailable when the variable is not
        set, or the database is not there or refuses; DataError for a query that it cannot run, a
        row without a place, and more rows of one place than a page holds.
        """
        with self._connection() as connection:
            self._check_places(connection)
            while rows := self._page(connection, after, until):
                after = self._place(rows[-1])
                yield Page(tuple(rows), after)

    def _page(
        self, connection: Connection, after: Place | None, until: Place | None
    ) -> list[dict[str, Any]]:
        places: list[ColumnClause[Any]] = [column(name) for name in self.order]
        asked = self._asked().order_by(*places).limit(self.page + 1)
        if after is not None:
            asked = asked.where(tuple_(*places[: len(after)]) > tuple_(*after))
        if until is not None:
            asked = asked.where(tuple_(*places[: len(until)]) <= tuple_(*until))
        with connection.begin():
            rows = [dict(row) for row in connection.execute(asked).mappings()]
        if len(rows) <= self.page:
            return rows
        # The rows of one place stay on one page, or those behind the cut would never be read.
        beyond = self._place(rows[-1])
        whole = [row for row in rows if self._place(row) != beyond]
        if not whole:
            raise DataError(
                f"More than {self.page} rows of {self.name} share {self._said(beyond)}.",
                hint="Order by a column, too, that tells them apart.",
            )
        return whole

    def _check_places(self, connection: Connection) -> None:
        # The database would compare nothing with anything, and leave such rows out in silence.
        empty = or_(*(column(name).is_(None) for name in self.order))
        asked = select(func.count()).select_from(self._asked().where(empty).subquery())
        with connection.begin():
            count = connection.execute(asked).scalar_one()
        if count:
            raise DataError(
                f"{count} {'row' if count == 1 else 'rows'} of {self.name} have nothing in"
                f" {' or '.join(self.order)}.",
                hint="Fill it in, or leave them out in the query.",
            )

    def _asked(self) -> Select[Any]:
        # A colon would begin a parameter; the query has none, and casts and times have colons.
        query = text(re.sub(r"(?<!:):(?!:)", r"\\:", self.query.strip().rstrip(";")) + "\n")
        return select(text("*")).select_from(query.columns().subquery("asked"))

    def _place(self, row: dict[str, Any]) -> Place:
        return tuple(row[name] for name in self.order)

    def _said(self, place: Place) -> str:
        return ", ".join(f"{name} {value}" for name, value in zip(self.order, place, strict=True))

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        engine = create_engine(self._url())
        try:
            try:
                connection = engine.connect()
            except SQLAlchemyError as error:
                raise Unavailable(
                    f"The database of {self.name} does not answer: {_first_line(error)}.",
                    hint=f"Look at the connection string in {self.variable}.",
                ) from error
            with closing(connection):
                yield connection
        except SQLAlchemyError as error:
            raise DataError(
                f"The query of {self.name} cannot be run: {_first_line(error)}.",
                hint=f"The query is: {self.query.strip()}",
            ) from error
        finally:
            engine.dispose()

    def _url(self) -> URL:
        """The connection string. What is wrong with it is said without it: it holds a password."""
        given = os.environ.get(self.variable, "")
        if not given:
            raise Unavailable(
                f"{self.name} needs a connection string, and {self.variable} is not set.",
                hint=f"Set {self.variable}, such as sqlite:///rows.db or postgresql://HOST/NAME.",
            )
        try:
            url = make_url(given)
            url.get_dialect().import_dbapi()
        except (ArgumentError, NoSuchModuleError, ImportError):
            raise Unavailable(
                f"{self.variable} holds no connection string that can be used here.",
                hint="It looks like sqlite:///rows.db or postgresql://HOST/NAME, and the driver"
                " of its database must be installed.",
            ) from None
        # SQLite would make an empty database of any name that is not there; a URI says its mode.
        file = url.database or ""
        plain = url.get_backend_name() == "sqlite" and not file.startswith("file:")
        if plain and not Path(file).is_file():
            raise Unavailable(f"There is no database file {file!r}.")
        return url


def _first_line(error: SQLAlchemyError) -> str:
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return said.partition("\n")[0].rstrip(".")
