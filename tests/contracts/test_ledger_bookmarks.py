"""What every ledger must do with bookmarks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import Conflict
from tidemill.domain.events import RowsPulled
from tidemill.domain.import_offset import Bookmark
from tidemill.domain.ledger import Ledger, UnitOfWork

Race = Callable[[Callable[[UnitOfWork, str], object]], list[str]]

NOW = FixedClock().now()
FRESH = Bookmark("rows")
FIRST = Bookmark("rows", '"2026-01-01"')
SECOND = Bookmark("rows", '"2026-01-02"', NOW)
PULLED = RowsPulled(actor="test", subject="rows", rows=3, new=2)


def test_a_bookmark_that_was_never_moved_is_fresh(ledger: Ledger) -> None:
    with ledger.begin(write=False) as unit:
        assert unit.bookmark("rows") == FRESH


def test_a_bookmark_moves_with_its_event(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        unit.move_bookmark(FIRST, expected=FRESH, event=PULLED)
        unit.move_bookmark(SECOND, expected=FIRST, event=PULLED)
    with ledger.begin(write=False) as unit:
        assert unit.bookmark("rows") == SECOND
        assert unit.bookmark("schedule") == Bookmark("schedule")
        assert [event.detail for event in unit.events(subject="rows")] == [
            {"rows": 3, "new": 2, "left_out": 0}
        ] * 2


@pytest.mark.parametrize("expected", [FRESH, SECOND, Bookmark("rows", FIRST.place, NOW)])
def test_a_bookmark_that_was_moved_meanwhile_stays(ledger: Ledger, expected: Bookmark) -> None:
    with ledger.begin() as unit:
        unit.move_bookmark(FIRST, expected=FRESH, event=PULLED)
    with pytest.raises(Conflict, match="went on with rows"), ledger.begin() as unit:
        later = Bookmark("rows", "9", NOW + timedelta(hours=1))
        unit.move_bookmark(later, expected=expected, event=PULLED)
    with ledger.begin(write=False) as unit:
        assert unit.bookmark("rows") == FIRST
        assert len(unit.events(subject="rows")) == 1


def test_one_of_two_moves_it(ledger: Ledger, race: Race) -> None:
    def move(unit: UnitOfWork, name: str) -> None:
        unit.move_bookmark(Bookmark("rows", name), expected=FRESH, event=PULLED)

    assert race(move) == ["Conflict", "won"]


def test_a_reader_moves_nothing(ledger: Ledger) -> None:
    with pytest.raises(Conflict, match="for reading"), ledger.begin(write=False) as unit:
        unit.move_bookmark(FIRST, expected=FRESH, event=PULLED)


def test_what_is_undone_is_not_moved(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.begin() as unit:
        unit.move_bookmark(FIRST, expected=FRESH, event=PULLED)
        raise RuntimeError
    with ledger.begin(write=False) as unit:
        assert unit.bookmark("rows") == FRESH
