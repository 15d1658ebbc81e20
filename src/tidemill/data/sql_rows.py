"""Rows of a query to a SQL database, as a source reads them."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence

from tidemill.data.database import FORM, Database
from tidemill.data.rows import Row, require
from tidemill.data.sql_pages import PAGE, Page, Place, SqlPages
from tidemill.domain.errors import Unavailable


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
        """Yield all columns of every row, counted from 1. Raises what `pages` raises."""
        if self._end == (self.after,):
            return
        number, end = 0, self.after
        for page in self.pages(until=self._end[0] if self._end else None):
            for values in page.rows:
                require(columns, list(values), self.name)
                number += 1
                yield Row(f"row {number} ({values[self.order[0]]})", values)
            end = page.end
        self._end = self._end or (end,)

    def pages(self, *, until: Place | None = None) -> Generator[Page]:
        """Return the rows up to and including a place.

        Raises Unavailable when the variable is not set, UsageError when it holds no address, and
        what `SqlPages.read` raises.
        """
        address = os.environ.get(self.variable, "")
        if not address:
            raise Unavailable(
                f"{self.name} needs a connection string, and {self.variable} is not set.",
                hint=f"Set {self.variable}. {FORM}",
            )
        database = Database(address, f"{self.name} ({self.variable})")
        pages = SqlPages(database, self.query, self.order, name=self.name, size=self.page)
        return pages.read(after=self.after, until=until)
