"""The claims in the order of the report, and how they are judged: in two lanes at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

from tidemill.demo.claim import Claim, ClaimFailed, Outcome
from tidemill.demo.claims import (
    champion_trained,
    data_faults_reported,
    drift_detected,
    engine_crash_recovered,
    hot_swap_lossless,
    label_flipping_refused,
    loop_closed,
    no_false_drift,
    permuted_labels_refused,
    predictions_durable,
    readiness_checked,
    rollback_quarantines,
    tampering_refused,
    training_reproducible,
    untrained_refused,
)
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.scenario import Scenario
from tidemill.demo.scenarios import SCENARIOS
from tidemill.domain.errors import TidemillError, UsageError

CLAIMS = (
    data_faults_reported.CLAIM,
    champion_trained.CLAIM,
    readiness_checked.CLAIM,
    predictions_durable.CLAIM,
    hot_swap_lossless.CLAIM,
    permuted_labels_refused.CLAIM,
    untrained_refused.CLAIM,
    tampering_refused.CLAIM,
    training_reproducible.CLAIM,
    no_false_drift.CLAIM,
    drift_detected.CLAIM,
    loop_closed.CLAIM,
    engine_crash_recovered.CLAIM,
    label_flipping_refused.CLAIM,
    rollback_quarantines.CLAIM,
)

BY_BEGINNING = (
    champion_trained,
    training_reproducible,
    loop_closed,
    engine_crash_recovered,
    label_flipping_refused,
    predictions_durable,
    readiness_checked,
    drift_detected,
    no_false_drift,
    data_faults_reported,
    permuted_labels_refused,
    untrained_refused,
    tampering_refused,
    hot_swap_lossless,
    rollback_quarantines,
)
"""The order in which claims begin: a free lane takes the next one.

Trainings come first, so that the lanes end together. Claims that are judged alone come last.
"""
LANES = 2
"""Claims that are judged at once. A claim keeps about one processor busy."""


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """A claim, its outcome, and the seconds that the judgement took."""

    claim: Claim
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The judged claims, and the seconds of the whole demo."""

    seconds: float
    judged: Sequence[JudgedClaim] = field(default=())

    @property
    def holds(self) -> bool:
        return all(row.outcome.holds for row in self.judged)

    def to_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        return {
            "seconds": round(self.seconds, 3),
            "claims": [
                {
                    "id": row.claim.id,
                    "claim": row.claim.sentence,
                    "holds": row.outcome.holds,
                    "value": row.outcome.value,
                    "seconds": round(row.seconds, 3),
                }
                for row in self.judged
            ],
        }


def choose_claims(only: str | None) -> tuple[Claim, ...]:
    """Return all claims, or the one with that id. Raises UsageError."""
    chosen = tuple(claim for claim in CLAIMS if only in (None, claim.id))
    if not chosen:
        ids = ", ".join(claim.id for claim in CLAIMS)
        raise UsageError(f"There is no claim {only!r}.", hint=f"Choose one of {ids}.")
    return chosen


def find_scenario(recipe: str) -> Scenario:
    """Return the scenario of a recipe. Raises UsageError."""
    if recipe not in SCENARIOS:
        recipes = ", ".join(SCENARIOS)
        raise UsageError(f"{recipe!r} has no demo.", hint=f"Choose one of {recipes}.")
    return SCENARIOS[recipe]


def judge_claims(
    demo: DemoRun,
    claims: Sequence[Claim],
    *,
    since: float,
    on_begin: Callable[[Claim], None],
    on_end: Callable[[JudgedClaim], None],
) -> DemoReport:
    """Judge the claims in LANES at once; the report has them in the order of `claims`.

    Those that are judged alone follow, one after the other, because they limit seconds. A claim
    that raises anything does not hold, and the others go on. `since` is the beginning of the demo,
    by the monotonic clock. `on_begin` and `on_end` are called on this thread.
    """
    places = {module.CLAIM.id: place for place, module in enumerate(BY_BEGINNING)}
    ordered = sorted(claims, key=lambda claim: places.get(claim.id, len(places)))
    judged: dict[str, JudgedClaim] = {}
    for alone, lanes in ((False, LANES), (True, 1)):
        for event in _judge_in_lanes(demo, [c for c in ordered if c.alone is alone], lanes):
            if isinstance(event, JudgedClaim):
                judged[event.claim.id] = event
                on_end(event)
            else:
                on_begin(event)
    return DemoReport(time.monotonic() - since, [judged[claim.id] for claim in claims])


def _judge_in_lanes(
    demo: DemoRun, claims: Sequence[Claim], lanes: int
) -> Iterator[Claim | JudgedClaim]:
    """Judge claims in threads, and yield each when it begins and when it is judged."""
    waiting = deque(claims)
    events: SimpleQueue[Claim | JudgedClaim] = SimpleQueue()

    def judge_waiting() -> None:
        while claim := _take_next(waiting):
            events.put(claim)
            at = time.monotonic()
            outcome = _judge_claim(claim, demo)
            events.put(JudgedClaim(claim, outcome, time.monotonic() - at))

    # As daemons they do not outlive an interrupt of this thread; their processes end with this one.
    for _ in range(lanes):
        Thread(target=judge_waiting, name="tidemill-lane", daemon=True).start()
    for _ in range(2 * len(claims)):
        yield events.get()


def _take_next(waiting: deque[Claim]) -> Claim | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _judge_claim(claim: Claim, demo: DemoRun) -> Outcome:
    try:
        return claim.judge(demo)
    except ClaimFailed as error:
        return Outcome(False, str(error))
    except TidemillError as error:
        return Outcome(False, f"{error.message} {error.hint}".strip())
    except BaseException as error:  # SystemExit would end the lane, too
        return Outcome(False, f"{type(error).__name__}: {error}")
