"""Ports in memory, without a disk. Real implementations: they pass the contracts of the others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from uuid_utils import uuid7

from tidemill.domain.aliases import guard
from tidemill.domain.errors import Conflict, DataError
from tidemill.domain.events import Event, RecordedEvent
from tidemill.domain.ports import Clock, Ledger, R, Record, Source, TrafficLog, missing
from tidemill.domain.types import Alias, AliasName, Example, ModelVersion, Prediction, Run, Verdict

EVERYTHING = 2**31


class FixedClock:
    """A clock that a test moves."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


@dataclass
class _State:
    records: dict[type, dict[str, Record]] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    events: list[RecordedEvent] = field(default_factory=list)

    def copy(self) -> _State:
        records = {kind: dict(rows) for kind, rows in self.records.items()}
        return _State(records, dict(self.aliases), list(self.events))


class MemoryLedger:
    """A unit works on a copy, which replaces the state when the unit ends well."""

    def __init__(self, clock: FixedClock | None = None) -> None:
        self._clock = clock or FixedClock()
        self._state = _State()
        self._writing = threading.Lock()

    @contextlib.contextmanager
    def begin(self, *, write: bool = True) -> Iterator[_MemoryUnit]:
        with self._writing if write else contextlib.nullcontext():
            state = self._state.copy()
            yield _MemoryUnit(state, self._clock, write=write)
            if write:
                self._state = state

    def close(self) -> None:
        """Nothing to let go of."""


class _MemoryUnit:
    def __init__(self, state: _State, clock: FixedClock, *, write: bool) -> None:
        self._state = state
        self._clock = clock
        self._write = write

    def add(self, record: Record, event: Event) -> None:
        rows = self._state.records.setdefault(type(record), {})
        if record.id in rows:
            raise Conflict(f"{type(record).__name__} {record.id} exists already.")
        self._tell(event)
        rows[record.id] = record

    def get(self, kind: type[R], id: str) -> R:
        record = self._state.records.get(kind, {}).get(id)
        if not isinstance(record, kind):
            raise missing(kind, id)
        return record

    def latest(self, kind: type[R], *, limit: int = 100) -> list[R]:
        rows = list(self._state.records.get(kind, {}).values())
        return cast("list[R]", rows[::-1][:limit])

    def verdicts(self, version: str, *, limit: int = 100) -> list[Verdict]:
        rows = self.latest(Verdict, limit=EVERYTHING)
        return [row for row in rows if row.version == version][:limit]

    def alias(self, name: AliasName) -> Alias | None:
        return self._state.aliases.get(name)

    def move_alias(self, to: Alias, *, expected: str | None, event: Event) -> None:
        self.get(ModelVersion, to.version)
        guard(to, self.get(Verdict, to.verdict), self.alias(to.name), expected)
        self._tell(event)
        self._state.aliases[to.name] = to

    def close_run(self, run: Run, event: Event) -> None:
        before = self.get(Run, run.id)
        if before.status != "running" or run.status == "running":
            raise Conflict(f"Run {run.id} is {before.status}.")
        self._tell(event)
        self._state.records[Run][run.id] = replace(
            before,
            status=run.status,
            metrics=run.metrics,
            weights=run.weights,
            error=run.error,
        )

    def next_version(self) -> str:
        return f"v{len(self._state.records.get(ModelVersion, {})) + 1}"

    def anchor_uses(self, snapshot: str) -> int:
        runs = [
            row
            for row in self.latest(Run, limit=EVERYTHING)
            if row.snapshot == snapshot and row.status == "finished"
        ]
        versions = {
            row.id
            for row in self.latest(ModelVersion, limit=EVERYTHING)
            if row.snapshot == snapshot
        }
        verdicts = [
            row for row in self.latest(Verdict, limit=EVERYTHING) if row.version in versions
        ]
        return len(runs) + len(verdicts)

    def events(self, *, subject: str | None = None, limit: int = 100) -> list[RecordedEvent]:
        told = [event for event in self._state.events if subject in (None, event.subject)]
        return told[::-1][:limit]

    def _tell(self, event: Event) -> None:
        if not self._write:
            raise Conflict("This unit of work was opened for reading.")
        self._state.events.append(
            RecordedEvent(
                str(uuid7()),
                self._clock.now(),
                event.kind,
                event.actor,
                event.subject,
                event.reason,
                event.detail(),
            )
        )


class MemoryTraffic:
    """Predictions in a dictionary."""

    def __init__(self) -> None:
        self._kept: dict[str, Prediction] = {}

    def append(self, predictions: Sequence[Prediction]) -> None:
        self._kept.update({prediction.id: prediction for prediction in predictions})

    def find(self, id: str) -> Prediction | None:
        return self._kept.get(id)

    def close(self) -> None:
        """Nothing to let go of."""


class MemorySource:
    """Examples in a list."""

    name = "memory"

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = tuple(examples)

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Everything is there already."""

    def examples(self) -> Iterator[Example]:
        if not self._examples:
            raise DataError("There is no example in memory.")
        return iter(self._examples)

    def __len__(self) -> int:
        return len(self._examples)


def _proof(
    ledger: MemoryLedger, traffic: MemoryTraffic, source: MemorySource, clock: FixedClock
) -> tuple[Ledger, TrafficLog, Source, Clock]:
    """Lets mypy prove that these meet their contracts."""
    return ledger, traffic, source, clock
