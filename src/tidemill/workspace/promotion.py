"""Judging a version and moving the champion: load, judge, then apply what was judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from uuid_utils import uuid7

from tidemill.domain.errors import Conflict, DataError, NotFound
from tidemill.domain.events import VerdictRecorded
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Run, Verdict
from tidemill.loop import rollout
from tidemill.loop.evidence import HeldOut, gather
from tidemill.loop.gate import GatePolicy, judge, stricter
from tidemill.loop.rollout import Rollback
from tidemill.predictor import Predictor
from tidemill.workspace.root import Workspace


def judge_version(
    workspace: Workspace,
    name: str,
    *,
    override: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Judge a version against today's champion and record the verdict, passing or not.

    `override` is a person's reason to promote it whatever the gate says; it stands in the verdict.
    Raises what `weigh` raises.
    """
    verdict = replace(weigh(workspace, name, progress=progress), override_reason=override.strip())
    with workspace.ledger.begin() as unit:
        return record(unit, verdict, actor=workspace.actor)


def weigh(
    workspace: Workspace, name: str, *, progress: Callable[[int], None] = lambda _: None
) -> Verdict:
    """Judge a version against today's champion; nothing is recorded yet.

    A champion that cannot be opened is a failed check, so that an override can replace it. Raises
    Conflict when the version is the champion; NotFound, Corrupt when the version or its snapshot
    cannot be opened.
    """
    with workspace.ledger.begin(write=False) as unit:
        version = unit.get(ModelVersion, name)
        run = unit.get(Run, version.run)
        alias = unit.alias("champion")
        champion = unit.get(ModelVersion, alias.version) if alias else None
        policy = _policy(run, unit.get(Run, champion.run) if champion else None)
    if champion and champion.id == version.id:
        raise Conflict(f"{name} is the champion already.")
    snapshot = workspace.snapshots.open(version.snapshot)
    snapshot.verify()
    opponent, fault = _opened(workspace, champion) if champion else (None, "")
    evidence = gather(
        workspace.predictor(version),
        opponent,
        HeldOut(snapshot.classes, snapshot.count("val"), snapshot.rows, snapshot.labels_of),
        progress=progress,
    )
    checks = judge(replace(evidence, champion_fault=fault), policy)
    return Verdict(
        id=str(uuid7()),
        version=version.id,
        champion=champion.id if champion else None,
        passed=all(check.passed for check in checks),
        checks=checks,
        test_uses=0,
        at=workspace.clock.now(),
    )


def record(unit: UnitOfWork, verdict: Verdict, *, actor: str) -> Verdict:
    """Keep a verdict, with the number of times that its snapshot's test was read by now."""
    snapshot = unit.get(ModelVersion, verdict.version).snapshot
    verdict = replace(verdict, test_uses=unit.count_test_uses(snapshot) + 1)
    given = VerdictRecorded(
        actor=actor,
        subject=verdict.id,
        reason=verdict.override_reason,
        version=verdict.version,
        passed=verdict.passed,
    )
    unit.add(verdict, given)
    return verdict


def promote(
    workspace: Workspace,
    name: str,
    *,
    reason: str = "",
    override: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Judge a version and, when the verdict allows it, make it champion.

    Raises GateRefused, with the verdict recorded, and what `judge_version` raises.
    """
    verdict = judge_version(workspace, name, override=override, progress=progress)
    if not verdict.allows:
        raise rollout.refusal(verdict)
    with workspace.ledger.begin() as unit:
        rollout.promote(
            unit,
            verdict,
            actor=workspace.actor,
            reason=override or reason or "passed its gate",
            at=workspace.clock.now(),
        )
    return verdict


def rollback(workspace: Workspace, *, reason: str) -> Rollback:
    """Serve the previous champion again, and quarantine what taught the one taken back."""
    with workspace.ledger.begin() as unit:
        return rollout.rollback(
            unit, actor=workspace.actor, reason=reason, at=workspace.clock.now()
        )


def _policy(run: Run, champion: Run | None) -> GatePolicy:
    """How strictly to judge: as the run's configuration says, and no laxer than its champion's.

    Otherwise a training could lower the bar for itself. Bars of other data do not bind: what a
    thousand painted leaves can show, sixty photographs cannot.
    """
    own = GatePolicy(**run.config["gate"])
    if champion is None or champion.config["data"] != run.config["data"]:
        return own
    return stricter(own, GatePolicy(**champion.config["gate"]))


def _opened(workspace: Workspace, champion: ModelVersion) -> tuple[Predictor | None, str]:
    """The champion, or why it cannot answer even the samples that it was served on."""
    try:
        predictor = workspace.predictor(champion)
        predictor.predict([predictor.decode(row.payload) for row in predictor.bundle.golden[:1]])
    except (DataError, NotFound) as error:
        return None, error.message
    return predictor, ""
