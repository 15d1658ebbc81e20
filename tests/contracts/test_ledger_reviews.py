"""What every ledger must do with feedback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import Conflict, NotFound
from tidemill.domain.events import FeedbackReceived, FeedbackStatusChanged
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.ledger import Ledger, UnitOfWork

NOW = FixedClock().now()
MINUTE = timedelta(minutes=1)
FEEDBACK = Feedback("f1", "p1", "x1", "disease", "leaf 2", "rust", "healthy", "ann", NOW)
GIVEN = FeedbackReceived(actor="ann", subject="f1", example="x1", target="disease", label="rust")
SETTLED = FeedbackStatusChanged(actor="ben", subject="f1", before="pending", status="accepted")
ACCEPTED = replace(FEEDBACK, status="accepted", reason="Ben agrees.", settled_at=NOW)


def give(ledger: Ledger, *items: Feedback) -> None:
    with ledger.begin() as unit:
        for row in items:
            unit.add(row, GIVEN)


@pytest.fixture
def pending_feedback(ledger: Ledger) -> Ledger:
    """One piece of feedback that nobody has decided on."""
    give(ledger, FEEDBACK)
    return ledger


def test_feedback_comes_back_as_it_was(pending_feedback: Ledger) -> None:
    with pending_feedback.begin(write=False) as unit:
        assert unit.get(Feedback, "f1") == FEEDBACK
        assert unit.feedback() == [FEEDBACK]


def test_feedback_comes_oldest_first_and_is_bounded_from_there(ledger: Ledger) -> None:
    give(ledger, *(replace(FEEDBACK, id=f"f{n}") for n in range(105)))
    with ledger.begin(write=False) as unit:
        assert [row.id for row in unit.feedback(limit=2)] == ["f0", "f1"]
        assert [row.id for row in unit.feedback()] == [f"f{n}" for n in range(100)]
        assert len(unit.feedback(limit=None)) == 105


def test_feedback_is_found_by_status_and_by_example(ledger: Ledger) -> None:
    rows = [
        FEEDBACK,
        replace(FEEDBACK, id="f2", example="x2"),
        replace(ACCEPTED, id="f3"),
        replace(ACCEPTED, id="f4", example="x2"),
    ]
    give(ledger, *rows)
    with ledger.begin(write=False) as unit:
        assert unit.feedback(status="pending") == rows[:2]
        assert unit.feedback(example="x2") == [rows[1], rows[3]]
        assert unit.feedback(status="accepted", example="x1") == [rows[2]]
        assert unit.feedback(status="quarantined") == []


def test_feedback_is_found_by_its_giver(ledger: Ledger) -> None:
    rows = [
        FEEDBACK,
        replace(FEEDBACK, id="f2", actor="ben"),
        replace(FEEDBACK, id="f3", actor="ben", client="192.0.2.1"),
        replace(FEEDBACK, id="f4", actor="ben", example="x2"),
    ]
    give(ledger, *rows)
    with ledger.begin(write=False) as unit:
        assert unit.feedback(actor="ben") == rows[1:]
        assert unit.feedback(actor="ben", client="") == [rows[1], rows[3]]
        assert unit.feedback(example="x1", actor="ben", client="192.0.2.1") == [rows[2]]
        assert unit.feedback(actor="cleo") == []


def test_feedback_is_read_page_by_page(ledger: Ledger) -> None:
    rows = [replace(FEEDBACK, id=f"f{n}", actor=("ana", "ben")[n % 2]) for n in range(9)]
    give(ledger, *rows)
    with ledger.begin(write=False) as unit:
        assert unit.feedback(after="f3", limit=2) == rows[4:6]
        assert unit.feedback(after="f3", actor="ben") == rows[5::2]
        assert unit.feedback(after="f8") == []
        with pytest.raises(NotFound, match="no feedback 'f99'"):
            unit.feedback(after="f99")


def test_feedback_is_found_by_its_item_whatever_the_example(ledger: Ledger) -> None:
    rows = [
        FEEDBACK,
        replace(FEEDBACK, id="f2", example="x2"),
        replace(FEEDBACK, id="f3", item="leaf 3"),
        replace(ACCEPTED, id="f4", example="x3", target="age"),
        replace(FEEDBACK, id="f5", item=""),
    ]
    give(ledger, *rows)
    with ledger.begin(write=False) as unit:
        assert unit.feedback(item="leaf 2") == [rows[0], rows[1], rows[3]]
        assert unit.feedback(item="leaf 2", limit=2) == rows[:2]
        assert unit.feedback(item="leaf 2", status="accepted") == [rows[3]]
        assert unit.feedback(item="leaf 2", example="x2") == [rows[1]]
        assert unit.feedback(item="") == [rows[4]]
        assert unit.feedback(item="leaf") == []


def test_settling_replaces_status_reason_and_moment_alone(pending_feedback: Ledger) -> None:
    to = replace(ACCEPTED, label="miner", actor="eve", snapshot="s9")
    with pending_feedback.begin() as unit:
        unit.settle_feedback(to, expected="pending", event=SETTLED)
    with pending_feedback.begin(write=False) as unit:
        assert unit.get(Feedback, "f1") == ACCEPTED
        assert [event.kind for event in unit.events()] == [
            "FeedbackStatusChanged",
            "FeedbackReceived",
        ]


def test_settling_keeps_the_order(ledger: Ledger) -> None:
    give(ledger, FEEDBACK, replace(FEEDBACK, id="f2"))
    with ledger.begin() as unit:
        unit.settle_feedback(ACCEPTED, expected="pending", event=SETTLED)
        assert [row.id for row in unit.feedback()] == ["f1", "f2"]


def test_feedback_is_settled_only_from_where_that_was_decided(pending_feedback: Ledger) -> None:
    with pending_feedback.begin() as unit:
        unit.settle_feedback(ACCEPTED, expected="pending", event=SETTLED)
    rejected = replace(FEEDBACK, status="rejected", settled_at=NOW)
    with pytest.raises(Conflict, match="accepted"), pending_feedback.begin() as unit:
        unit.settle_feedback(rejected, expected="pending", event=SETTLED)
    with pytest.raises(NotFound), pending_feedback.begin() as unit:
        unit.settle_feedback(replace(rejected, id="f9"), expected="pending", event=SETTLED)
    with pending_feedback.begin(write=False) as unit:
        assert unit.feedback() == [ACCEPTED]
        assert len(unit.events()) == 2


def test_accepted_feedback_is_counted_from_a_moment_on(ledger: Ledger) -> None:
    moments = [NOW, NOW + MINUTE, NOW + MINUTE + timedelta(microseconds=1), NOW + 2 * MINUTE]
    give(
        ledger,
        FEEDBACK,
        replace(FEEDBACK, id="f2", status="rejected", settled_at=NOW + 3 * MINUTE),
        *(replace(ACCEPTED, id=f"a{n}", settled_at=moment) for n, moment in enumerate(moments)),
    )
    with ledger.begin(write=False) as unit:
        assert unit.count_accepted_feedback(None) == 4
        assert unit.count_accepted_feedback(NOW - MINUTE) == 4
        assert unit.count_accepted_feedback(NOW) == 3
        assert unit.count_accepted_feedback(NOW + MINUTE) == 2
        assert unit.count_accepted_feedback(NOW + 2 * MINUTE) == 0


def test_the_latest_snapshot_that_took_feedback_is_kept(ledger: Ledger) -> None:
    give(ledger, *(replace(ACCEPTED, id=id) for id in ("f1", "f2", "f3")))
    with ledger.begin() as unit:
        unit.assign_feedback(["f1", "f2"], "s1")
        unit.assign_feedback(["f2"], "s2")
        unit.assign_feedback([], "s3")
    with ledger.begin(write=False) as unit:
        assert [row.snapshot for row in unit.feedback()] == ["s1", "s2", ""]


def test_a_snapshot_takes_only_feedback_that_is_there(ledger: Ledger) -> None:
    give(ledger, ACCEPTED, replace(FEEDBACK, id="f2"))
    with ledger.begin() as unit:
        for ids in (["f1", "f9"], ["f2", "f9"]):
            with pytest.raises(NotFound, match="snapshot s1 is unknown, f9 first"):
                unit.assign_feedback(ids, "s1")
    with ledger.begin(write=False) as unit:
        assert {row.snapshot for row in unit.feedback()} == {""}


@pytest.mark.parametrize("status", ["pending", "rejected", "superseded", "quarantined"])
def test_a_snapshot_takes_only_what_is_still_accepted(
    ledger: Ledger, status: FeedbackStatus
) -> None:
    rows = [replace(ACCEPTED, snapshot="s1"), replace(ACCEPTED, id="f2", status=status)]
    give(ledger, *rows)
    with ledger.begin() as unit, pytest.raises(Conflict, match=f"f2 is {status}, no longer"):
        unit.assign_feedback(["f1", "f2"], "s2")
    with ledger.begin(write=False) as unit:
        assert unit.feedback() == rows


def test_what_was_taken_and_rejected_since_is_not_taken_again(ledger: Ledger) -> None:
    give(ledger, ACCEPTED)
    with ledger.begin() as unit:
        unit.assign_feedback(["f1"], "s1")
        rejected = replace(ACCEPTED, status="rejected")
        unit.settle_feedback(rejected, expected="accepted", event=SETTLED)
        with pytest.raises(Conflict, match="rejected"):
            unit.assign_feedback(["f1"], "s2")
        assert unit.get(Feedback, "f1") == replace(rejected, snapshot="s1")


def test_a_snapshot_may_take_more_than_one_statement_can_name(ledger: Ledger) -> None:
    ids = [f"f{n}" for n in range(40_000)]
    give(ledger, replace(ACCEPTED, id="f0"), replace(ACCEPTED, id="f39999"))
    with pytest.raises(NotFound), ledger.begin() as unit:
        unit.assign_feedback(ids, "s1")
    with ledger.begin() as unit:
        unit.assign_feedback(["f0", "f39999"] * 20_000, "s1")
        assert {row.snapshot for row in unit.feedback()} == {"s1"}


WRITES: dict[str, Callable[[UnitOfWork], None]] = {
    "settle_feedback": lambda unit: unit.settle_feedback(
        ACCEPTED, expected="pending", event=SETTLED
    ),
    "take_feedback": lambda unit: unit.assign_feedback(["f1"], "s1"),
    "take no feedback": lambda unit: unit.assign_feedback([], "s1"),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_reading_unit_refuses_to_write(pending_feedback: Ledger, name: str) -> None:
    with pending_feedback.begin(write=False) as unit, pytest.raises(Conflict, match="for reading"):
        WRITES[name](unit)
    with pending_feedback.begin(write=False) as unit:
        assert unit.feedback() == [FEEDBACK]
