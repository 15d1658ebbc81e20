"""The claims in the order of the demo, and how they are judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    """Judge each claim. A claim that raises anything does not hold, and the next one follows.

    `since` is the beginning of the demo, by the monotonic clock.
    """
    judged = []
    for claim in claims:
        on_begin(claim)
        at = time.monotonic()
        row = JudgedClaim(claim, _judge_claim(claim, demo), time.monotonic() - at)
        judged.append(row)
        on_end(row)
    return DemoReport(time.monotonic() - since, judged)


def _judge_claim(claim: Claim, demo: DemoRun) -> Outcome:
    try:
        return claim.judge(demo)
    except ClaimFailed as error:
        return Outcome(False, str(error))
    except TidemillError as error:
        return Outcome(False, f"{error.message} {error.hint}".strip())
    except Exception as error:
        return Outcome(False, f"{type(error).__name__}: {error}")
