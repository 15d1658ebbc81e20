"""What the product needs from the outside world. Each contract is run against every adapter.

`adapters/memory.py` holds real in-memory implementations of all but Runtime, which exists for ONNX
only; `tests/contracts/` holds the suites that every implementation passes. (A clock has nothing to
check but its zone.) The ledger, the largest, has a file of its own: `domain/ledger.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from tidemill.domain.types import Example, Prediction


class TrafficLog(Protocol):
    """What one server process answered. A prediction is appended before it is given."""

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Make these durable together. Raises StorageFailed, and then none of them is kept."""

    def find(self, id: str) -> Prediction | None:
        """Return the prediction with this id, also one that an earlier server process gave."""

    def close(self) -> None:
        """Let go of the file."""


class TrafficArchive(Protocol):
    """Every server's log, read by whoever drains them. Reading changes nothing."""

    def find(self, id: str) -> Prediction | None:
        """Return the prediction with this id and its payload, whichever server gave it.

        Raises StorageFailed.
        """

    def servers(self) -> list[str]:
        """Return the servers that have a log, the oldest first."""

    def after(
        self, server: str, sequence: int, *, limit: int, rows: int | None = None
    ) -> list[Prediction]:
        """What a server answered after that sequence, in order, `limit` predictions at most.

        With `rows` they hold so many answers at most, all together; the first prediction alone is
        given however many it holds, so that whoever drains gets past it.

        Payloads are left out, so that a thousand large ones do not fill the memory: each is empty,
        and `example` says which it was. Nothing that is still being written is seen, and nothing
        that was seen changes. A server without a log answered nothing. Raises StorageFailed.
        """


class Blobs(Protocol):
    """Contents by their sha256."""

    def put(self, content: bytes) -> str:
        """Keep these bytes, durable before this returns, and return their id.

        The same bytes again are kept once. Raises StorageFailed.
        """

    def get(self, id: str) -> bytes:
        """Return the bytes. Raises NotFound, and Corrupt when they do not match their id."""


class Runtime(Protocol):
    """Runs one exported model.

    `alone` says that what it answers to a payload would depend on those beside it, so that each
    must be run by itself: a graph in int8 measures its activations over the whole batch.
    """

    @property
    def alone(self) -> bool: ...

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        """Named arrays in, named arrays out; the first axis is the batch on both sides."""


JobState = Literal["running", "ended", "unknown"]


class Jobs(Protocol):
    """Long work beside the engine, each a command of Tidemill's: `train --run ID`.

    A job ends when whoever started it is gone, however that came.
    """

    def start(self, key: str, words: Sequence[str]) -> None:
        """Begin the command `tidemill WORDS`. Raises Conflict while a job of that key runs."""

    def state(self, key: str) -> JobState:
        """What became of it; `unknown` when this process did not start it."""

    def output(self, key: str) -> str:
        """Return the last lines that an ended job wrote on stderr; empty for any other."""

    def running(self) -> list[str]:
        """Return the keys of the jobs that run."""

    def stop(self, key: str) -> None:
        """End a job, and wait until it has ended. Does nothing when it does not run."""

    def close(self) -> None:
        """End every job that runs."""


class Source(Protocol):
    """Where examples come from."""

    name: str

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Fetch or make what is missing, once; tells (done, all) while it does."""

    def examples(self) -> Iterator[Example]:
        """Return every example, in the same order each time.

        Raises DataError when there is none.
        """

    def __len__(self) -> int:
        """Return how many examples there will be, for progress."""


class Clock(Protocol):
    """Time is an argument."""

    def now(self) -> datetime:
        """This moment, aware, in UTC."""
