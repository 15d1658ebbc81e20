"""A training takes its engine with it, again and again: 1,000 runs whose engine is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.cases.names import (
    Cycle,
    LoopState,
    ModelVersion,
    Run,
    StartTraining,
    TriggerPolicy,
    decide_step,
)
from tests.cases.verdict import falls_short, require

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = 1_000


def abandoned_run(number: int) -> Run:
    at = AT + timedelta(minutes=number)
    return Run(str(number), "x", "s", 0, {}, {}, {}, at, status="abandoned")


@falls_short("engine", "after 1,000 abandoned trainings one more begins; it must end after a few")
def test_a_training_that_ends_its_engine_is_given_up() -> None:
    champion = ModelVersion("v1", "b", "r", "s", "x", None, AT)
    runs = tuple(abandoned_run(number) for number in range(RUNS))
    ids = tuple(run.id for run in runs)
    cycle = Cycle("c", "x", "feedback", "", "v1", AT, state="training", changed_at=AT, runs=ids)
    state = LoopState(AT + timedelta(days=1), champion, cycle, runs=runs, job="unknown")
    step = decide_step(state, TriggerPolicy(autonomy="automatic"))
    require(
        not isinstance(step, StartTraining),
        f"after {RUNS:,} trainings that took their engine with them the next step is {step.kind}:"
        f" {step.reason[:80]}",
    )
