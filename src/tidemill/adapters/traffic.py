"""The traffic log: one SQLite file per server process, one writer, write-ahead logging.

An appended batch is one transaction. With durability `process` it survives `kill -9` (the operating
system holds the pages); with `host` every commit reaches the disk before `append` returns.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import orjson

from tidemill.domain.errors import StorageFailed
from tidemill.domain.ports import TrafficLog
from tidemill.domain.types import Answer, Prediction

SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    answers BLOB NOT NULL
) STRICT
"""
SUFFIX = ".sqlite"
BUSY_MS = 5_000
_MEBIBYTE = 1 << 20

SLACK_SECONDS = 60.0
"""How far the clocks of ids and of the file system may be apart."""


class SqliteTraffic:
    """The log of one server. `find` also reads what earlier servers left in the folder."""

    def __init__(
        self,
        root: Path,
        server: str,
        *,
        durability: Literal["process", "host"] = "process",
        max_mb: int = 0,
    ) -> None:
        """Open a new log file. Raises StorageFailed when the folder cannot be written."""
        self._server = server
        self._writing = threading.Lock()
        with _translated():
            root.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                root / f"{server}{SUFFIX}", isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            synchronous = "FULL" if durability == "host" else "NORMAL"
            self._db.execute(f"PRAGMA synchronous={synchronous}")
            # macOS answers an ordinary sync before the disk has the bytes; elsewhere this is idle.
            self._db.execute(f"PRAGMA fullfsync={int(durability == 'host')}")
            if max_mb:
                page = self._db.execute("PRAGMA page_size").fetchone()[0]
                self._db.execute(f"PRAGMA max_page_count={max_mb * _MEBIBYTE // page}")
            self._db.execute(SCHEMA)
        self._files = TrafficFiles(root)

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Keep these together. Raises StorageFailed, and then none of them is kept."""
        rows = [_to_row(prediction) for prediction in predictions]
        with self._writing, _translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                # A full disk has often rolled back by itself already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def find(self, id: str) -> Prediction | None:
        """The prediction with this id, whichever server gave it."""
        return self._files.find(id)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


class TrafficFiles:
    """Reads every server's log in a folder, also those of servers that were killed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, id: str) -> Prediction | None:
        """The prediction with this id, or None.

        Ids of servers and predictions are UUIDv7, which sort by time: the log is most likely that
        of the last server started before the prediction, so a hit mostly reads one file. Files
        that were last written before the prediction was made are not opened; a miss opens every
        other one. A log that was never begun holds nothing. A damaged one does not hide what the
        others hold, but raises StorageFailed where nothing is found, because it may be in there.
        """
        damage: StorageFailed | None = None
        for server in self._candidates(id):
            try:
                row = self._read(server, id)
            except StorageFailed as error:
                damage = damage or error
                continue
            if row is not None:
                return _from_row(server, row)
        if damage is not None:
            raise damage
        return None

    def _candidates(self, id: str) -> Iterator[str]:
        made = _made_at(id)
        servers = sorted((path.stem for path in self._root.glob(f"*{SUFFIX}")), reverse=True)
        for server in servers:
            if server <= id and self._written_at(server) >= made - SLACK_SECONDS:
                yield server

    def _written_at(self, server: str) -> float:
        """When a log was last changed; its write-ahead log may be the newer part."""
        times = [0.0]
        for suffix in (SUFFIX, f"{SUFFIX}-wal"):
            with _translated(), contextlib.suppress(FileNotFoundError):
                times.append((self._root / f"{server}{suffix}").stat().st_mtime)
        return max(times)

    def _read(self, server: str, id: str) -> Sequence[Any] | None:
        path = self._root / f"{server}{SUFFIX}"
        with _translated(), contextlib.closing(_open_to_read(path)) as db:
            if not db.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'predictions'"
            ).fetchone():
                return None  # Its server stopped before it had made its table.
            row: Sequence[Any] | None = db.execute(
                "SELECT sequence, id, version, at, kind, payload, answers "
                "FROM predictions WHERE id = ?",
                (id,),
            ).fetchone()
            return row


def _made_at(id: str) -> float:
    """The seconds since 1970 that a UUIDv7 begins with; for any other text, the beginning."""
    try:
        number = UUID(id)
    except ValueError:
        return 0.0
    return (number.int >> 80) / 1000 if number.version == 7 else 0.0


def _open_to_read(path: Path) -> sqlite3.Connection:
    # `rw`, not `ro`: what a killed server left in its write-ahead log is recovered by opening it.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return db


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageFailed(
            f"The traffic log could not be used: {error}.",
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
        orjson.dumps([asdict(answer) for answer in prediction.answers]),
    )


def _from_row(server: str, row: Sequence[Any]) -> Prediction:
    sequence, id, version, at, kind, payload, answers = row
    return Prediction(
        id=id,
        server=server,
        sequence=sequence,
        version=version,
        at=datetime.fromisoformat(at),
        kind=kind,
        payload=payload,
        answers=tuple(Answer(**answer) for answer in orjson.loads(answers)),
    )


def _proof(log: SqliteTraffic) -> TrafficLog:
    """Lets mypy prove that this meets the contract."""
    return log
