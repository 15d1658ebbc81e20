"""The contracts for the outside world. Every adapter is tested against its contract.

`adapters/memory.py` has real in-memory implementations of all but Runtime, which exists for ONNX
only. `tests/contracts/` has the suites that every implementation passes. (A clock has only its zone
to check.) The largest contract, the ledger, is in `domain/ledger.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from tidemill.domain.types import Example, Prediction


class TrafficLog(Protocol):
    """The predictions of one server process. A prediction is appended before it is returned."""

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Append these durably together. Raises StorageFailed, and then appends none of them."""

    def check(self) -> None:
        """Write as `append` does, without a prediction. Raises StorageFailed when that fails."""

    def find(self, id: str) -> Prediction | None:
        """Return the prediction with this id, also one of an earlier server process."""

    def close(self) -> None:
        """Close the file."""


class TrafficArchive(Protocol):
    """Every server's log, for reading. Reading changes nothing."""

    def find(self, id: str) -> Prediction | None:
        """Return the prediction with this id and its payload, from any server.

        Raises StorageFailed.
        """

    def servers(self) -> list[str]:
        """Return the servers that have a log, the oldest first."""

    def after(
        self, server: str, sequence: int, *, limit: int, rows: int | None = None
    ) -> list[Prediction]:
        """Return a server's predictions after that sequence, in order, at most `limit`.

        With `rows`, they have at most so many answers together. The first prediction is always
        included, so that a drain makes progress. Payloads are left out, because a thousand large
        ones could fill the memory: each payload is empty, and `example` has its id. Incomplete
        writes are invisible, and returned predictions never change. A server without a log has no
        predictions. Raises StorageFailed.
        """


class Blobs(Protocol):
    """Contents, each stored under its sha256."""

    def put(self, content: bytes) -> str:
        """Store these bytes durably and return their id.

        Equal bytes are stored once. Raises StorageFailed.
        """

    def get(self, id: str) -> bytes:
        """Return the bytes. Raises NotFound, and Corrupt when they do not match their id."""


class Runtime(Protocol):
    """Runs one exported model.

    `alone` is true when the answer to a payload would depend on the rest of its batch, so that each
    payload must run by itself: a graph in int8 measures its activations over the whole batch.
    """

    @property
    def alone(self) -> bool: ...

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        """Map named arrays to named arrays; the first axis is the batch on both sides.

        Raises TimedOut when `terminate` ended it.
        """

    def terminate(self) -> None:
        """End the runs in progress. Any thread may call this; later runs are not touched."""


JobState = Literal["running", "ended", "unknown"]


class Jobs(Protocol):
    """Long work beside the engine; each job is a command of Tidemill: `train --run ID`.

    A job ends when the process that started it ends, for whatever reason.
    """

    def start(self, key: str, words: Sequence[str]) -> None:
        """Start the command `tidemill WORDS`. Raises Conflict while a job of that key runs."""

    def state(self, key: str) -> JobState:
        """Return the state of a job; `unknown` when this process did not start it."""

    def output(self, key: str) -> str:
        """Return the last lines of an ended job's stderr; empty for any other job."""

    def running(self) -> list[str]:
        """Return the keys of the jobs that run."""

    def stop(self, key: str) -> None:
        """End a job, and wait until it has ended. Does nothing for a job that does not run."""

    def close(self) -> None:
        """End every job that runs."""


class Source(Protocol):
    """The origin of examples."""

    name: str

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Fetch or generate missing data once; reports (done, all) meanwhile."""

    def examples(self) -> Iterator[Example]:
        """Return every example, in the same order each time.

        Raises DataError when there is none.
        """

    def __len__(self) -> int:
        """Return the expected number of examples, for progress."""


class Clock(Protocol):
    """The source of the current time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
