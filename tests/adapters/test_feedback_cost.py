"""Labels of a subject that thousands have labelled cost what those of a new subject do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.work import count_calls
from tidemill.adapters.memory import FixedClock
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.feedback import Feedback
from tidemill.loop.feedback import give, review

NOW = FixedClock().now()
LABEL = Feedback("", "p1", "x1", "topic", "", "up", "up", "", NOW)
MANY = 300


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    upgrade(tmp_path / "ledger.sqlite")
    opened = SqlLedger.existing(tmp_path / "ledger.sqlite", FixedClock())
    yield opened
    opened.close()


def give_many(ledger: SqlLedger, first: int, count: int, item: str) -> None:
    with ledger.begin() as unit:
        for at in range(first, first + count):
            who, label = f"person {at}", "up" if at % 3 else "down"
            give(unit, replace(LABEL, id=f"{item}{at}", item=item, actor=who, label=label))


def rows_read(ledger: SqlLedger, first: int, count: int, item: str) -> int:
    """How many records the ledger makes of its rows while so many labels are given."""
    return count_calls(give_many, ledger, first, count, item)["from_row"]


@pytest.mark.parametrize("item", ["", "node 1"])
def test_a_label_reads_no_label_of_other_people(ledger: SqlLedger, item: str) -> None:
    before = rows_read(ledger, 0, 10, item)
    give_many(ledger, 10, MANY, item)
    assert rows_read(ledger, 10 + MANY, 10, item) == before


def test_a_review_reads_the_labels_of_a_subject_once(ledger: SqlLedger) -> None:
    give_many(ledger, 0, MANY, "")

    def decide() -> None:
        with ledger.begin() as unit:
            assert review(unit, "accept_unless_suspicious", actor="e", at=NOW, limit=20) == 20

    # The pending ones, the subject's, and each decided one again for its guard.
    assert count_calls(decide)["from_row"] <= MANY + 4 * 20


def test_the_reason_of_a_rejection_stays_short(ledger: SqlLedger) -> None:
    give_many(ledger, 0, MANY, "")
    with ledger.begin() as unit:
        review(unit, "accept_unless_suspicious", actor="e", at=NOW, limit=1)
    with ledger.begin(write=False) as unit:
        [rejected] = unit.feedback(status="rejected")
    assert rejected.reason.startswith("person 1 says 'up'. person 2 says 'up'.")
    assert rejected.reason.endswith(f"{MANY // 3 * 2 - 5} more reasons.")
