"""Rounds by the calendar: when one begins, and whether it is still to be held. Pure.

Rounds begin at fixed moments in UTC, counted from one Monday at midnight: an engine that comes late
holds its round late, and the next one is no later for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

Schedule = Literal["never", "hourly", "daily", "weekly"]
"""
hourly   at the full hour
daily    at midnight
weekly   on Monday at midnight
"""
PERIODS: Mapping[Schedule, timedelta] = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
}
ANCHOR = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday."""


def began(schedule: Schedule, now: datetime) -> datetime | None:
    """When the latest round began, at this moment or before it; None without a schedule."""
    if schedule == "never":
        return None
    period = PERIODS[schedule]
    return ANCHOR + (now - ANCHOR) // period * period


def following(schedule: Schedule, now: datetime) -> datetime | None:
    """When the next round begins, after this moment; None without a schedule."""
    latest = began(schedule, now)
    return latest + PERIODS[schedule] if latest else None


def due(schedule: Schedule, now: datetime, since: datetime) -> datetime | None:
    """The latest round if it began after `since`, when rounds were last seen to; else None.

    Of several that nobody held, as when no engine ran for weeks, only the latest is due. A `since`
    that lies more than a round ahead was set by a clock that was ahead once, and counts for
    nothing.
    """
    latest = began(schedule, now)
    if latest is None:
        return None
    ahead = since - now > PERIODS[schedule]
    return latest if ahead or latest > since else None


def moment(at: datetime) -> str:
    """A round's name in a sentence."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
