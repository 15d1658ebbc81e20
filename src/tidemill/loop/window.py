"""The open window of a champion, which the next drift check judges."""

from __future__ import annotations

from datetime import UTC, datetime

from tidemill.domain.drift import Profile
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Alias

BUCKET_S = 60


def bucket(at: datetime) -> datetime:
    """Return the start of the time bucket of a moment."""
    seconds = at.timestamp()
    return datetime.fromtimestamp(seconds - seconds % BUCKET_S, UTC)


def open_profiles(unit: UnitOfWork, champion: Alias) -> list[Profile]:
    """Return the champion's live profiles since it became champion that no check has judged.

    Profiles from an earlier time as champion belong to an older window.
    """
    return unit.profiles(champion.version, since=bucket(champion.at))
