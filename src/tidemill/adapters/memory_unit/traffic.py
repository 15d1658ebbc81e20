"""Drained predictions, their counts and drift verdicts in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tidemill.adapters.memory_unit.records import RecordsPart
from tidemill.domain.drift import DriftVerdict, Profile
from tidemill.domain.errors import Conflict
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_drain, guard_drift, join_profiles
from tidemill.domain.types import Prediction


class TrafficPart(RecordsPart):
    """Implements `Traffic`. Closed profiles leave only their number of answers."""

    def offset(self, server: str) -> int:
        return self._state.offsets.get(server, 0)

    def drain(
        self,
        server: str,
        predictions: Sequence[Prediction],
        profiles: Sequence[Profile],
        *,
        since: int,
    ) -> None:
        self._require_write()
        if not predictions:
            return
        guard_drain(server, predictions, offset=self.offset(server), since=since)
        drained = {row.id: replace(row, payload=b"", bins=b"") for row in predictions}
        if len(drained) < len(predictions) or drained.keys() & self._state.predictions.keys():
            raise Conflict(f"A prediction of server {server} has been drained already.")
        open_now = dict(self._state.profiles)
        for more in profiles:
            key = (more.version, more.kind, more.bucket)
            open_now[key] = join_profiles(open_now.get(key), more)
        self._state.predictions.update(drained)
        self._state.profiles = open_now
        self._state.offsets[server] = predictions[-1].sequence

    def prediction(self, id: str) -> Prediction | None:
        return self._state.predictions.get(id)

    def profiles(
        self, version: str, *, kind: str = "live", since: datetime | None = None
    ) -> list[Profile]:
        rows = [
            row
            for row in self._state.profiles.values()
            if (row.version, row.kind) == (version, kind) and (since is None or row.bucket >= since)
        ]
        return sorted(rows, key=lambda row: row.bucket)

    def record_drift_verdict(self, verdict: DriftVerdict, event: Event) -> None:
        closing = self.profiles(verdict.version, since=verdict.since)
        guard_drift(verdict, closing)
        self.add(verdict, event)
        for row in closing:
            del self._state.profiles[row.version, row.kind, row.bucket]
        judged = self._state.judged_answers.get(verdict.version, 0)
        self._state.judged_answers[verdict.version] = judged + verdict.n

    def drift_verdicts(self, version: str, *, limit: int = 100) -> list[DriftVerdict]:
        rows = [row for row in self._rows(DriftVerdict).values() if row.version == version]
        return rows[::-1][:limit]

    def count_answers(self, version: str) -> int:
        open_now = sum(row.n for row in self.profiles(version))
        return open_now + self._state.judged_answers.get(version, 0)
