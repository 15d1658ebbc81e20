"""Three states that a cycle never leaves by itself, looked at ten years later.

A candidate that nobody approves, a training whose process hangs, and a promoted version that no
server takes up. One cycle is open at a time, so nothing else is learnt meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.cases.names import (
    Cycle,
    LoopState,
    ModelVersion,
    Run,
    TriggerPolicy,
    Wait,
    decide_step,
)
from tests.cases.verdict import falls_short, require

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = BEGAN + timedelta(days=3650)
LABELS = 10_000

OLD = ModelVersion("v1", "b", "r", "s", "x", None, BEGAN)
NEW = replace(OLD, id="v2")
RUN = Run("r", "x", "s", 0, {}, {}, {}, BEGAN)
CYCLE = Cycle("c", "x", "feedback", "", "v1", BEGAN, changed_at=BEGAN)
PROPOSE, AUTOMATIC = TriggerPolicy(), TriggerPolicy(autonomy="automatic")
NOW = LoopState(LATER, OLD, new_feedback=LABELS)

UNAPPROVED = replace(CYCLE, state="awaiting_approval", version="v2")
HANGING = replace(CYCLE, state="training", runs=("r",))
UNSERVED = replace(CYCLE, state="watched", version="v2")
STATES = {
    "a candidate that nobody approves": (replace(NOW, version=NEW, cycle=UNAPPROVED), PROPOSE),
    "a training that hangs": (
        replace(NOW, cycle=HANGING, runs=(RUN,), job="running"),
        AUTOMATIC,
    ),
    "a version that no server takes up": (
        replace(NOW, champion=NEW, version=NEW, cycle=UNSERVED, predecessor_answers=1),
        AUTOMATIC,
    ),
}


@falls_short("engine", "3 of 3 states still wait after ten years; each must end by itself")
def test_no_state_waits_for_ever() -> None:
    waiting = [
        name
        for name, (state, policy) in STATES.items()
        if isinstance(decide_step(state, policy), Wait)
    ]
    require(
        not waiting,
        f"after ten years {len(waiting)} of {len(STATES)} still wait: {', '.join(waiting)}",
    )
