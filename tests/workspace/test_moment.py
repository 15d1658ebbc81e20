"""Points in time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidemill.domain.errors import UsageError
from tidemill.workspace.moment import read_moment

NOW = datetime(2026, 11, 29, 14, 30, tzinfo=UTC)
END = datetime(2026, 11, 29, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-29T14:30", NOW),
        (" 2026-11-29 14:30:00 ", NOW),
        ("2026-11-29T14:30Z", NOW),
        ("2026-11-29T15:30+01:00", NOW),
        ("2026-11-28", END.replace(day=28)),
        ("2026-11-29", END),
        ("0001-01-01", END.replace(1, 1, 1)),
    ],
)
def test_a_date_is_its_end_and_a_time_without_offset_is_in_utc(text: str, moment: datetime) -> None:
    result = read_moment(text, now=NOW)
    assert (result, result.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-02-30", "2026-11-29T25:00", "20261129", "2026-W48", "2026-11-29T14:3O"],
)
def test_what_is_no_date_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="neither a date nor a date-time") as refusal:
        read_moment(text, now=NOW)
    assert "2026-11-29T14:30+01:00" in refusal.value.hint


def test_an_offset_that_leads_out_of_the_calendar_is_refused() -> None:
    with pytest.raises(UsageError, match="neither a date nor a date-time"):
        read_moment("0001-01-01T00:00+02:00", now=NOW)


@pytest.mark.parametrize("text", ["2026-11-30", "2026-11-29T14:31", "2026-11-29T14:31+00:00"])
def test_the_future_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="lies in the future"):
        read_moment(text, now=NOW)
