"""Ever more named people label one example. What does one more cost, and what is written?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from tests.cases.labels import label, review_all
from tests.cases.names import SqlLedger, SystemClock, give_feedback, upgrade
from tests.cases.verdict import falls_short, require

AT = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE, STEP = 500, 100


def seconds_for_a_step(ledger: SqlLedger, start: int) -> float:
    """Processor time of the labels of the next hundred people."""
    began = time.process_time()
    with ledger.begin() as unit:
        for at in range(start, start + STEP):
            row = label("leaf", "ab"[at % 2], AT, answered="b", actor=f"actor-{at:05d}")
            give_feedback(unit, row)
    return time.process_time() - began


@falls_short("engine", "500 labels of one example cost 5 times as much each, and 4 s to decide on")
def test_many_labels_of_one_example_cost_what_few_do(tmp_path: Path) -> None:
    upgrade(tmp_path / "ledger.sqlite")
    ledger = SqlLedger.existing(tmp_path / "ledger.sqlite", SystemClock())
    took = [seconds_for_a_step(ledger, start) for start in range(0, PEOPLE, STEP)]
    began = time.process_time()
    with ledger.begin() as unit:
        review_all(unit, PEOPLE, AT)
    reviewed = time.process_time() - began
    with ledger.begin(write=False) as unit:
        longest = max(len(row.reason) for row in unit.feedback(limit=None))
    ledger.close()
    require(
        took[-1] <= 2 * took[0] and reviewed <= 1 and longest <= 500,
        f"{STEP} labels take {took[0]:.2f} s at first and {took[-1]:.2f} s at {PEOPLE}; deciding on"
        f" all takes {reviewed:.1f} s, and the longest reason has {longest} characters",
    )
