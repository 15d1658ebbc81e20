"""The journal of a batch: what each input became, in a file beside the output, until it is whole.

It is a SQLite file that one process holds exclusively; the system frees it when that process is
killed. A chunk of rows is one transaction, so a row is in the journal once or not at all.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tidemill.domain.errors import Conflict, StorageFailed

MAX_DEPTH = 100
"""What is nested deeper in a repeated column becomes text."""
SCHEMA = """
CREATE TABLE plan (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE servers (server TEXT PRIMARY KEY) STRICT;
CREATE TABLE rows (
    number INTEGER PRIMARY KEY, server TEXT NOT NULL, sequence INTEGER NOT NULL,
    refused INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """What one input became: a prediction in the log of `server`, or an error without a server."""

    body: Mapping[str, Any]
    server: str = ""
    sequence: int = 0

    @property
    def refused(self) -> bool:
        """True for an error."""
        return not self.server


class BatchJournal:
    """The journal of one output file."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises Conflict while another process has it."""
        self.path = path
        with _translated(path):
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
            try:
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("BEGIN EXCLUSIVE")
                if not self._db.execute("PRAGMA table_list('plan')").fetchone():
                    for statement in filter(str.strip, SCHEMA.split(";")):
                        self._db.execute(statement)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.close()
                raise

    def plan(self) -> dict[str, str]:
        """Return what the batch was begun with; empty for a new journal."""
        with _translated(self.path):
            return dict(self._db.execute("SELECT name, value FROM plan").fetchall())

    def begin(self, plan: Mapping[str, str]) -> None:
        """Record what a batch is begun with, before its first row."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO plan VALUES (?, ?)", plan.items())

    def servers(self) -> list[tuple[str, int]]:
        """Return the logs that this batch wrote, and the last sequence of each that is here."""
        with _translated(self.path):
            return self._db.execute(
                "SELECT server, (SELECT COALESCE(MAX(sequence), 0) FROM rows"
                " WHERE rows.server = servers.server) FROM servers ORDER BY server"
            ).fetchall()

    def add_server(self, server: str) -> None:
        """Record a log before its first prediction."""
        with self._transaction():
            self._db.execute("INSERT INTO servers VALUES (?)", (server,))

    def append(self, rows: Sequence[JournalRow]) -> None:
        """Append these together, or none of them. Raises StorageFailed."""
        first = len(self)
        values = [
            (first + at, row.server, row.sequence, row.refused, to_json(row.body))
            for at, row in enumerate(rows)
        ]
        with self._transaction():
            self._db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", values)

    def __len__(self) -> int:
        """Return the number of inputs that are done."""
        with _translated(self.path):
            last = self._db.execute("SELECT COALESCE(MAX(number), -1) FROM rows").fetchone()[0]
        return int(last) + 1

    def refused(self) -> int:
        """Return the number of inputs that became errors."""
        with _translated(self.path):
            query = "SELECT COUNT(*) FROM rows WHERE refused"
            return int(self._db.execute(query).fetchone()[0])

    def rows(self, *, refused: bool) -> Iterator[dict[str, Any]]:
        """Yield the bodies of all rows of one kind, in the order of the inputs."""
        query = "SELECT body FROM rows WHERE refused = ? ORDER BY number"
        with _translated(self.path):
            for (body,) in self._db.execute(query, (refused,)):
                yield orjson.loads(body)

    def close(self) -> None:
        """Close the file; another process may open it then."""
        self._db.close()

    def remove(self) -> None:
        """Close and remove the file: the output is whole."""
        self.close()
        remove_journal(self.path)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def to_json(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON; a date becomes its text, and so does what no JSON file holds."""
    try:
        return orjson.dumps(body, default=str)
    except orjson.JSONEncodeError:
        return orjson.dumps(_storable(body), default=str)


def _storable(value: Any, depth: int = 0) -> Any:
    """Write whole numbers above 64 bits as text, escape lone surrogates, and end deep nesting."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping | list) and depth > MAX_DEPTH:
        return str(value).encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_storable(str(k)): _storable(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_storable(each, depth + 1) for each in value]
    return value


def remove_journal(path: Path) -> None:
    """Remove a journal, also one that was cut off. Raises StorageFailed."""
    with _translated(path):
        for suffix in ("-wal", "-shm", "-journal", ""):
            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise Conflict(
                f"Another process works on this batch: it has {path}.",
                hint="Wait until it has ended, or choose another output.",
            ) from error
        raise _fault(path, error) from error
    except (sqlite3.Error, OSError, ValueError) as error:
        raise _fault(path, error) from error


def _fault(path: Path, error: Exception) -> StorageFailed:
    return StorageFailed(
        f"The batch's journal {path} cannot be used: {error}.",
        hint="Look at the free space; --restart begins anew.",
    )
