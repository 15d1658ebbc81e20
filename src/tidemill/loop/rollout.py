"""Move the champion. Only this module does, inside the caller's unit of work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from uuid_utils import uuid7

from tidemill.domain.errors import Conflict, GateRefused, NotFound
from tidemill.domain.events import AliasMoved, VerdictRecorded
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Alias, ModelVersion, Snapshot, Verdict
from tidemill.loop.feedback import settle
from tidemill.loop.transitions import move_cycle


def promote(
    unit: UnitOfWork, verdict: Verdict, *, actor: str, reason: str, at: datetime
) -> str | None:
    """Make the judged version champion and its predecessor previous; return the predecessor.

    Raises GateRefused when the verdict does not allow it, and Conflict when the champion has
    changed since the judgement.
    """
    if not verdict.allows:
        raise refusal(verdict)
    champion, previous = unit.alias("champion"), unit.alias("previous")
    if champion and champion.version == verdict.version:
        raise Conflict(f"{verdict.version} is the champion already.")
    to = Alias("champion", verdict.version, verdict.id, at)
    _move(unit, to, verdict.champion, actor, reason)
    if champion is None:
        return None
    away = Alias("previous", champion.version, champion.verdict, at)
    _move(unit, away, previous.version if previous else None, actor, reason)
    return champion.version


def promote_judged(
    unit: UnitOfWork, version: str, *, actor: str, reason: str, override: str, at: datetime
) -> tuple[Verdict, str | None]:
    """Promote a version by its latest verdict; return that, and the predecessor.

    `override` is a reason to promote it against the verdict, which is then recorded once more with
    that reason. Raises NotFound for an unknown version, GateRefused when the verdict does not allow
    it, and Conflict without a verdict and when the champion has changed since.
    """
    unit.get(ModelVersion, version)
    verdict = next(iter(unit.verdicts(version, limit=1)), None)
    if verdict is None:
        raise Conflict(
            f"{version} has not been judged yet.",
            hint=f"`tidemill models promote {version}` judges it, in the workspace.",
        )
    if override and not verdict.allows:
        verdict = replace(verdict, id=str(uuid7()), override_reason=override, at=at)
        event = VerdictRecorded(
            actor=actor, subject=verdict.id, reason=override, version=version, passed=False
        )
        unit.add(verdict, event)
    why = override or reason or "passed its gate"
    return verdict, promote(unit, verdict, actor=actor, reason=why, at=at)


@dataclass(frozen=True, slots=True)
class Rollback:
    """The restored version, the withdrawn version, and the feedback quarantined with it."""

    champion: str
    previous: str
    quarantined_feedback: tuple[str, ...]


def rollback(unit: UnitOfWork, *, actor: str, reason: str, at: datetime) -> Rollback:
    """Swap champion and previous, and quarantine the feedback that only the withdrawn one learnt.

    Raises NotFound when there is no previous champion.
    """
    champion, previous = unit.alias("champion"), unit.alias("previous")
    if champion is None or previous is None:
        raise NotFound(
            "There is no previous champion to go back to.",
            hint="`tidemill models list` shows every version and its aliases.",
        )
    back = Alias("champion", previous.version, previous.verdict, at)
    away = Alias("previous", champion.version, champion.verdict, at)
    _move(unit, back, champion.version, actor, reason)
    _move(unit, away, previous.version, actor, reason)
    served, taken_back = (
        ancestry(unit, unit.get(ModelVersion, alias.version).snapshot)
        for alias in (previous, champion)
    )
    cycle = unit.cycle()
    if cycle is not None and cycle.version == champion.version:
        # Otherwise the engine, which may not have read it since, would roll back again.
        move_cycle(unit, cycle, "rolled_back", reason, actor=actor, at=at)
    why = f"It taught {champion.version}, which was taken back: {reason}"
    quarantined = quarantine(unit, taken_back - served, actor=actor, reason=why, at=at)
    return Rollback(previous.version, champion.version, quarantined)


def quarantine(
    unit: UnitOfWork, snapshots: Collection[str], *, actor: str, reason: str, at: datetime
) -> tuple[str, ...]:
    """Quarantine the accepted feedback that these snapshots added; return its ids."""
    suspects = [
        item for item in unit.feedback(status="accepted", limit=None) if item.snapshot in snapshots
    ]
    for item in suspects:
        settle(unit, item, "quarantined", reason=reason, actor=actor, at=at)
    return tuple(item.id for item in suspects)


def ancestry(unit: UnitOfWork, snapshot: str | None) -> set[str]:
    """Return a snapshot and all of its ancestors."""
    ancestors: set[str] = set()
    while snapshot is not None and snapshot not in ancestors:
        ancestors.add(snapshot)
        snapshot = unit.get(Snapshot, snapshot).parent
    return ancestors


def refusal(verdict: Verdict) -> GateRefused:
    """Return the error with the reasons of a verdict that did not pass."""
    failed = [f"{verdict.name(check)}: {check.reason}" for check in verdict.failed]
    return GateRefused(
        f"{verdict.version} was refused. {'; '.join(failed)}.",
        hint=f"`tidemill models card {verdict.version}` shows the whole judgement.",
    )


def _move(unit: UnitOfWork, to: Alias, expected: str | None, actor: str, reason: str) -> None:
    event = AliasMoved(
        actor=actor,
        subject=to.name,
        reason=reason,
        version=to.version,
        before=expected,
        verdict=to.verdict,
    )
    unit.move_alias(to, expected=expected, event=event)
