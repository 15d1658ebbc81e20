"""Users correct wrong answers only. The champion that learnt from them sees the same traffic on.

Its drift reference must look like the traffic, not like the part that was answered wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.cases.names import (
    STONES,
    TARGET,
    Example,
    InProcessLoop,
    ModelVersion,
    OpenLoop,
    Pebble,
    payload_id,
    pebbles,
)
from tests.cases.verdict import falls_short, require

WINDOWS = 4


def traffic(count: int, seed: int) -> Iterator[Example]:
    """Three in four pebbles are ordinary. Each fourth shines, and is another stone."""
    for at, example in enumerate(pebbles(count, seed, 0.0)):
        yield shining(example) if at % 4 == 3 else example


def shining(example: Example) -> Example:
    measured = json.loads(example.payload)
    payload = Pebble(**{**measured, "gloss": measured["gloss"] + 40}).to_bytes()
    stone = STONES[(STONES.index(example.labels[TARGET]) + 1) % len(STONES)]
    return Example(payload_id(payload), payload, {TARGET: stone}, "x", example.origin)


def learn_from_corrections(circle: InProcessLoop) -> int:
    """Give a label for each wrong answer alone, promote what learnt from them, and count them."""
    rows = list(traffic(2000, 61))
    answers = [prediction.answers[0].label for prediction in circle.predict(rows)]
    wrong = [row for row, label in zip(rows, answers, strict=True) if row.labels[TARGET] != label]
    circle.give_feedback(wrong, actor="ann")
    circle.settle()
    with circle.workspace.ledger.begin(write=False) as unit:
        newest = unit.latest(ModelVersion, limit=1)[0]
    if circle.workspace.champion().id == "v1":
        circle.workspace.promote(newest.id, override="a person looked at these labels")
    return len(wrong)


@falls_short(
    "judge", "4 of 4 windows of unchanged traffic are drift, with a PSI of 2.4; none must be"
)
def test_a_champion_that_learnt_from_corrections_sees_no_drift_in_old_traffic(
    begin: OpenLoop,
) -> None:
    circle = begin()
    corrections = learn_from_corrections(circle)
    alarms = []
    for window in range(WINDOWS):
        circle.predict(list(traffic(300, 100 + window)))
        alarms += [tick.drift for tick in circle.settle() if tick.drift and tick.drift.drifted]
    served = circle.workspace.champion().id
    assert served != "v1", "no second version came about"
    worst = [f"{alarm.worst.feature} moved by PSI {alarm.worst.psi:.1f}" for alarm in alarms[:1]]
    require(
        not alarms,
        f"{len(alarms)} of {WINDOWS} windows of unchanged traffic are called drift under {served},"
        f" whose {corrections} new labels were all corrections; {''.join(worst)}",
    )
