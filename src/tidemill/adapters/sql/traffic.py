"""Drained predictions, their counts and drift verdicts in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, insert, select, update

from tidemill.adapters.sql.records import RecordsPart, as_written
from tidemill.adapters.sql.rows import prediction_from_row, prediction_to_row, profile_from_row
from tidemill.adapters.sql.tables import DRIFT_VERDICTS, PREDICTIONS, PROFILES, TRAFFIC_OFFSETS
from tidemill.domain.drift import DriftVerdict, Profile, RequestKind
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_drain, guard_drift, join_profiles
from tidemill.domain.types import Prediction

OPEN = ""
"""The window of a profile without a drift verdict."""

OpenProfile = tuple[str, RequestKind, datetime]
"""Version, kind and bucket, the key of an open profile."""


class TrafficPart(RecordsPart):
    """Implements `Traffic`."""

    def offset(self, server: str) -> int:
        query = select(TRAFFIC_OFFSETS.c.sequence).where(TRAFFIC_OFFSETS.c.server == server)
        return self._connection.scalar(query) or 0

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
        self._join(profiles)
        self._connection.execute(
            insert(PREDICTIONS), [prediction_to_row(prediction) for prediction in predictions]
        )
        last = predictions[-1].sequence
        if since:
            moved = (
                update(TRAFFIC_OFFSETS)
                .where(TRAFFIC_OFFSETS.c.server == server)
                .values(sequence=last)
            )
            self._connection.execute(moved)
        else:
            self._connection.execute(insert(TRAFFIC_OFFSETS).values(server=server, sequence=last))

    def _join(self, profiles: Iterable[Profile]) -> None:
        """Add counts to the open profiles. All sums are computed before the first write."""
        before: dict[OpenProfile, Profile | None] = {}
        after: dict[OpenProfile, Profile] = {}
        for more in profiles:
            key = (more.version, more.kind, more.bucket)
            if key not in after:
                before[key] = self._open_profile(*key)
            after[key] = join_profiles(after.get(key, before[key]), more)
        for key, profile in after.items():
            counted = {"n": profile.n, "counts": profile.counts}
            if before[key] is None:
                named = dict(zip(("version", "kind", "bucket"), key, strict=True))
                row = {**named, "window": OPEN, **counted}
                self._connection.execute(insert(PROFILES).values(row))
            else:
                self._connection.execute(update(PROFILES).where(_open(*key)).values(counted))

    def _open_profile(self, version: str, kind: str, bucket: datetime) -> Profile | None:
        query = select(PROFILES).where(_open(version, kind, bucket))
        with as_written():
            row = self._connection.execute(query).mappings().first()
            return profile_from_row(dict(row)) if row else None

    def prediction(self, id: str) -> Prediction | None:
        query = select(PREDICTIONS).where(PREDICTIONS.c.id == id)
        with as_written():
            row = self._connection.execute(query).mappings().first()
            return prediction_from_row(dict(row)) if row else None

    def profiles(
        self, version: str, *, kind: str = "live", since: datetime | None = None
    ) -> list[Profile]:
        query = select(PROFILES).where(_open(version, kind)).order_by(PROFILES.c.bucket)
        if since is not None:
            query = query.where(PROFILES.c.bucket >= since)
        with as_written():
            rows = self._connection.execute(query).mappings()
            return [profile_from_row(dict(row)) for row in rows]

    def record_drift_verdict(self, verdict: DriftVerdict, event: Event) -> None:
        guard_drift(verdict, self.profiles(verdict.version, since=verdict.since))
        self.add(verdict, event)
        judged = and_(_open(verdict.version, "live"), PROFILES.c.bucket >= verdict.since)
        self._connection.execute(update(PROFILES).where(judged).values(window=verdict.id))

    def drift_verdicts(self, version: str, *, limit: int = 100) -> list[DriftVerdict]:
        query = select(DRIFT_VERDICTS).where(DRIFT_VERDICTS.c.version == version)
        return self._records(DriftVerdict, query.order_by(DRIFT_VERDICTS.c.n.desc()).limit(limit))

    def count_answers(self, version: str) -> int:
        query = select(func.sum(PROFILES.c.n)).where(
            PROFILES.c.version == version, PROFILES.c.kind == "live"
        )
        return self._connection.scalar(query) or 0


def _open(version: str, kind: str, *bucket: datetime) -> ColumnElement[bool]:
    """Return the condition for open profiles of a version and kind, or for one of their buckets."""
    return and_(
        PROFILES.c.version == version,
        PROFILES.c.kind == kind,
        PROFILES.c.window == OPEN,
        *(PROFILES.c.bucket == moment for moment in bucket),
    )
