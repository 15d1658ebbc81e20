"""Read the rows of a query to a SQL database as a source."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence

from tidemill.data.database import FORM, Database
from tidemill.data.rows import Row, require
from tidemill.data.sql_pages import PAGE, Page, Place, SqlPages
from tidemill.domain.errors import Unavailable


class SqlRows:
    """Yield the rows of a query, ordered by the columns of `order`. Fulfils `rows.Rows`.

    `order` begins with the time of writing and ends with a column that distinguishes rows of one
    time; none of its columns may be empty. The environment variable `variable` holds the connection
    string, so that no configuration contains a password. Rows up to and including the position
    `after` are skipped, because they were read before.

    A growing table gives the same rows at every reading: the first reading records the position of
    the last row, and later readings end there.
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
        # The position where the first reading ended.
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
