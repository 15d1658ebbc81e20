"""A newer release that knows one more key of a policy trained the champion. Then one goes back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.cases.names import InProcessLoop, open_loops, pebbles
from tests.cases.verdict import falls_short, require

ANSWERS, LABELS, TICKS = 250, 300, 14


def add_unknown_key(home: Path, group: str) -> None:
    """Write a key that this release does not know into the configuration of every run."""
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger, ledger:
        runs = ledger.execute("SELECT id, config FROM runs").fetchall()
        assert runs
        for id, config in runs:
            tree = json.loads(config)
            tree[group]["a_newer_key"] = 1
            ledger.execute("UPDATE runs SET config = ? WHERE id = ?", (json.dumps(tree), id))


def faults(circle: InProcessLoop) -> Iterator[str]:
    """What goes wrong while the engine takes in answers and labels."""
    circle.predict(pebbles(ANSWERS, 60, 1.0))
    circle.give_feedback(pebbles(LABELS, 61, 1.0), actor="ann")
    ticks = [circle.tick() for _ in range(TICKS)]
    reasons = {tick.fault for tick in ticks if tick.fault}
    reasons |= {cycle.reason for cycle in circle.list_cycles() if cycle.state == "failed"}
    drained = sum(tick.drained for tick in ticks)
    for reason in sorted(reasons):
        yield f"{reason} ({drained} of {ANSWERS} answers drained)"


@falls_short("engine", "no tick ends and every cycle fails; an unknown key must be passed over")
def test_a_key_of_a_newer_release_is_passed_over(trained_pebbles: Path, tmp_path: Path) -> None:
    wrong = []
    for group in ("drift", "gate"):
        with open_loops(trained_pebbles, tmp_path / group) as begin:
            add_unknown_key(tmp_path / group, group)
            wrong += [f"{group}: {fault}" for fault in faults(begin())]
    require(not wrong, " ".join(wrong))
