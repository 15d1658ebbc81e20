"""Scheduled runs: their times, and whether one is due. Pure.

They have fixed times in UTC, counted from a Monday at midnight. An engine that starts late does its
run late, and the next one has its usual time.
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
    """Return the time of the latest scheduled run up to this moment; None without a schedule."""
    if schedule == "never":
        return None
    period = PERIODS[schedule]
    return ORIGIN + (now - ORIGIN) // period * period


def next_scheduled_run(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the time of the next scheduled run after this moment; None without a schedule."""
    latest = latest_scheduled_run(schedule, now)
    return latest + PERIODS[schedule] if latest else None


def due_scheduled_run(
    schedule: Schedule, now: datetime, *seen_to: datetime | None
) -> datetime | None:
    """Return the time of the latest scheduled run, unless one of `seen_to` is later; else None.

    `seen_to` are the times at which runs were last handled. If several runs were missed, because no
    engine ran for weeks, only the latest is due. A time more than one period ahead comes from a
    clock that once ran ahead, and is ignored.
    """
    latest = latest_scheduled_run(schedule, now)
    if latest is None:
        return None
    horizon = now + PERIODS[schedule]
    done = any(latest <= at <= horizon for at in seen_to if at)
    return None if done else latest


def format_moment(at: datetime) -> str:
    """Return the time of a scheduled run for a sentence."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
