"""Candidates are refused. What is left of them on disk, and does anything ever remove it?"""

from __future__ import annotations

from pathlib import Path

from tests.cases.names import OpenLoop, flip_half, pebbles
from tests.cases.verdict import falls_short, require

CYCLES, ALLOWED = 8, 5


def kilobytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1000


@falls_short("engine", "eight refused cycles leave 9 snapshots and 9 bundles; five of each may be")
def test_refused_candidates_leave_the_disk(begin: OpenLoop, home: Path) -> None:
    circle = begin("trigger.feedback=60", "trigger.minimum_new=60", "trigger.budget=100")
    before = kilobytes(home / "snapshots")
    for cycle in range(CYCLES):
        circle.give_feedback(flip_half(pebbles(120, 200 + cycle, 0.0)), actor=f"someone {cycle}")
        circle.settle()
    refused = sum(cycle.state == "refused" for cycle in circle.list_cycles())
    assert refused == CYCLES, f"{refused} of {CYCLES} cycles were refused"
    snapshots, bundles = (len(list((home / name).iterdir())) for name in ("snapshots", "bundles"))
    after = kilobytes(home / "snapshots")
    require(
        snapshots <= ALLOWED and bundles <= ALLOWED,
        f"after {refused} refused cycles {snapshots} snapshots ({before} kB before, {after} kB now)"
        f" and {bundles} bundles lie there, though one of each is in use",
    )
