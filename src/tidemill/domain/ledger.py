"""The ledger: the record of decisions, and the registry that a running server obeys.

A unit of work is opened on it, and everything done through one is kept together or not at all:
alias, cycle, verdict, feedback and the events that tell of them move in one transaction. What the
unit offers is written down here by subject; `UnitOfWork` is all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from tidemill.domain.cycle import Cycle, CycleState, Lease
from tidemill.domain.drift import DriftVerdict, Profile
from tidemill.domain.errors import NotFound
from tidemill.domain.events import Event, RecordedEvent
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.types import (
    Alias,
    AliasName,
    ModelVersion,
    Prediction,
    Run,
    Snapshot,
    Verdict,
)

Record = Snapshot | Run | ModelVersion | Verdict | Feedback | DriftVerdict | Cycle
"""What the ledger keeps by id. Run, Feedback and Cycle move, by the one function each has below;
the others never change once added."""

R = TypeVar("R", bound=Record)


def missing(kind: type, id: str) -> NotFound:
    """Return the error of a look-up that found nothing."""
    noun = "".join(f" {c.lower()}" if c.isupper() else c for c in kind.__name__).strip()
    return NotFound(
        f"There is no {noun} {id!r}.",
        hint="`tidemill models list` and `tidemill data list` show what there is.",
    )


class Records(Protocol):
    """Records of every kind, and the events that came with them."""

    def add(self, record: Record, event: Event) -> None:
        """Keep a new record and its event. Raises Conflict when the id is taken."""

    def get(self, kind: type[R], id: str) -> R:
        """Return the record with this id. Raises NotFound."""

    def latest(self, kind: type[R], *, limit: int = 100) -> list[R]:
        """Return the latest records of a kind, newest first."""

    def events(self, *, subject: str | None = None, limit: int | None = 100) -> list[RecordedEvent]:
        """Return the latest events, newest first; of one subject, when given.

        A limit of None has no bound.
        """

    def record_event(self, event: Event) -> None:
        """Write an event of its own: somebody decided something that moves no record."""


class Registry(Protocol):
    """Runs, versions and the names that point at versions."""

    def verdicts(self, version: str, *, limit: int = 100) -> list[Verdict]:
        """Return the latest verdicts on one version, newest first."""

    def alias(self, name: AliasName) -> Alias | None:
        """Return where an alias points now; None when it was never set or was cleared."""

    def move_alias(self, to: Alias, *, expected: str | None, event: Event) -> None:
        """Point an alias at a version, guarded on where it pointed when that was decided.

        Raises Conflict when it no longer points at `expected`, NotFound when the version or the
        verdict is unknown, GateRefused when the verdict is about another version or does not
        allow it.
        """

    def close_run(self, run: Run, event: Event) -> None:
        """Replace a running run by its closed self: finished, failed, interrupted or abandoned.

        Raises Conflict when it is closed already, and when `run` is running."""

    def find_version(self, run: str) -> ModelVersion | None:
        """Return the version that a run registered; None when it has not, or not yet."""

    def next_version(self) -> str:
        """Return the name the next registered version gets: `v1`, `v2`, ..."""

    def count_test_uses(self, snapshot: str) -> int:
        """Return how often this snapshot's test was read: finished runs and verdicts."""


class Traffic(Protocol):
    """What was drained from the servers' logs, each answer exactly once, and its counts."""

    def offset(self, server: str) -> int:
        """Return the last sequence that was drained from this server's log; 0 before the first."""

    def drain(
        self,
        server: str,
        predictions: Sequence[Prediction],
        profiles: Sequence[Profile],
        *,
        since: int,
    ) -> None:
        """Keep a server's next predictions, add their counts, and move its mark to the last one.

        The predictions are of this server, rising in sequence from above `since`; their payloads
        are not kept. Each profile is added to the open one of the same version, kind and bucket,
        or begins it. No predictions change nothing. Raises Conflict when the mark is not `since`
        (somebody drained this already) and when counts have another length than those they join.
        """

    def prediction(self, id: str) -> Prediction | None:
        """Return a drained prediction, without its payload."""

    def profiles(
        self, version: str, *, kind: str = "live", since: datetime | None = None
    ) -> list[Profile]:
        """Return the open profiles of a version, the oldest bucket first.

        With `since` only those whose bucket began then or later.
        """

    def record_drift_verdict(self, verdict: DriftVerdict, event: Event) -> None:
        """Keep a drift verdict and close the live profiles of its version that it judged.

        Those are the open ones from `verdict.since` on. What is older stays open and is not asked
        for: it is from before the version last became champion. Raises Conflict when what is open
        does not add up to `verdict.n`.
        """

    def drift_verdicts(self, version: str, *, limit: int = 100) -> list[DriftVerdict]:
        """Return the latest drift verdicts on one version, newest first."""

    def count_answers(self, version: str) -> int:
        """Return how many live answers of a version have been drained."""


class Reviews(Protocol):
    """Feedback, from the moment it is given."""

    def feedback(
        self,
        *,
        status: FeedbackStatus | None = None,
        example: str | None = None,
        item: str | None = None,
        limit: int | None = 100,
    ) -> list[Feedback]:
        """Feedback in the order in which it came, the oldest first; None has no bound.

        No index leads to an item, so asking for one alone looks at all the feedback that there is.
        """

    def settle_feedback(self, to: Feedback, *, expected: FeedbackStatus, event: Event) -> None:
        """Replace status, reason and settled. Raises Conflict when it is no longer `expected`."""

    def count_accepted_feedback(self, moment: datetime | None) -> int:
        """Return the number of accepted ones that were settled after a moment; None counts all."""

    def assign_feedback(self, ids: Sequence[str], snapshot: str) -> None:
        """Write down that this snapshot took these, in the place of one that took them before.

        Raises NotFound when one is unknown, and Conflict when one is no longer accepted: somebody
        may have decided anew while the snapshot grew. Then nothing is changed.
        """


class Cycles(Protocol):
    """Cycles, and who may turn them."""

    def cycle(self) -> Cycle | None:
        """Return the cycle that is open; None when none is."""

    def open_cycle(self, cycle: Cycle, event: Event) -> None:
        """Begin a cycle. Raises Conflict while another one is open."""

    def move_cycle(self, to: Cycle, *, expected: CycleState, event: Event) -> None:
        """Replace a cycle by its later self. Raises Conflict when it is no longer `expected`."""

    def lease(self, name: str) -> Lease | None:
        """Who holds a lease, or held it last; None before the first."""

    def take_lease(self, name: str, holder: str, *, now: datetime, ttl: timedelta) -> Lease:
        """Take or renew a lease until `now + ttl`, and return it.

        Its holder keeps the token. Anybody else gets the next one, with the event LeaseTaken, once
        the lease has run out; until then this raises LeaseLost. A lease that ends later than
        `now + 2 * ttl` was taken under a clock that was ahead: it is void and to be had at once.
        Everybody who takes a lease asks for the same `ttl`.
        """

    def release_lease(self, lease: Lease, *, now: datetime) -> None:
        """Let a lease run out now. Does nothing when it is no longer this one."""

    def fence(self, lease: Lease) -> None:
        """Raise LeaseLost unless this lease's token is the latest. The first thing an engine's
        every writing unit does: then a leader that was paused and wakes cannot write."""


class ImportOffsets(Protocol):
    """How far things that come in order have been gone through."""

    def import_offset(self, name: str) -> ImportOffset:
        """Return the import offset of that name; a fresh one before it was first moved."""

    def move_import_offset(self, to: ImportOffset, *, expected: ImportOffset, event: Event) -> None:
        """Replace an import offset. Raises Conflict when it is no longer `expected`."""


class UnitOfWork(Records, Registry, Traffic, Reviews, Cycles, ImportOffsets, Protocol):
    """Everything done through one of these is kept together, or none of it is.

    Reading sees what the same unit wrote before. Leaving the block normally commits; leaving it
    by an exception undoes all.
    """


class Ledger(Protocol):
    """Opens units of work."""

    def begin(self, *, write: bool = True) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work. Writers follow one another; a reader blocks nobody."""

    def close(self) -> None:
        """Let go of files and connections."""
