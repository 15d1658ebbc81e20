"""The ledger in a SQL database."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Select,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, SQLAlchemyError
from uuid_utils import uuid7

from tidemill.adapters.sql.tables import (
    ALIASES,
    EVENTS,
    MODEL_VERSIONS,
    RUNS,
    SCHEMA_REVISION,
    TABLES,
    VERDICTS,
    from_row,
    to_row,
)
from tidemill.domain.aliases import guard
from tidemill.domain.errors import (
    Conflict,
    Corrupt,
    StorageFailed,
    Unavailable,
)
from tidemill.domain.events import Event, RecordedEvent
from tidemill.domain.ports import Clock, Ledger, R, Record, missing
from tidemill.domain.types import Alias, AliasName, ModelVersion, Run, Verdict

BUSY_MS = 10_000
"""How long a writer waits for another one. A unit of work takes milliseconds."""

MISFIT = re.compile(r"no such (table|column)|already exists")
"""What SQLite calls an operational error, and is a file that holds other tables than it should."""


def sqlite_engine(path: Path) -> Engine:
    """An engine whose writing units begin IMMEDIATE, so that what a unit reads stays true in it.

    A few connections are kept open: the write-ahead log lives as long as one of them, and opening
    another costs more than most units do. Beyond those there is no bound, so no unit waits for one.
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


class SqlLedger:
    """One database. Safe to use from several threads and processes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @classmethod
    def existing(cls, path: Path, clock: Clock) -> SqlLedger:
        """The ledger in a SQLite file.

        Raises Unavailable when there is none or its schema is another one, Corrupt when the file
        is no ledger, StorageFailed when it cannot be read.
        """
        if not path.is_file():
            raise Unavailable(
                f"There is no workspace in {path.parent}.",
                hint="Make one: tidemill train coffee",
            )
        ledger = cls(sqlite_engine(path), clock)
        try:
            found = ledger._revision()
        except BaseException:
            ledger.close()
            raise
        if found != SCHEMA_REVISION:
            ledger.close()
            raise Unavailable(
                f"The ledger {path} has schema {found}, this Tidemill needs {SCHEMA_REVISION}.",
                hint="`tidemill doctor --upgrade` brings it up to date.",
            )
        return ledger

    @contextlib.contextmanager
    def begin(self, *, write: bool = True) -> Iterator[_SqlUnit]:
        with translated(), self._engine.connect() as connection:
            connection.execution_options(write=write)
            with connection.begin():
                yield _SqlUnit(connection, self._clock, write=write)

    def close(self) -> None:
        self._engine.dispose()

    def _revision(self) -> str:
        with translated(), self._engine.connect() as connection:
            connection.execution_options(write=False)
            return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours; a full or read-only disk is an OperationalError."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"The ledger refused a row: {error.orig}.") from error
    except OperationalError as error:
        if MISFIT.search(str(error.orig)):
            raise _damaged(error.orig) from error
        raise StorageFailed(
            f"The ledger could not be read or written: {error.orig}.",
            hint="Look at the free space and the rights of the workspace's folder.",
        ) from error
    except DatabaseError as error:
        raise _damaged(error.orig) from error
    except SQLAlchemyError as error:
        raise StorageFailed(f"The ledger could not be used: {error}.") from error


def _damaged(said: object) -> Corrupt:
    return Corrupt(f"The ledger is damaged: {said}.", hint="Restore it from a copy.")


@contextlib.contextmanager
def _as_written() -> Iterator[None]:
    """A row whose values cannot be what was written is Corrupt."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise _damaged(f"a row holds what was never written: {error}") from error


class _SqlUnit:
    def __init__(self, connection: Connection, clock: Clock, *, write: bool) -> None:
        self._connection = connection
        self._clock = clock
        self._write = write

    def add(self, record: Record, event: Event) -> None:
        table = TABLES[type(record)]
        taken = select(table.c.n).where(table.c.id == record.id)
        if self._connection.execute(taken).first():
            raise Conflict(f"{type(record).__name__} {record.id} exists already.")
        self._tell(event)
        self._connection.execute(insert(table).values(to_row(record)))

    def get(self, kind: type[R], id: str) -> R:
        table = TABLES[kind]
        found = self._records(kind, select(table).where(table.c.id == id))
        if not found:
            raise missing(kind, id)
        return found[0]

    def latest(self, kind: type[R], *, limit: int = 100) -> list[R]:
        table = TABLES[kind]
        return self._records(kind, select(table).order_by(table.c.n.desc()).limit(limit))

    def verdicts(self, version: str, *, limit: int = 100) -> list[Verdict]:
        query = select(VERDICTS).where(VERDICTS.c.version == version)
        return self._records(Verdict, query.order_by(VERDICTS.c.n.desc()).limit(limit))

    def _records(self, kind: type[R], query: Select[Any]) -> list[R]:
        with _as_written():
            rows = self._connection.execute(query).mappings()
            return [from_row(kind, dict(row)) for row in rows]

    def alias(self, name: AliasName) -> Alias | None:
        with _as_written():
            row = self._connection.execute(select(ALIASES).where(ALIASES.c.name == name)).first()
            return Alias(**row._mapping) if row else None

    def move_alias(self, to: Alias, *, expected: str | None, event: Event) -> None:
        self.get(ModelVersion, to.version)
        now = self.alias(to.name)
        guard(to, self.get(Verdict, to.verdict), now, expected)
        self._tell(event)
        values = asdict(to)
        if now is None:
            self._connection.execute(insert(ALIASES).values(values))
        else:
            self._connection.execute(
                update(ALIASES).where(ALIASES.c.name == to.name).values(values)
            )

    def close_run(self, run: Run, event: Event) -> None:
        closed = self._connection.execute(
            update(RUNS)
            .where(RUNS.c.id == run.id, RUNS.c.status == "running")
            .values(status=run.status, metrics=run.metrics, weights=run.weights, error=run.error)
        )
        if closed.rowcount != 1 or run.status == "running":
            raise Conflict(f"Run {run.id} is not running.")
        self._tell(event)

    def next_version(self) -> str:
        count = self._connection.scalar(select(func.count()).select_from(MODEL_VERSIONS))
        return f"v{(count or 0) + 1}"

    def anchor_uses(self, snapshot: str) -> int:
        judged = VERDICTS.join(MODEL_VERSIONS, VERDICTS.c.version == MODEL_VERSIONS.c.id)
        verdicts = (
            select(func.count()).select_from(judged).where(MODEL_VERSIONS.c.snapshot == snapshot)
        )
        runs = (
            select(func.count())
            .select_from(RUNS)
            .where(RUNS.c.snapshot == snapshot, RUNS.c.status == "finished")
        )
        return sum(self._connection.scalar(query) or 0 for query in (verdicts, runs))

    def events(self, *, subject: str | None = None, limit: int = 100) -> list[RecordedEvent]:
        query = select(EVENTS).order_by(EVENTS.c.n.desc()).limit(limit)
        if subject is not None:
            query = query.where(EVENTS.c.subject == subject)
        with _as_written():
            rows = self._connection.execute(query).mappings()
            return [RecordedEvent(**{k: v for k, v in row.items() if k != "n"}) for row in rows]

    def _tell(self, event: Event) -> None:
        if not self._write:
            raise Conflict("This unit of work was opened for reading.")
        self._connection.execute(
            insert(EVENTS).values(
                id=str(uuid7()),
                at=self._clock.now(),
                kind=event.kind,
                actor=event.actor,
                subject=event.subject,
                reason=event.reason,
                detail=event.detail(),
            )
        )


def _proof(ledger: SqlLedger) -> Ledger:
    """Lets mypy prove that this meets the contract."""
    return ledger
