"""Judge versions and move the champion: load, judge, then apply the verdict."""

from __future__ import annotations

from dataclasses import replace

from uuid_utils import uuid7

from tidemill.domain.errors import Conflict, DataError, NotFound
from tidemill.domain.events import VerdictRecorded
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Run, Verdict
from tidemill.learn.progress import SILENT, Progress
from tidemill.loop import rollout
from tidemill.loop.champion_history import find_champion
from tidemill.loop.evidence import HeldOut, gather
from tidemill.loop.gate import GatePolicy, judge, stricter
from tidemill.loop.rollout import Rollback
from tidemill.predictor import Predictor
from tidemill.workspace.parts import WorkspaceParts


class PromotionPart(WorkspaceParts):
    """The methods of a workspace that judge versions and move the champion."""

    def judge(self, version: str, *, override: str = "", progress: Progress = SILENT) -> Verdict:
        """Judge a version against today's champion and record the verdict, passing or not.

        `override` is a person's reason to promote the version against the gate; the verdict records
        it. Raises what `compute_verdict` raises.
        """
        verdict = self.compute_verdict(version, progress=progress)
        verdict = replace(verdict, override_reason=override.strip())
        with self.ledger.begin() as unit:
            return record_verdict(unit, verdict, actor=self.actor)

    def compute_verdict(self, version: str, *, progress: Progress = SILENT) -> Verdict:
        """Judge a version against today's champion, and record nothing.

        A champion that cannot be opened is a failed check, so that an override can replace it.
        Raises Conflict when the version is the champion. Raises NotFound and Corrupt when the
        version or its snapshot cannot be opened.
        """
        with self.ledger.begin(write=False) as unit:
            challenger = unit.get(ModelVersion, version)
            run = unit.get(Run, challenger.run)
            champion = find_champion(unit)
            policy = _policy(run, unit.get(Run, champion.run) if champion else None)
        if champion and champion.id == challenger.id:
            raise Conflict(f"{version} is the champion already.")
        snapshot = self.snapshots.open(challenger.snapshot)
        snapshot.verify()
        opponent, fault = self._open_champion(champion) if champion else (None, "")
        progress.stage("judge")
        total = snapshot.count("test") + snapshot.count("fresh")
        judged = 0
        progress.step(0, total)

        def count(examples: int) -> None:
            nonlocal judged
            judged += examples
            progress.step(judged, total)

        evidence = gather(
            self.predictor(challenger),
            opponent,
            HeldOut(snapshot.classes, snapshot.count("val"), snapshot.rows, snapshot.labels_of),
            progress=count,
        )
        checks = judge(replace(evidence, champion_fault=fault), policy)
        return Verdict(
            id=str(uuid7()),
            version=challenger.id,
            champion=champion.id if champion else None,
            passed=all(check.passed for check in checks),
            checks=checks,
            test_uses=0,
            at=self.clock.now(),
        )

    def promote(
        self,
        version: str | None = None,
        *,
        reason: str = "",
        override: str = "",
        progress: Progress = SILENT,
    ) -> Verdict:
        """Judge a version and, when the verdict allows it, make it champion.

        The default is the latest version, if it was never champion. Raises NotFound when there is
        none, GateRefused after recording the verdict, and what `judge` raises.
        """
        named = version or self._latest_unpromoted()
        verdict = self.judge(named, override=override, progress=progress)
        if not verdict.allows:
            raise rollout.refusal(verdict)
        with self.ledger.begin() as unit:
            rollout.promote(
                unit,
                verdict,
                actor=self.actor,
                reason=override or reason or "passed its gate",
                at=self.clock.now(),
            )
        return verdict

    def rollback(self, *, reason: str = "rolled back by hand") -> Rollback:
        """Restore the previous champion, and quarantine the feedback of the withdrawn one.

        Raises NotFound when there is no previous champion.
        """
        with self.ledger.begin() as unit:
            return rollout.rollback(unit, actor=self.actor, reason=reason, at=self.clock.now())

    def _latest(self, unit: UnitOfWork) -> ModelVersion:
        for version in unit.latest(ModelVersion, limit=1):
            return version
        raise NotFound(
            f"There is no version in {self.home} yet.", hint="`tidemill train RECIPE` makes one."
        )

    def _latest_unpromoted(self) -> str:
        with self.ledger.begin(write=False) as unit:
            version = self._latest(unit).id
            moves = unit.events(subject="champion", limit=None)
        if any(version in (move.detail["version"], move.detail["before"]) for move in moves):
            raise NotFound(
                f"The latest version, {version}, was promoted already.",
                hint="Name the version to promote; `tidemill models list` shows them.",
            )
        return version

    def _open_champion(self, champion: ModelVersion) -> tuple[Predictor | None, str]:
        """Return the champion, or the reason why it cannot predict even its first golden sample."""
        try:
            predictor = self.predictor(champion)
            predictor.predict(
                [predictor.decode(row.payload) for row in predictor.bundle.golden[:1]]
            )
        except (DataError, NotFound) as error:
            return None, error.message
        return predictor, ""


def record_verdict(unit: UnitOfWork, verdict: Verdict, *, actor: str) -> Verdict:
    """Record a verdict with the number of readings of its snapshot's test split."""
    snapshot = unit.get(ModelVersion, verdict.version).snapshot
    verdict = replace(verdict, test_uses=unit.count_test_uses(snapshot) + 1)
    event = VerdictRecorded(
        actor=actor,
        subject=verdict.id,
        reason=verdict.override_reason,
        version=verdict.version,
        passed=verdict.passed,
    )
    unit.add(verdict, event)
    return verdict


def _policy(run: Run, champion: Run | None) -> GatePolicy:
    """Return the run's gate policy, at least as strict as its champion's.

    Otherwise a training could lower its own requirements. A champion on other data does not count,
    because small data sets cannot meet the requirements of large ones.
    """
    own = GatePolicy(**run.config["gate"])
    if champion is None or champion.config["data"] != run.config["data"]:
        return own
    return stricter(own, GatePolicy(**champion.config["gate"]))
