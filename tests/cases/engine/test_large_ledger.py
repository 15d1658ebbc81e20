"""A ledger has 100,000 labels of named items. What do the status and one more label cost?"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from uuid_utils import uuid7

from tests.cases.commands import Cost, measure
from tests.cases.labels import label
from tests.cases.names import SqlLedger, SystemClock, give_feedback, upgrade
from tests.cases.verdict import falls_short, require

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROWS, GIVEN = 100_000, 20


def fill(path: Path, rows: int) -> None:
    """Record one label, then copy its row with the marks of feedback that was learnt from."""
    upgrade(path)
    ledger = SqlLedger.existing(path, SystemClock())
    with ledger.begin() as unit:
        give_feedback(unit, label("e", "a", AT, item="node", answered="b"))
    ledger.close()
    with closing(sqlite3.connect(path)) as db, db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(feedback)") if row[1] != "n"]
        listed, slots = ", ".join(columns), ", ".join("?" * len(columns))
        select = f"SELECT {listed} FROM feedback"  # noqa: S608 - names of the table itself
        insert = f"INSERT INTO feedback ({listed}) VALUES ({slots})"  # noqa: S608
        first = dict(zip(columns, db.execute(select).fetchone(), strict=True))
        first |= {"status": "accepted", "snapshot": "s"}
        for number in range(rows):
            own = {"id": str(uuid7()), "example": f"e{number}", "item": f"node {number}"}
            db.execute(insert, tuple((first | own).values()))


def milliseconds_for_a_label(path: Path) -> float:
    """Processor time of one more label of a new item."""
    ledger, began = SqlLedger.existing(path, SystemClock()), time.process_time()
    with ledger.begin() as unit:
        for at in range(GIVEN):
            row = label(f"new{at}", "a", AT, item=f"new {at}", answered="b", actor="bob")
            give_feedback(unit, row)
    each = (time.process_time() - began) / GIVEN * 1000
    ledger.close()
    return each


def costs(home: Path, rows: int) -> tuple[Cost, float]:
    """What the status costs, and milliseconds for one more label."""
    home.mkdir()
    fill(home / "ledger.sqlite", rows)
    status = measure("loop", "status", home=home)
    assert sum(status.body["feedback"].values()) == rows + 1
    return status, milliseconds_for_a_label(home / "ledger.sqlite")


@falls_short(
    "engine", "100,000 old labels add 1.1 s and 53 MB to the status, and slow each new one"
)
def test_old_labels_cost_nothing_later(tmp_path: Path) -> None:
    small, label_before = costs(tmp_path / "small", 10)
    large, label_after = costs(tmp_path / "large", ROWS)
    seconds, megabytes = large.seconds - small.seconds, large.megabytes - small.megabytes
    require(
        seconds <= 0.3 and megabytes <= 20 and label_after <= 3 * label_before,
        f"{ROWS:,} labels of long ago add {seconds:.1f} s and {megabytes:.0f} MB to the status; one"
        f" more of a named item takes {label_after:.1f} ms in place of {label_before:.1f}",
    )
