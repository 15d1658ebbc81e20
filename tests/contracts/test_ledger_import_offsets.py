"""What every ledger must do with import offsets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import Conflict
from tidemill.domain.events import FeedbackImported
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.ledger import Ledger, UnitOfWork

Race = Callable[[Callable[[UnitOfWork, str], object]], list[str]]

NOW = FixedClock().now()
FRESH = ImportOffset("rows")
FIRST = ImportOffset("rows", '"2026-01-01"')
SECOND = ImportOffset("rows", '"2026-01-02"', NOW)
PULLED = FeedbackImported(actor="test", subject="rows", rows=3, new=2)


def test_a_import_offset_that_was_never_moved_is_fresh(ledger: Ledger) -> None:
    with ledger.begin(write=False) as unit:
        assert unit.import_offset("rows") == FRESH


def test_a_import_offset_moves_with_its_event(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        unit.move_import_offset(FIRST, expected=FRESH, event=PULLED)
        unit.move_import_offset(SECOND, expected=FIRST, event=PULLED)
    with ledger.begin(write=False) as unit:
        assert unit.import_offset("rows") == SECOND
        assert unit.import_offset("schedule") == ImportOffset("schedule")
        assert [event.detail for event in unit.events(subject="rows")] == [
            {"rows": 3, "new": 2, "left_out": 0}
        ] * 2


@pytest.mark.parametrize("expected", [FRESH, SECOND, ImportOffset("rows", FIRST.position, NOW)])
def test_a_import_offset_that_was_moved_meanwhile_stays(
    ledger: Ledger, expected: ImportOffset
) -> None:
    with ledger.begin() as unit:
        unit.move_import_offset(FIRST, expected=FRESH, event=PULLED)
    with pytest.raises(Conflict, match="moved the import offset rows"), ledger.begin() as unit:
        later = ImportOffset("rows", "9", NOW + timedelta(hours=1))
        unit.move_import_offset(later, expected=expected, event=PULLED)
    with ledger.begin(write=False) as unit:
        assert unit.import_offset("rows") == FIRST
        assert len(unit.events(subject="rows")) == 1


def test_one_of_two_moves_it(ledger: Ledger, race: Race) -> None:
    def move(unit: UnitOfWork, name: str) -> None:
        unit.move_import_offset(ImportOffset("rows", name), expected=FRESH, event=PULLED)

    assert race(move) == ["Conflict", "won"]


def test_a_reader_moves_nothing(ledger: Ledger) -> None:
    with pytest.raises(Conflict, match="for reading"), ledger.begin(write=False) as unit:
        unit.move_import_offset(FIRST, expected=FRESH, event=PULLED)


def test_what_is_undone_is_not_moved(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.begin() as unit:
        unit.move_import_offset(FIRST, expected=FRESH, event=PULLED)
        raise RuntimeError
    with ledger.begin(write=False) as unit:
        assert unit.import_offset("rows") == FRESH
