"""Moving the champion: the only code that does, inside the caller's unit of work."""

from __future__ import annotations

from datetime import datetime

from tidemill.domain.errors import Conflict, GateRefused, NotFound
from tidemill.domain.events import AliasMoved
from tidemill.domain.ports import UnitOfWork
from tidemill.domain.types import Alias, Verdict


def promote(
    unit: UnitOfWork, verdict: Verdict, *, actor: str, reason: str, at: datetime
) -> str | None:
    """Make the judged version champion and its predecessor previous; return the predecessor.

    Raises GateRefused when the verdict does not allow it, Conflict when the champion is no longer
    the one it was judged against.
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


def rollback(unit: UnitOfWork, *, actor: str, reason: str, at: datetime) -> tuple[str, str]:
    """Swap champion and previous; return (the version now served, the one taken back).

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
    return previous.version, champion.version


def refusal(verdict: Verdict) -> GateRefused:
    """The error that tells why a verdict did not pass."""
    failed = [f"{check.name}: {check.reason}" for check in verdict.checks if not check.passed]
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
