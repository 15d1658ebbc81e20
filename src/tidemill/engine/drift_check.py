"""Check the champion's live traffic for drift when a check is due."""

from __future__ import annotations

from datetime import datetime, timedelta

from uuid_utils import uuid7

from tidemill.domain.drift import DriftVerdict
from tidemill.domain.events import DriftChecked
from tidemill.engine.drain import Drain, Unit
from tidemill.engine.leadership import ACTOR
from tidemill.loop import drift
from tidemill.loop.drift import DriftPolicy
from tidemill.loop.window import open_profiles
from tidemill.workspace.workspace import Workspace


class DriftCheck:
    """Judges the open window of the champion. `unit` opens fenced units."""

    def __init__(self, workspace: Workspace, drain: Drain, unit: Unit) -> None:
        self._workspace = workspace
        self._drain = drain
        self._unit = unit

    def step(self, policy: DriftPolicy, now: datetime) -> DriftVerdict | None:
        """Judge the window and record the verdict; None while it is too small or too early.

        Raises Conflict when the window has changed meanwhile, LeaseLost, and NotFound and Corrupt
        when the champion's reference cannot be opened.
        """
        with self._workspace.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
            if champion is None:
                return None
            last = next(iter(unit.drift_verdicts(champion.version, limit=1)), None)
            # A clock that once ran ahead must not delay the next check.
            if last and timedelta(0) <= now - last.at < timedelta(seconds=policy.every_s):
                return None
            profiles = open_profiles(unit, champion)
        if drift.window(profiles, policy).missing:
            return None
        reference = self._drain.reference(champion.version)
        verdict = drift.judge(
            reference.split(reference.counts),
            reference.n,
            profiles,
            policy,
            id=str(uuid7()),
            at=now,
        )
        if verdict is None:
            return None
        event = DriftChecked(
            actor=ACTOR,
            subject=verdict.id,
            reason=verdict.summary,
            version=verdict.version,
            drifted=verdict.drifted,
        )
        with self._unit() as unit:
            unit.record_drift_verdict(verdict, event)
        return verdict
