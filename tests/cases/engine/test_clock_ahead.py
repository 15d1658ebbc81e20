"""A clock was ten years ahead once. The last cycle and the champion's alias are dated 2036."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cases.labels import review_all, texts_labelled
from tests.cases.names import (
    Cycle,
    FixedClock,
    MemoryLedger,
    OpenLoop,
    begin_cycle,
    move_cycle,
    pebbles,
    read_loop_state,
)
from tests.cases.verdict import falls_short, require

AT = datetime(2026, 1, 1, tzinfo=UTC)
AHEAD = AT + timedelta(days=3650)
LABELS, ANSWERS = 300, 500


def labels_that_count() -> int:
    """New labels that count after a cycle that ended in 2036."""
    with MemoryLedger(FixedClock(AT)).begin() as unit:
        cycle = Cycle("c", "x", "feedback", "", "v1", AHEAD, changed_at=AHEAD)
        begin_cycle(unit, cycle, actor="engine")
        move_cycle(unit, cycle, "settled", "it answered", actor="engine", at=AHEAD)
        texts_labelled(unit, LABELS, AT)
        review_all(unit, LABELS, AT)
        return read_loop_state(unit, AT + timedelta(days=30)).new_feedback


def drift_verdicts(begin: OpenLoop, home: Path) -> int:
    """Drift verdicts on shifted traffic of a champion that was promoted in 2036."""
    circle = begin()
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger, ledger:
        moved = ledger.execute("UPDATE aliases SET at = '2036-01-01 00:00:00.000000'")
        assert moved.rowcount
    circle.predict(pebbles(ANSWERS, 60, 1.0))
    return sum(tick.drift is not None for tick in circle.settle())


@falls_short(
    "engine", "one date in 2036 stops labels and drift verdicts until then; both must go on"
)
def test_a_date_in_the_future_does_not_stop_the_loop(begin: OpenLoop, home: Path) -> None:
    labels, verdicts = labels_that_count(), drift_verdicts(begin, home)
    require(
        labels == LABELS and verdicts > 0,
        f"{labels} of {LABELS} new labels count, and {ANSWERS} shifted answers get {verdicts} drift"
        " verdicts, until 2036",
    )
