"""The times of rows: as a database returns them, as moments, and as places in an import offset."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal

MOMENT, DATE, NUMBER = "moment", "date", "number"
TimeKind = Literal["text", "number", "date"]

KINDS: dict[type, TimeKind] = {
    str: "text",
    int: "number",
    float: "number",
    Decimal: "number",
    date: "date",
    datetime: "date",
}
"""The types that may hold a time. A database compares values of one kind with each other."""


def moment_of(value: Any) -> datetime | None:
    """Return the time that a value means, or None. Without a zone it is UTC.

    A number is seconds since 1970, a date its midnight.
    """
    if type(value) not in KINDS:
        return None
    try:
        if isinstance(value, int | float | Decimal):
            return datetime.fromtimestamp(float(value), UTC)
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def kind_of(place: str) -> TimeKind:
    """Return the kind of the values that a place is compared with."""
    return KINDS[type(time_at(place))]


def place_of(value: Any) -> str:
    """Return the place of rows with this time; empty for a value that cannot be a time."""
    match value:
        case datetime():
            return json.dumps({MOMENT: value.isoformat()})
        case date():
            return json.dumps({DATE: value.isoformat()})
        case Decimal():
            return json.dumps({NUMBER: str(value)})
        case str() | int() | float() if type(value) in KINDS:
            return json.dumps(value)
        case _:
            return ""


def time_at(place: str) -> Any:
    """Return the value that `place_of` wrote."""
    match json.loads(place):
        case {"moment": text}:
            return datetime.fromisoformat(text)
        case {"date": text}:
            return date.fromisoformat(text)
        case {"number": text}:
            return Decimal(text)
        case value:
            return value
