"""Drain the servers' logs into the ledger: every prediction exactly once, with its counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from tidemill.domain.drift import Profile, RequestKind
from tidemill.domain.errors import Conflict, TidemillError
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Prediction
from tidemill.loop.window import bucket
from tidemill.profile import Reference
from tidemill.workspace.workspace import Workspace

BATCH = 1_000
"""The predictions of one unit of work, which blocks other writers for tens of milliseconds."""
ROWS = 20_000
"""The answers of one unit of work.

A prediction may have an answer for every node of a graph. It is written as a whole, so a larger one
is a batch of its own.
"""

Unit = Callable[[], AbstractContextManager[UnitOfWork]]


@dataclass(frozen=True, slots=True)
class Drained:
    """The number of drained predictions, and sentences about logs that could not be drained."""

    answers: int
    faults: tuple[str, ...]


class Drain:
    """Drains the servers' logs. Keeps only the references of the versions it met.

    Profiles count rows: one for each item of a prediction.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._references: dict[str, Reference] = {}

    def reference(self, version: str) -> Reference:
        """Return the reference of a version's live counts. Raises NotFound, Corrupt."""
        if version not in self._references:
            with self._workspace.ledger.begin(write=False) as unit:
                bundle = unit.get(ModelVersion, version).bundle
            self._references[version] = self._workspace.bundles.open(bundle).reference
        return self._references[version]

    def step(self, unit: Unit) -> Drained:
        """Drain at most one batch of every server.

        `unit` opens the writing units. A log that cannot be drained does not delay the others.
        Raises Conflict when somebody else drains as well, and LeaseLost.
        """
        answers, faults = 0, []
        for server in self._workspace.traffic.servers():
            try:
                answers += self._server(server, unit)
            except Conflict:
                raise
            except TidemillError as error:
                faults.append(f"What server {server} logged cannot be taken in: {error.message}")
        return Drained(answers, tuple(faults))

    def _server(self, server: str, unit: Unit) -> int:
        with self._workspace.ledger.begin(write=False) as reading:
            since = reading.offset(server)
        predictions = self._workspace.traffic.after(server, since, limit=BATCH, rows=ROWS)
        if not predictions:
            return 0
        profiles = self._profiles(predictions)
        with unit() as writing:
            writing.drain(server, predictions, profiles, since=since)
        return len(predictions)

    def _profiles(self, predictions: Sequence[Prediction]) -> list[Profile]:
        groups: dict[tuple[str, RequestKind, datetime], list[bytes]] = defaultdict(list)
        for prediction in predictions:
            # A prediction without bins has nothing to count.
            if prediction.bins:
                key = (prediction.version, prediction.kind, bucket(prediction.at))
                groups[key].append(prediction.bins)
        return [
            self._profile(version, kind, begun, bins)
            for (version, kind, begun), bins in groups.items()
        ]

    def _profile(
        self, version: str, kind: RequestKind, begun: datetime, bins: Sequence[bytes]
    ) -> Profile:
        reference = self.reference(version)
        counts = tuple(int(count) for count in reference.count(bins))
        rows = sum(map(len, bins)) // len(reference.names)
        return Profile(version, kind, begun, rows, counts)
