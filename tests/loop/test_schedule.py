"""When a round begins, whoever comes late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest

from tidemill.loop.schedule import (
    ORIGIN,
    PERIODS,
    Schedule,
    due_scheduled_run,
    format_moment,
    latest_scheduled_run,
    next_scheduled_run,
)

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


def test_every_schedule_but_never_has_a_period() -> None:
    assert set(PERIODS) == set(get_args(Schedule)) - {"never"}
    assert ORIGIN.weekday() == MONDAY.weekday() == 0


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        ("weekly", MONDAY, MONDAY),
        ("weekly", MONDAY - INSTANT, MONDAY - WEEK),
        ("weekly", MONDAY + WEEK - INSTANT, MONDAY),
        ("weekly", datetime(1969, 12, 31, tzinfo=UTC), ORIGIN - WEEK),
        ("daily", MONDAY + timedelta(hours=23), MONDAY),
        ("hourly", MONDAY + timedelta(minutes=90), MONDAY + timedelta(hours=1)),
        ("weekly", MONDAY.astimezone(timezone(timedelta(hours=-9))), MONDAY),
    ],
)
def test_a_round_begins_at_a_fixed_moment(
    schedule: Schedule, now: datetime, expected: datetime
) -> None:
    assert latest_scheduled_run(schedule, now) == expected
    assert next_scheduled_run(schedule, now) == expected + PERIODS[schedule]


def test_without_a_schedule_no_round_ever_begins() -> None:
    assert latest_scheduled_run("never", MONDAY) is None
    assert next_scheduled_run("never", MONDAY) is None
    assert due_scheduled_run("never", MONDAY, MONDAY - 9 * WEEK) is None


def test_a_round_is_due_once() -> None:
    assert due_scheduled_run("weekly", MONDAY - INSTANT, MONDAY - DAY) is None
    assert due_scheduled_run("weekly", MONDAY, MONDAY - DAY) == MONDAY
    assert due_scheduled_run("weekly", MONDAY + DAY, MONDAY - DAY) == MONDAY
    assert due_scheduled_run("weekly", MONDAY, MONDAY) is None
    assert due_scheduled_run("weekly", MONDAY + DAY, MONDAY + INSTANT) is None
    assert due_scheduled_run("weekly", MONDAY + WEEK - INSTANT, MONDAY) is None


def test_of_three_weeks_without_an_engine_the_latest_round_is_due() -> None:
    late = MONDAY + 3 * WEEK + DAY
    assert due_scheduled_run("weekly", late, MONDAY) == MONDAY + 3 * WEEK
    assert due_scheduled_run("weekly", late, late) is None
    assert due_scheduled_run("weekly", MONDAY + 4 * WEEK, late) == MONDAY + 4 * WEEK


def test_a_late_engine_does_not_shift_the_next_round() -> None:
    assert due_scheduled_run("daily", MONDAY + DAY, MONDAY + timedelta(hours=23)) == MONDAY + DAY


def test_a_clock_that_is_set_back_holds_no_round_twice() -> None:
    handled = MONDAY + timedelta(minutes=5)
    assert due_scheduled_run("weekly", MONDAY - timedelta(hours=1), handled) is None
    assert due_scheduled_run("weekly", MONDAY, handled) is None
    assert due_scheduled_run("weekly", MONDAY + WEEK, handled) == MONDAY + WEEK


def test_a_clock_that_was_far_ahead_once_does_not_end_all_rounds() -> None:
    assert due_scheduled_run("weekly", MONDAY + DAY, MONDAY + 60 * WEEK) == MONDAY


def test_a_date_that_lies_far_ahead_hides_no_other() -> None:
    far, handled = MONDAY + 60 * WEEK, MONDAY + timedelta(minutes=5)
    for seen_to in ((far, handled), (handled, far), (None, far, handled)):
        assert due_scheduled_run("weekly", MONDAY + DAY, *seen_to) is None
        assert due_scheduled_run("weekly", MONDAY - timedelta(hours=1), *seen_to) is None, (
            "set back a little"
        )
        assert due_scheduled_run("weekly", MONDAY + WEEK, *seen_to) == MONDAY + WEEK
    assert due_scheduled_run("weekly", MONDAY + DAY, far, None, far) == MONDAY


def test_a_round_is_named_by_its_moment() -> None:
    assert format_moment(MONDAY) == "2026-01-05 00:00 UTC"
