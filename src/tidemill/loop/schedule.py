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
ORIGIN = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday."""


def latest_scheduled_run(schedule: Schedule, now: datetime) -> datetime | None:
    """When the latest round began, at this moment or before it; None without a schedule."""
    if schedule == "never":
        return None
    period = PERIODS[schedule]
    return ORIGIN + (now - ORIGIN) // period * period


def next_scheduled_run(schedule: Schedule, now: datetime) -> datetime | None:
    """When the next round begins, after this moment; None without a schedule."""
    latest = latest_scheduled_run(schedule, now)
    return latest + PERIODS[schedule] if latest else None


def due_scheduled_run(
    schedule: Schedule, now: datetime, *seen_to: datetime | None
) -> datetime | None:
    """Return the latest round if it began after all of `seen_to`, when rounds were seen to; else
    None.

    Of several that nobody held, as when no engine ran for weeks, only the latest is due. A date
    that lies more than a round ahead was set by a clock that was ahead once. It counts for nothing,
    and the others still do.
    """
    latest = latest_scheduled_run(schedule, now)
    if latest is None:
        return None
    horizon = now + PERIODS[schedule]
    done = any(latest <= at <= horizon for at in seen_to if at)
    return None if done else latest


def format_moment(at: datetime) -> str:
    """Return a round's name in a sentence."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
