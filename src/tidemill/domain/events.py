"""One frozen record for each kind of event; it is written together with its change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

EventKind = Literal[
    "SnapshotTaken",
    "RunStarted",
    "RunFinished",
    "RunFailed",
    "RunInterrupted",
    "RunAbandoned",
    "VersionRegistered",
    "VerdictRecorded",
    "AliasMoved",
    "DriftChecked",
    "FeedbackReceived",
    "FeedbackStatusChanged",
    "FeedbackImported",
    "ScheduledRunSkipped",
    "CycleOpened",
    "CycleMoved",
    "LeaseTaken",
    "KeyCreated",
    "KeyRevoked",
    "RequestsRefused",
]
"""The kinds that a reader can ask for: the classes below, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Who did something, and why. `subject` is the id of the changed object."""

    actor: str
    subject: str
    reason: str = ""

    @property
    def kind(self) -> str:
        """The event's name in the ledger: the name of its class."""
        return type(self).__name__

    def detail(self) -> dict[str, Any]:
        """Return the fields of this kind of event, as plain values."""
        shared = {"actor", "subject", "reason"}
        return {key: value for key, value in asdict(self).items() if key not in shared}


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaken(Event):
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    snapshot: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    weights: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Event):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(Event):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAbandoned(Event):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRegistered(Event):
    bundle: str
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecorded(Event):
    version: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMoved(Event):
    version: str
    before: str | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftChecked(Event):
    version: str
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackReceived(Event):
    example: str
    target: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackStatusChanged(Event):
    before: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackImported(Event):
    """Feedback was read from a database; `subject` is the import offset that moved.

    `left_out` counts the rows that could not be imported; `reason` names the first of them.
    """

    rows: int
    new: int
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRunSkipped(Event):
    """A scheduled run was skipped without a cycle; `subject` is the schedule's offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOpened(Event):
    trigger: str
    champion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleMoved(Event):
    before: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTaken(Event):
    """Another engine leads; `subject` is the lease, `actor` the holder."""

    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCreated(Event):
    name: str
    scopes: str
    rate: int
    expires_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked(Event):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsRefused(Event):
    """A server refused requests; `subject` is the server, `reason` that of the most.

    Each of `refusals` has actor, address, reason and count.
    """

    count: int
    refusals: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as the ledger stores it."""

    id: str
    at: datetime
    kind: str
    actor: str
    subject: str
    reason: str
    detail: dict[str, Any]
