"""What the product needs from the outside world. Each contract is run against every adapter.

`adapters/memory.py` holds real in-memory implementations of Ledger, TrafficLog, Source and Clock;
`tests/contracts/` holds the suites that every implementation of the first three passes. A Runtime
exists for ONNX only, and a clock has nothing to check but its zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from tidemill.domain.errors import NotFound
from tidemill.domain.events import Event, RecordedEvent
from tidemill.domain.types import (
    Alias,
    AliasName,
    Example,
    ModelVersion,
    Prediction,
    Run,
    Snapshot,
    Verdict,
)

Record = Snapshot | Run | ModelVersion | Verdict
"""What the ledger keeps. All but `Run` never change once added."""

R = TypeVar("R", bound=Record)


def missing(kind: type, id: str) -> NotFound:
    """The error of a look-up that found nothing."""
    noun = "".join(f" {c.lower()}" if c.isupper() else c for c in kind.__name__).strip()
    return NotFound(
        f"There is no {noun} {id!r}.",
        hint="`tidemill models list` and `tidemill data list` show what there is.",
    )


class UnitOfWork(Protocol):
    """Everything done through one of these is kept together, or none of it is.

    Reading sees what the same unit wrote before. Leaving the block normally commits; leaving it
    by an exception undoes all.
    """

    def add(self, record: Record, event: Event) -> None:
        """Keep a new record and its event. Raises Conflict when the id is taken."""

    def get(self, kind: type[R], id: str) -> R:
        """The record with this id. Raises NotFound."""

    def latest(self, kind: type[R], *, limit: int = 100) -> list[R]:
        """The latest records of a kind, newest first."""

    def verdicts(self, version: str, *, limit: int = 100) -> list[Verdict]:
        """The latest verdicts on one version, newest first."""

    def alias(self, name: AliasName) -> Alias | None:
        """Where an alias points now; None when it was never set or was cleared."""

    def move_alias(self, to: Alias, *, expected: str | None, event: Event) -> None:
        """Point an alias at a version, guarded on where it pointed when that was decided.

        Raises Conflict when it no longer points at `expected`, NotFound when the version or the
        verdict is unknown, GateRefused when the verdict is about another version or does not
        allow it.
        """

    def close_run(self, run: Run, event: Event) -> None:
        """Replace a running run by its finished or failed self. Raises Conflict otherwise."""

    def next_version(self) -> str:
        """The name the next registered version gets: `v1`, `v2`, ..."""

    def anchor_uses(self, snapshot: str) -> int:
        """How often this snapshot's anchor was read: finished runs and verdicts."""

    def events(self, *, subject: str | None = None, limit: int = 100) -> list[RecordedEvent]:
        """The latest events, newest first; of one subject, when given."""


class Ledger(Protocol):
    """The record of decisions, and the registry that a running server obeys."""

    def begin(self, *, write: bool = True) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work. Writers follow one another; a reader blocks nobody."""

    def close(self) -> None:
        """Let go of files and connections."""


class TrafficLog(Protocol):
    """What one server process answered. A prediction is appended before it is given."""

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Make these durable together. Raises StorageFailed, and then none of them is kept."""

    def find(self, id: str) -> Prediction | None:
        """The prediction with this id, also one that an earlier server process gave."""

    def close(self) -> None:
        """Let go of the file."""


class Runtime(Protocol):
    """Runs one exported model."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        """Named arrays in, named arrays out; the first axis is the batch on both sides."""


class Source(Protocol):
    """Where examples come from."""

    name: str

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Fetch or make what is missing, once; tells (done, all) while it does."""

    def examples(self) -> Iterator[Example]:
        """Every example, in the same order each time. Raises DataError when there is none."""

    def __len__(self) -> int:
        """How many examples there will be, for progress."""


class Clock(Protocol):
    """Time is an argument."""

    def now(self) -> datetime:
        """This moment, aware, in UTC."""
