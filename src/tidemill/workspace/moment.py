"""Read a point in time from a person's text."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

from tidemill.domain.errors import UsageError

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}.*")


def read_moment(text: str, *, now: datetime) -> datetime:
    """Return an ISO date or date-time as a time in UTC.

    A date stands for its last moment in UTC. A date-time without an offset is in UTC. Raises
    UsageError for anything else, and for a time that begins after `now`.
    """
    try:
        begin, moment = _bounds(text.strip())
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is neither a date nor a date-time.",
            hint="Write 2026-11-29, 2026-11-29T14:30 (UTC) or 2026-11-29T14:30+01:00.",
        ) from error
    if begin > now:
        raise UsageError(f"{text} lies in the future.", hint=f"It is {now.isoformat()} now.")
    return moment


def _bounds(text: str) -> tuple[datetime, datetime]:
    """Return the first and the last moment of a date or date-time.

    Raises ValueError, and OverflowError when an offset leads out of the calendar.
    """
    if DATE.fullmatch(text):
        day = date.fromisoformat(text)
        return datetime.combine(day, time.min, UTC), datetime.combine(day, time.max, UTC)
    if not DATE_TIME.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment, moment
