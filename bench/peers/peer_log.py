"""A log for the peers that is as durable as Tidemill's: the same rows in the same kind of file.

One transaction for each batch, write-ahead logging, `synchronous=NORMAL`: an answer survives the
process. `tests/test_bench_peers.py` compares the table and the settings with Tidemill's own.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG = "PEER_LOG"
"""The environment variable that names the file; no log without it."""
TABLE = """
CREATE TABLE predictions (
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
INSERT = "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
BINS = bytes(16)
"""As many bytes as Tidemill writes for the drift features of a text."""


class PeerLog:
    """Appends batches. The thread that appends may change; two at once may not."""

    def __init__(self, path: Path, target: str) -> None:
        self._target = target
        self._sequence = 0
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(TABLE)

    def append(self, payloads: Sequence[bytes], answers: Sequence[Mapping[str, Any]]) -> None:
        """Append a batch; it is durable on return."""
        rows = [self._row(*pair) for pair in zip(payloads, answers, strict=True)]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(INSERT, rows)
        self._db.execute("COMMIT")

    def _row(self, payload: bytes, answer: Mapping[str, Any]) -> tuple[object, ...]:
        self._sequence += 1
        probabilities = answer["probabilities"]
        entry = {
            "target": self._target,
            "label": answer["label"],
            "confidence": probabilities[answer["label"]],
            "probabilities": probabilities,
            "item": "",
        }
        at = datetime.now(UTC).isoformat()
        body = json.dumps([entry], separators=(",", ":")).encode()
        request = uuid.uuid4().hex
        id = str(uuid.uuid4())
        return self._sequence, id, "v1", at, "live", payload, body, BINS, request, ""


def open_log(target: str) -> PeerLog | None:
    """Return the log that the environment names."""
    path = os.environ.get(LOG)
    return PeerLog(Path(path), target) if path else None
