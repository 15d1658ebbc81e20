"""Somebody keeps a copy of a traffic log beside it. Does the engine go on?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cases.names import OpenLoop, pebbles
from tests.cases.verdict import falls_short, require

ANSWERS, LABELS = 250, 300


def copy_log(folder: Path) -> None:
    """Copy the one log in a folder, as a backup does."""
    log = next(folder.glob("*.sqlite"))
    copy = log.with_name("backup-of-today.sqlite")
    with closing(sqlite3.connect(log)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


@falls_short(
    "engine", "beside a copied log nothing is drained, reviewed or judged; the rest must go on"
)
def test_a_copied_log_does_not_stop_the_engine(begin: OpenLoop, home: Path) -> None:
    circle = begin()
    circle.predict(pebbles(50, 60, 0.0))
    circle.settle()
    copy_log(home / "traffic")
    circle.give_feedback(pebbles(LABELS, 61, 1.0), actor="ann")
    circle.predict(pebbles(ANSWERS, 62, 1.0))
    ticks = [circle.tick() for _ in range(6)]
    drained, reviewed = sum(tick.drained for tick in ticks), sum(tick.reviewed for tick in ticks)
    require(
        drained >= ANSWERS and reviewed == LABELS and any(tick.step for tick in ticks),
        f"beside a copied log, {drained} of {ANSWERS} new answers are drained, {reviewed} of"
        f" {LABELS} labels are reviewed, fault: {ticks[-1].fault or 'none'}",
    )
