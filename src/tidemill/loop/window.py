"""The open window of a champion: what the next drift check judges, whoever asks for it."""

from __future__ import annotations

from datetime import UTC, datetime

from tidemill.domain.drift import Profile
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Alias

BUCKET_S = 60


def bucket(at: datetime) -> datetime:
    """Return the start of the stretch of time that a moment belongs to."""
    seconds = at.timestamp()
    return datetime.fromtimestamp(seconds - seconds % BUCKET_S, UTC)


def open_profiles(unit: UnitOfWork, champion: Alias) -> list[Profile]:
    """What the champion saw of clients since it became champion, and no check has judged.

    What it saw before it was champion this time is another window, and an old one.
    """
    return unit.profiles(champion.version, since=bucket(champion.at))
