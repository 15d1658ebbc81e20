"""The ledger in a SQL database."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, SQLAlchemyError

from tidemill.adapters.sql.cycles import CyclesPart
from tidemill.adapters.sql.import_offsets import ImportOffsetsPart
from tidemill.adapters.sql.keys import KeysPart
from tidemill.adapters.sql.records import damaged
from tidemill.adapters.sql.registry import RegistryPart
from tidemill.adapters.sql.reviews import ReviewsPart
from tidemill.adapters.sql.tables import SCHEMA_REVISION
from tidemill.adapters.sql.traffic import TrafficPart
from tidemill.domain.errors import Conflict, StorageFailed, Unavailable
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Clock

BUSY_MS = 10_000
"""How long a writer waits for other writers. A unit of work takes milliseconds."""

MISFIT = re.compile(r"no such (table|column)|already exists")
"""SQLite reports these as operational errors, but the file has other tables than a ledger."""


def sqlite_engine(path: Path) -> Engine:
    """Return an engine whose writing units begin IMMEDIATE, so that their reads stay true.

    A few connections stay open: the write-ahead log exists as long as one of them, and opening one
    costs more than most units. The number of further connections has no limit, so no unit waits for
    one.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), max_overflow=-1)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event below opens transactions
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def read_revision(connection: Connection) -> str:
    """Return the revision of the schema; empty in a database whose migrations were undone."""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


class SqlUnit(RegistryPart, TrafficPart, ReviewsPart, CyclesPart, ImportOffsetsPart, KeysPart):
    """A unit of work: all parts on one connection, in one transaction."""


class SqlLedger:
    """One database. Safe to use from several threads and processes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @classmethod
    def existing(cls, path: Path, clock: Clock) -> SqlLedger:
        """Return the ledger in a SQLite file.

        Raises Unavailable when it is missing or has another schema, Corrupt when the file is not a
        ledger, and StorageFailed when it cannot be read.
        """
        if not path.is_file():
            raise Unavailable(
                f"There is no workspace in {path.parent}.",
                hint="Make one: tidemill train RECIPE, such as coffee",
            )
        ledger = cls(sqlite_engine(path), clock)
        try:
            with translated(), ledger._engine.connect() as connection:
                connection.execution_options(write=False)
                revision = read_revision(connection)
        except BaseException:
            ledger.close()
            raise
        if revision != SCHEMA_REVISION:
            ledger.close()
            raise Unavailable(
                f"The ledger {path} has {f'schema {revision}' if revision else 'no schema'}, "
                f"this Tidemill needs {SCHEMA_REVISION}.",
                hint="`tidemill doctor --upgrade` brings it up to date.",
            )
        return ledger

    @contextlib.contextmanager
    def begin(self, *, write: bool = True) -> Iterator[SqlUnit]:
        with translated(), self._engine.connect() as connection:
            connection.execution_options(write=write)
            with connection.begin():
                yield SqlUnit(connection, self._clock, write=write)

    def close(self) -> None:
        self._engine.dispose()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Translate the driver's errors; a full or read-only disk is an OperationalError."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"The ledger refused a row: {error.orig}.") from error
    except OperationalError as error:
        if MISFIT.search(str(error.orig)):
            raise damaged(error.orig) from error
        raise StorageFailed(
            f"The ledger could not be read or written: {error.orig}.",
            hint="Look at the free space and the rights of the workspace's folder.",
        ) from error
    except DatabaseError as error:
        raise damaged(error.orig) from error
    except SQLAlchemyError as error:
        raise StorageFailed(f"The ledger could not be used: {error}.") from error


def _proof(ledger: SqlLedger) -> Ledger:
    """Let mypy prove that this meets the contract."""
    return ledger
