"""Four cycles are judged on one test set. Does each verdict count how often it was used?

A frozen test set that decides again and again wears out. The count is there to show it.
"""

from __future__ import annotations

from itertools import pairwise

from tests.cases.names import OpenLoop, Verdict, pebbles
from tests.cases.verdict import falls_short, require

CYCLES = 4


@falls_short("judge", "every verdict on one test set calls itself use 2; 1, 2, 3 ... must hold")
def test_each_verdict_counts_one_more_use_of_the_test_set(begin: OpenLoop) -> None:
    circle = begin()
    for cycle in range(CYCLES):
        circle.give_feedback(pebbles(160, 300 + cycle, 1.0), actor="ann")
        circle.settle()
        circle.predict(pebbles(5, 62 + cycle, 1.0))
        circle.settle()
    with circle.workspace.ledger.begin(write=False) as unit:
        uses = [verdict.test_uses for verdict in reversed(unit.latest(Verdict))]
    require(
        len(uses) >= CYCLES and all(after > before for before, after in pairwise(uses)),
        f"{len(uses)} verdicts on one test set call themselves its use number"
        f" {', '.join(map(str, uses))}",
    )
