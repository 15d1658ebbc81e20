"""The traffic log: one SQLite file per server process, one writer, write-ahead logging.

An appended batch is one transaction. With durability `process` it survives `kill -9`, because the
operating system holds the pages. With `host` every commit reaches the disk before `append` returns.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import orjson

from tidemill.domain.errors import StorageFailed
from tidemill.domain.ports import TrafficArchive, TrafficLog
from tidemill.domain.types import Answer, Prediction, payload_id

SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    answers BLOB NOT NULL,
    bins BLOB NOT NULL,
    request_id TEXT NOT NULL,
    traceparent TEXT NOT NULL
) STRICT
"""
COLUMNS = "sequence, id, version, at, kind, payload, answers, bins"
REQUEST_COLUMNS = "request_id, traceparent"
NO_REQUEST_COLUMNS = "'', ''"
"""What logs have in their place that an earlier Tidemill wrote."""
INSERT = "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_ROOM = "INSERT INTO predictions VALUES (-1, '', '', '', '', zeroblob(?), x'', x'', '', '')"
ROOM_BYTES = 64 << 10
"""A log with less room than this is as good as full."""
SUFFIX = ".sqlite"
BUSY_MS = 5_000
_MEBIBYTE = 1 << 20

SLACK_SECONDS = 60.0
"""The largest assumed difference between the clock of ids and that of the file system."""


class SqliteTraffic:
    """The log of one server. `find` also reads the logs of earlier servers in the folder."""

    def __init__(
        self,
        root: Path,
        server: str,
        *,
        durability: Literal["process", "host"] = "process",
        max_mb: int = 0,
    ) -> None:
        """Open a new log file. Raises StorageFailed when the folder cannot be written."""
        self._name = f"{server}{SUFFIX}"
        self._writing = threading.Lock()
        self._path = root / self._name
        with _translated(self._name):
            root.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                root / self._name, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            synchronous = "FULL" if durability == "host" else "NORMAL"
            self._db.execute(f"PRAGMA synchronous={synchronous}")
            # macOS confirms an ordinary sync before the disk has the bytes; elsewhere this has no
            # effect.
            self._db.execute(f"PRAGMA fullfsync={int(durability == 'host')}")
            if max_mb:
                page = self._db.execute("PRAGMA page_size").fetchone()[0]
                self._db.execute(f"PRAGMA max_page_count={max_mb * _MEBIBYTE // page}")
            self._db.execute(SCHEMA)
        self._files = TrafficFiles(root)

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Append these together. Raises StorageFailed, and then appends none of them."""
        rows = [_to_row(prediction) for prediction in predictions]
        with self._writing, _translated(self._name):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(INSERT, rows)
                self._db.execute("COMMIT")
            except BaseException:
                # Ctrl-C may come between two statements; a full disk has often rolled back already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def check(self) -> None:
        """Raise StorageFailed when the file is gone, or the bound or the disk leaves no room.

        Nothing is committed: the file does not change, so an idle server makes no work for others.
        """
        with self._writing, _translated(self._name):
            if not self._path.exists():
                raise FileNotFoundError(f"{self._path} is gone")
            if shutil.disk_usage(self._path).free < ROOM_BYTES:
                raise OSError("the disk is full")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute(INSERT_ROOM, (ROOM_BYTES,))
            finally:
                # A full log has rolled back already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def find(self, id: str) -> Prediction | None:
        """Return the prediction with this id, from any server."""
        return self._files.find(id)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class TrafficFiles:
    """Reads every server's log in a folder, also those of servers that were killed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._rested: dict[str, tuple[int, float]] = {}

    def find(self, id: str) -> Prediction | None:
        """Return the prediction with this id and its payload, or None.

        Ids of servers and predictions are UUIDv7, which sort by time. The prediction is most likely
        in the log of the last server that started before it, so a hit mostly reads one file. Files
        that were last written before the prediction are not opened; a miss opens all others. A log
        without a table is empty. A damaged log does not hide the others. It raises StorageFailed
        when no other log has the prediction, because it may contain it.
        """
        damage: StorageFailed | None = None
        for server in self._candidates(id):
            try:
                rows = self._read(server, "WHERE id = ?", id, payloads=True)
            except StorageFailed as error:
                damage = damage or error
                continue
            if rows:
                return rows[0]
        if damage is not None:
            raise damage
        return None

    def servers(self) -> list[str]:
        """Return the servers that have a log, the oldest first: their ids sort by time."""
        return sorted(path.stem for path in self._root.glob(f"*{SUFFIX}"))

    def after(
        self, server: str, sequence: int, *, limit: int, rows: int | None = None
    ) -> list[Prediction]:
        """Return a server's predictions after that sequence, in order, at most `limit`, no
        payloads.

        With `rows`, they have at most so many answers together, except that the first is always
        included. Incomplete writes are invisible, and returned predictions never change. A server
        without a log has no predictions. Raises StorageFailed with the name of a damaged log.
        """
        if not (self._root / f"{server}{SUFFIX}").exists():
            return []
        written = self._written_at(server)
        if self._rested.get(server) == (sequence, written):
            return []
        which = "WHERE sequence > ? ORDER BY sequence LIMIT ?"
        predictions = self._read(server, which, sequence, limit, payloads=False, most=rows)
        if not predictions and time.time() - written > SLACK_SECONDS:
            # From now on a stopped server costs one look at its file's date, and its file stays
            # closed.
            self._rested[server] = (sequence, written)
        return predictions

    def _candidates(self, id: str) -> Iterator[str]:
        created_at = _created_at(id)
        for server in reversed(self.servers()):
            if server <= id and self._written_at(server) >= created_at - SLACK_SECONDS:
                yield server

    def _written_at(self, server: str) -> float:
        """Return when a log last changed; its write-ahead log may be newer than the file."""
        times = [0.0]
        for suffix in (SUFFIX, f"{SUFFIX}-wal"):
            name = f"{server}{suffix}"
            with _translated(name), contextlib.suppress(FileNotFoundError):
                times.append((self._root / name).stat().st_mtime)
        return max(times)

    def _read(
        self, server: str, which: str, *values: object, payloads: bool, most: int | None = None
    ) -> list[Prediction]:
        name = f"{server}{SUFFIX}"
        with _translated(name), contextlib.closing(_open_to_read(self._root / name)) as db:
            names = {row[1] for row in db.execute("PRAGMA table_info(predictions)")}
            if not names:
                return []  # The server stopped before it had created its table.
            columns = REQUEST_COLUMNS if "request_id" in names else NO_REQUEST_COLUMNS
            # The text consists of constants; the caller's values are bound.
            query = f"SELECT {COLUMNS}, {columns} FROM predictions {which}"  # noqa: S608
            rows = db.execute(query, values)
            # One row at a time: an unused payload is freed before the next row, and rows beyond
            # `most` answers are not read.
            return bounded((_from_row(server, row, payload=payloads) for row in rows), most)


def bounded(predictions: Iterable[Prediction], rows: int | None) -> list[Prediction]:
    """Return the first predictions, up to `rows` answers together, and at least one if there is
    one.

    At most one more prediction is read.
    """
    if rows is None:
        return list(predictions)
    first: list[Prediction] = []
    for prediction in predictions:
        rows -= len(prediction.answers)
        if first and rows < 0:
            break
        first.append(prediction)
        if rows <= 0:
            break
    return first


def _created_at(id: str) -> float:
    """Return the time in a UUIDv7 as seconds since 1970; 0 for any other text."""
    try:
        number = UUID(id)
    except ValueError:
        return 0.0
    return (number.int >> 80) / 1000 if number.version == 7 else 0.0


def _open_to_read(path: Path) -> sqlite3.Connection:
    # `rw`, not `ro`: opening recovers the write-ahead log of a killed server.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return db


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, TypeError) as error:  # a row, too, can be damaged
        raise StorageFailed(
            f"The traffic log {name} could not be used: {error}.",
            hint="Look at the free space and the rights of the workspace's `traffic` folder.",
        ) from error


def _to_row(prediction: Prediction) -> tuple[object, ...]:
    return (
        prediction.sequence,
        prediction.id,
        prediction.version,
        prediction.at.isoformat(),
        prediction.kind,
        prediction.payload,
        orjson.dumps(prediction.answers),
        prediction.bins,
        prediction.request_id,
        prediction.traceparent,
    )


def _from_row(server: str, row: Sequence[Any], *, payload: bool) -> Prediction:
    """Return the prediction of a row, with its payload on request and always with its example."""
    sequence, id, version, at, kind, content, answers, bins, request_id, traceparent = row
    return Prediction(
        id=id,
        server=server,
        sequence=sequence,
        version=version,
        at=datetime.fromisoformat(at),
        kind=kind,
        payload=content if payload else b"",
        answers=tuple(Answer(**answer) for answer in orjson.loads(answers)),
        bins=bins,
        example="" if kind == "golden" else payload_id(content),
        request_id=request_id,
        traceparent=traceparent,
    )


def _proof(log: SqliteTraffic, files: TrafficFiles) -> tuple[TrafficLog, TrafficArchive]:
    """Let mypy prove that these meet their contracts."""
    return log, files
