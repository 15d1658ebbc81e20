"""Accepted labels that no model has learnt from, because their cycle came to nothing.

One cycle failed with 150 labels, another was refused because 100 were too few to judge by. The
labels should count until something has learnt from them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
LABELS = 150


def labels_that_count() -> int:
    """How many count a day after the cycle that took them has failed."""
    with MemoryLedger(FixedClock(AT)).begin() as unit:
        texts_labelled(unit, LABELS, AT)
        review_all(unit, LABELS, AT)
        began = AT + timedelta(seconds=5)
        cycle = Cycle("c", "x", "feedback", "", "v1", began, changed_at=began)
        begin_cycle(unit, cycle, actor="engine")
        move_cycle(unit, cycle, "failed", "the disk was full", actor="engine", at=began)
        return read_loop_state(unit, AT + timedelta(days=1)).new_feedback


def cycles_after_refusal(begin: OpenLoop) -> tuple[int, str]:
    """How many cycles 99 more labels come to after a refusal of 100, and what is done next."""
    circle = begin("trigger.feedback=100", "trigger.minimum_new=100")
    circle.give_feedback(pebbles(100, 61, 1.0))
    circle.settle()
    assert [cycle.state for cycle in circle.list_cycles()] == ["refused"]
    circle.give_feedback(pebbles(99, 63, 1.0))
    circle.settle()
    step = circle.tick().step
    return len(circle.list_cycles()), step.reason if step else "nothing"


@falls_short("engine", "labels of a failed or refused cycle count no more; they must until learnt")
def test_labels_count_until_a_model_has_learnt_from_them(begin: OpenLoop) -> None:
    counted, (cycles, reason) = labels_that_count(), cycles_after_refusal(begin)
    require(
        counted == LABELS and cycles > 1,
        f"{counted} of {LABELS} count after a failed cycle; after one that was refused with 100, 99"
        f" more labels give {cycles} cycles: {reason}",
    )
