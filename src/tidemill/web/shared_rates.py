"""The token buckets of API keys, shared by the workers behind a port.

They are in a SQLite file, because a worker that is killed leaves no lock in it.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tidemill.domain.errors import StorageFailed
from tidemill.web.token_bucket import TokenBucket

SCHEMA = "CREATE TABLE IF NOT EXISTS buckets (id TEXT PRIMARY KEY, tokens REAL, at REAL) STRICT"
BUSY_MS = 2_000


class SharedRates:
    """Takes the tokens of all workers of a folder. Any thread may take one."""

    def __init__(self, folder: Path) -> None:
        """Open the file, or create it. Raises StorageFailed."""
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                folder / "rates.sqlite", isolation_level=None, check_same_thread=False
            )
            self._db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            self._db.execute("PRAGMA journal_mode=WAL")
            # The file outlives a worker, and need not outlive the host.
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute(SCHEMA)
        except sqlite3.Error as error:
            raise _failure(error) from error

    def take(self, id: str, rate: int, now: datetime) -> float:
        """Take a token of a key, and return 0; without one, return the seconds until there is one.

        Raises StorageFailed.
        """
        with self._lock:
            try:
                return self._take(id, rate, now)
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._db.rollback()
                raise _failure(error) from error

    def _take(self, id: str, rate: int, now: datetime) -> float:
        self._db.execute("BEGIN IMMEDIATE")
        row = self._db.execute("SELECT tokens, at FROM buckets WHERE id = ?", (id,)).fetchone()
        tokens, at = row or (rate, now.timestamp())
        bucket = TokenBucket(rate, tokens, datetime.fromtimestamp(at, UTC))
        wait = bucket.take(now)
        self._db.execute(
            "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)",
            (id, float(bucket.tokens), bucket.at.timestamp()),
        )
        self._db.execute("COMMIT")
        return wait

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _failure(error: sqlite3.Error) -> StorageFailed:
    return StorageFailed(
        f"The rates of the API keys cannot be counted: {error}.", hint="Restart the server."
    )
