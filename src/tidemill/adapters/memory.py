"""Ports in memory. Real implementations: they pass the same contracts as the others."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tidemill.adapters.traffic import bounded
from tidemill.domain.errors import DataError, NotFound, StorageFailed
from tidemill.domain.ports import Blobs, Clock, Source, TrafficArchive, TrafficLog
from tidemill.domain.types import Example, Prediction, payload_id


class FixedClock:
    """A clock that tests move."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class MemoryTraffic:
    """Every server's log in memory, with the archive of all logs."""

    def __init__(self) -> None:
        self._predictions: dict[str, Prediction] = {}
        self._logs: dict[str, list[Prediction]] = {}
        self._one = threading.Lock()

    def append(self, predictions: Sequence[Prediction]) -> None:
        rows = [
            replace(row, example="" if row.kind == "golden" else payload_id(row.payload))
            for row in predictions
        ]
        with self._one:
            ids = {row.id for row in rows} - self._predictions.keys()
            places = {(row.server, row.sequence) for row in rows if not self._at(row)[1]}
            if not len(ids) == len(places) == len(rows):
                raise StorageFailed("A prediction of this id or sequence is kept already.")
            for row in rows:
                self._predictions[row.id] = row
                self._logs.setdefault(row.server, []).insert(self._at(row)[0], row)

    def find(self, id: str) -> Prediction | None:
        return self._predictions.get(id)

    def servers(self) -> list[str]:
        with self._one:
            return sorted(self._logs)

    def after(
        self, server: str, sequence: int, *, limit: int, rows: int | None = None
    ) -> list[Prediction]:
        with self._one:
            log = self._logs.get(server, [])
            start = bisect_right(log, sequence, key=_sequence)
            predictions = (replace(row, payload=b"") for row in log[start : start + limit])
            return bounded(predictions, rows)

    def check(self) -> None:
        """Do nothing: memory can always be written."""

    def close(self) -> None:
        """Do nothing: there is no file."""

    def _at(self, row: Prediction) -> tuple[int, bool]:
        """Return the place of a prediction in its server's log, and whether it is taken."""
        log = self._logs.get(row.server, [])
        at = bisect_left(log, row.sequence, key=_sequence)
        return at, at < len(log) and log[at].sequence == row.sequence


def _sequence(row: Prediction) -> int:
    return row.sequence


class MemoryBlobs:
    """Contents in a dictionary."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        id = hashlib.sha256(content).hexdigest()
        self._contents[id] = content
        return id

    def get(self, id: str) -> bytes:
        if id not in self._contents:
            raise NotFound(f"There is no blob {id!r}.", hint="Its id is the sha256 of its content.")
        return self._contents[id]


class MemorySource:
    """Examples in a list."""

    name = "memory"

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = tuple(examples)

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: all examples are in memory."""

    def examples(self) -> Iterator[Example]:
        if not self._examples:
            raise DataError("There is no example in memory.")
        return iter(self._examples)

    def __len__(self) -> int:
        return len(self._examples)


def _proof(
    traffic: MemoryTraffic, blobs: MemoryBlobs, source: MemorySource, clock: FixedClock
) -> tuple[TrafficLog, TrafficArchive, Blobs, Source, Clock]:
    """Let mypy prove that these meet their contracts."""
    return traffic, traffic, blobs, source, clock
