"""The ledger and the logs of a workspace, read while other processes write them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

BUSY_S = 30.0
Row = dict[str, Any]


class Records:
    """The ledger's tables as they are on the disk. Reads, and changes nothing."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._db = _opened(home / "ledger.sqlite")

    def close(self) -> None:
        self._db.close()

    def rows(self, table: str, *columns: str) -> list[Row]:
        """Every row of a table in the order in which it was written."""
        chosen = ", ".join(f'"{name}"' for name in columns) or "*"
        rows = self._db.execute(f"SELECT {chosen} FROM {table} ORDER BY rowid")  # noqa: S608
        return [dict(row) for row in rows]

    def state(self) -> str:
        """The state of the cycle; empty before there is one."""
        row = self._db.execute("SELECT state FROM cycles ORDER BY n LIMIT 1").fetchone()
        return str(row[0]) if row else ""

    def cycle(self) -> str:
        """The id of the first cycle; empty before there is one."""
        row = self._db.execute("SELECT id FROM cycles ORDER BY n LIMIT 1").fetchone()
        return str(row[0]) if row else ""

    def leader(self) -> str:
        """Who holds the lease, or held it last; empty before the first."""
        row = self._db.execute("SELECT holder FROM leases").fetchone()
        return str(row[0]) if row else ""

    def events(self, *kinds: str) -> list[Row]:
        """Events of these kinds, the oldest first, their detail beside the rest."""
        chosen = [row for row in self.rows("events") if row["kind"] in kinds]
        return [{**row, **json.loads(row["detail"])} for row in chosen]

    def logged(self) -> list[tuple[Any, ...]]:
        """What every server's own log holds: server, sequence, id, version, kind."""
        logged: list[tuple[Any, ...]] = []
        for path in sorted((self.home / "traffic").glob("*.sqlite")):
            with closing(_opened(path)) as log:
                if log.execute("SELECT 1 FROM sqlite_master").fetchone():
                    query = "SELECT sequence, id, version, kind FROM predictions"
                    logged += [(path.stem, *row) for row in log.execute(query)]
        return sorted(logged)

    def drained(self) -> list[tuple[Any, ...]]:
        """The same of what the ledger has."""
        columns = ("server", "sequence", "id", "version", "kind")
        return sorted(tuple(row.values()) for row in self.rows("predictions", *columns))

    def unlocked(self) -> bool:
        """True when nobody is writing the ledger at this moment."""
        with closing(_opened(self.home / "ledger.sqlite", wait=0.0)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            db.execute("ROLLBACK")
            return True


def _opened(path: Path, *, wait: float = BUSY_S) -> sqlite3.Connection:
    # `rw`, not `ro`: what a killed process left in a write-ahead log is recovered by opening it.
    db = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=wait, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db
