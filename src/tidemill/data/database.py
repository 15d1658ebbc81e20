"""Read another system's database, SQLite or PostgreSQL, without writing to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from tidemill.data.unreadable_cells import keep_unreadable_cells
from tidemill.domain.errors import DataError, Unavailable, UsageError

CONNECT_S = 10
FORM = "Write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE."


class Database:
    """The database at an address. Messages call it by `name`.

    `public` is the address without user and password; messages show nothing else of it. Raises
    UsageError for an invalid address.
    """

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        try:
            self._url = url = _known(make_url(address))
        except (ArgumentError, ValueError):
            raise UsageError(
                f"The database of {name} has no address that can be read.", hint=FORM
            ) from None
        plain = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
        self.public = str(plain)

    @contextmanager
    def connected(self, query: str, *, keep_unreadable: bool = False) -> Iterator[Connection]:
        """Yield a connection whose transactions only read. Errors quote `query`.

        `keep_unreadable` is as in `keep_unreadable_cells`; without it such a cell is a DataError.

        Raises Unavailable when the database cannot be reached, is locked, or needs a driver that is
        not installed, also in the middle of reading. Raises DataError for a query that it cannot
        run.
        """
        try:
            with closing(_engine(self._url).connect()) as connection:
                if keep_unreadable:
                    keep_unreadable_cells(connection)
                yield connection.execution_options(postgresql_readonly=True)
        except ImportError as error:
            raise Unavailable(
                f"Reading the database of {self.name} needs psycopg, which cannot be loaded.",
                hint="pip install 'tidemill[postgres]'",
            ) from error
        except SQLAlchemyError as error:
            if _away(error):
                raise Unavailable(
                    f"The database of {self.name} cannot be read: {_reason(error)}.",
                    hint=f"Its address is {self.public}.",
                ) from error
            raise DataError(
                f"The query of {self.name} cannot be run: {_reason(error)}.",
                hint=f"The query is: {query}",
            ) from error


def _known(url: URL) -> URL:
    """Return the address with the driver that reads it."""
    match url.get_backend_name():
        case "sqlite" if url.database:
            return url.set(database=_resolved(url.database))
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case _:
            raise ArgumentError(url.drivername)


def _resolved(file: str) -> str:
    """Return the file, or the URI of one, in a form that means the same in every folder."""
    uri, colon, rest = file.partition("file:")
    if uri or not colon:
        return str(Path(file).resolve())
    return file if rest.startswith("/") else f"{Path.cwd().as_uri()}/{rest}"


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        # Statements are not prepared, because a connection pooler may give each transaction another
        # session. All statements of one transaction see the same rows.
        settings = {"connect_timeout": CONNECT_S, "prepare_threshold": None}
        same = "REPEATABLE READ"
        return create_engine(url, poolclass=NullPool, connect_args=settings, isolation_level=same)
    # Read-only mode: otherwise a mistyped file name would create an empty database.
    file = url.database or ""
    query = {"timeout": str(CONNECT_S), **url.query, "mode": "ro", "uri": "true"}
    uri = file if file.startswith("file:") else Path(file).as_uri()
    return create_engine(url.set(database=uri, query=query), poolclass=NullPool)


def _away(error: SQLAlchemyError) -> bool:
    if not isinstance(error, OperationalError):
        return False
    # SQLite reports a missing table as an operational error, too, and its driver a text that is no
    # UTF-8: that one has no name.
    named = getattr(error.orig, "sqlite_errorname", "")
    return not isinstance(error.orig, sqlite3.Error) or named not in ("", "SQLITE_ERROR")


def _reason(error: SQLAlchemyError) -> str:
    reason = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return reason.partition("\n")[0].rstrip(".")
