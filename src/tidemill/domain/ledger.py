"""The ledger: the record of decisions, and the registry that a running server follows.

All changes of one unit of work are stored together or not at all: alias, cycle, verdict, feedback
and their events move in one transaction. The protocols below group the methods of a unit by
subject; `UnitOfWork` combines them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from tidemill.domain.api_key import ApiKey
from tidemill.domain.cycle import Cycle, CycleState, Lease
from tidemill.domain.drift import DriftVerdict, Profile
from tidemill.domain.errors import NotFound, UsageError
from tidemill.domain.events import Event, EventKind, RecordedEvent
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

Record = Snapshot | Run | ModelVersion | Verdict | Feedback | DriftVerdict | Cycle | ApiKey
"""The records that the ledger stores by id.

Run, Feedback, Cycle and ApiKey change, each by its one method below. The others never change.
"""

R = TypeVar("R", bound=Record)


def require_text(id: object) -> None:
    """Raise UsageError for an id that is no text, such as a record in place of its id."""
    if not isinstance(id, str):
        raise UsageError(f"A value of type {type(id).__name__} is no id.", hint="Give its `id`.")


def missing(kind: type, id: str) -> NotFound:
    """Return the error of a look-up without result."""
    noun = "".join(f" {c.lower()}" if c.isupper() else c for c in kind.__name__).strip()
    return NotFound(
        f"There is no {noun} {id!r}.",
        hint="`tidemill models list` and `tidemill data list` show what there is.",
    )


def missing_event(id: str) -> NotFound:
    """Return the error of a page that begins before an unknown event."""
    return NotFound(f"There is no event {id!r}.", hint="Give the `id` of an event that you read.")


class Records(Protocol):
    """Records of every kind, and their events."""

    def add(self, record: Record, event: Event) -> None:
        """Store a new record and its event. Raises Conflict when the id is taken."""

    def get(self, kind: type[R], id: str) -> R:
        """Return the record with this id. Raises NotFound."""

    def latest(self, kind: type[R], *, limit: int = 100) -> list[R]:
        """Return the latest records of a kind, newest first."""

    def events(
        self,
        *,
        subject: str | None = None,
        kinds: Sequence[EventKind] = (),
        before: str | None = None,
        limit: int | None = 100,
    ) -> list[RecordedEvent]:
        """Return the latest events, newest first, of one subject and of some kinds if stated.

        With `before`, the id of an event, only events older than it. Raises NotFound when there is
        no such event. A limit of None has no bound.
        """

    def record_event(self, event: Event) -> None:
        """Record an event that changes no record."""

    def note_address(self, address: str) -> None:
        """Let the following events of this unit say which address asked for their changes.

        It stands in their detail as `address`.
        """


class Registry(Protocol):
    """Runs, versions and aliases."""

    def verdicts(self, version: str, *, limit: int = 100) -> list[Verdict]:
        """Return the latest verdicts on one version, newest first."""

    def alias(self, name: AliasName) -> Alias | None:
        """Return where an alias points now; None when it was never set or was cleared."""

    def move_alias(self, to: Alias, *, expected: str | None, event: Event) -> None:
        """Point an alias at a version; `expected` is where it pointed at the time of the decision.

        Raises Conflict when it no longer points at `expected`, NotFound when the version or the
        verdict is unknown, and GateRefused when the verdict is about another version or does not
        allow it.
        """

    def close_run(self, run: Run, event: Event) -> None:
        """Replace a running run by its closed state: finished, failed, interrupted or abandoned.

        Raises Conflict when it is closed already, and when `run` is running."""

    def find_version(self, run: str) -> ModelVersion | None:
        """Return the version that a run registered; None when it has registered none."""

    def next_version(self) -> str:
        """Return the name of the next registered version: `v1`, `v2`, ..."""

    def count_test_uses(self, snapshot: str) -> int:
        """Return how often this snapshot's test split was read: finished runs and verdicts."""


class Traffic(Protocol):
    """The predictions drained from the servers' logs, each exactly once, and their counts."""

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
        """Store a server's next predictions, add their counts, and move its offset to the last one.

        The predictions are of this server, with ascending sequences above `since`; their payloads
        are not stored. Each profile is added to the open one of the same version, kind and bucket,
        or opens it. Without predictions nothing changes. Raises Conflict when the offset is not
        `since` (somebody drained these already) and when counts do not have the length of the open
        ones.
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
        """Store a drift verdict and close the live profiles of its version that it judged.

        Those are the open ones from `verdict.since` on. Older ones stay open and are ignored: they
        are from before the version last became champion. Raises Conflict when the open ones do not
        add up to `verdict.n`.
        """

    def drift_verdicts(self, version: str, *, limit: int = 100) -> list[DriftVerdict]:
        """Return the latest drift verdicts on one version, newest first."""

    def count_answers(self, version: str) -> int:
        """Return the number of drained live answers of a version."""


class Reviews(Protocol):
    """Feedback and its reviews."""

    def feedback(
        self,
        *,
        status: FeedbackStatus | None = None,
        example: str | None = None,
        item: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        after: str | None = None,
        limit: int | None = 100,
    ) -> list[Feedback]:
        """Return feedback in the order of arrival, the oldest first; a limit of None has no bound.

        Only feedback that has each given value. Values of None are not compared. With `after`, the
        id of feedback, only what arrived after it. Raises NotFound when there is none with that id.
        """

    def settle_feedback(self, to: Feedback, *, expected: FeedbackStatus, event: Event) -> None:
        """Replace status, reason and time. Raises Conflict when the status is not `expected`."""

    def count_accepted_feedback(self, moment: datetime | None) -> int:
        """Return the number of feedback labels accepted after a moment; None counts all."""

    def assign_feedback(self, ids: Sequence[str], snapshot: str) -> None:
        """Record that this snapshot includes this feedback, in place of an earlier snapshot.

        Raises NotFound when one is unknown, and Conflict when one is no longer accepted, because
        somebody may have decided again meanwhile. Then nothing changes.
        """


class Cycles(Protocol):
    """Cycles, and the lease that a writer of cycles needs."""

    def cycle(self) -> Cycle | None:
        """Return the open cycle, or None."""

    def open_cycle(self, cycle: Cycle, event: Event) -> None:
        """Begin a cycle. Raises Conflict while another one is open."""

    def move_cycle(self, to: Cycle, *, expected: CycleState, event: Event) -> None:
        """Replace a cycle by its later state. Raises Conflict when its state is not `expected`."""

    def lease(self, name: str) -> Lease | None:
        """Return the current or last lease of a name; None before the first."""

    def take_lease(self, name: str, holder: str, *, now: datetime, ttl: timedelta) -> Lease:
        """Take or renew a lease until `now + ttl`, and return it.

        The holder keeps its token. Anybody else gets the next token, with the event LeaseTaken,
        after the lease has expired; until then this raises LeaseLost. A lease that ends later than
        `now + 2 * ttl` comes from a clock that ran ahead: it is void and can be taken at once.
        Everybody uses the same `ttl`.
        """

    def release_lease(self, lease: Lease, *, now: datetime) -> None:
        """Let a lease expire now. Does nothing when another lease has replaced it."""

    def fence(self, lease: Lease) -> None:
        """Raise LeaseLost unless this lease's token is the latest.

        Every writing unit of an engine calls this first, so that a paused former leader cannot
        write.
        """


class ImportOffsets(Protocol):
    """How far ordered streams of rows have been read."""

    def import_offset(self, name: str) -> ImportOffset:
        """Return the import offset of that name; a new one before it first moved."""

    def move_import_offset(self, to: ImportOffset, *, expected: ImportOffset, event: Event) -> None:
        """Replace an import offset. Raises Conflict when it is not `expected`."""


class Keys(Protocol):
    """The keys by which clients prove their names."""

    def unrevoked_keys(self) -> list[ApiKey]:
        """Return the keys that are not revoked, the oldest first; some may have expired."""

    def revoke_key(self, to: ApiKey, event: Event) -> None:
        """Replace a key by its revoked state. Raises NotFound, and Conflict when it is revoked."""


class UnitOfWork(Records, Registry, Traffic, Reviews, Cycles, ImportOffsets, Keys, Protocol):
    """Everything done in one unit of work is stored together, or nothing is.

    Reads see the earlier writes of the same unit. A normal end of the block commits; an exception
    rolls everything back.
    """


class Ledger(Protocol):
    """Opens units of work."""

    def begin(self, *, write: bool = True) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work. Writers wait for one another; a reader blocks nobody."""

    def close(self) -> None:
        """Close files and connections."""
