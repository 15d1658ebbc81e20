"""Find the champion of now in the ledger, and that of a past time in the moves of the alias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidemill.domain.errors import NotFound
from tidemill.domain.events import RecordedEvent
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion


@dataclass(frozen=True, slots=True)
class ChampionAt:
    """The champion at `at`, its predecessor, and the move that made it champion."""

    at: datetime
    champion: str
    previous: str | None
    since: datetime
    actor: str
    reason: str
    verdict: str


def find_champion(unit: UnitOfWork) -> ModelVersion | None:
    """Return the version that is champion now; None before the first promotion."""
    alias = unit.alias("champion")
    return unit.get(ModelVersion, alias.version) if alias else None


def champion_at(events: Sequence[RecordedEvent], at: datetime) -> ChampionAt:
    """Return the champion at `at`, from all events of the alias `champion`, newest first.

    Promotion and rollback make the earlier champion the previous one in the same unit of work, so
    one move records both. Raises NotFound when there was no champion yet.
    """
    moves = [event for event in events if event.kind == "AliasMoved"]
    move = next((event for event in moves if event.at <= at), None)
    if move is None:
        raise NotFound(f"There was no champion at {at.isoformat()}.", hint=_first(moves))
    return ChampionAt(
        at=at,
        champion=move.detail["version"],
        previous=move.detail["before"],
        since=move.at,
        actor=move.actor,
        reason=move.reason,
        verdict=move.detail["verdict"],
    )


def _first(moves: Sequence[RecordedEvent]) -> str:
    if not moves:
        return "There is none yet: `tidemill models promote VERSION` makes one."
    version, at = moves[-1].detail["version"], moves[-1].at
    return f"The first one is {version}, champion since {at.isoformat()}."
