"""The claims in the order of the story, and how they are judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.demo.claim import Broken, Claim, Outcome
from tidemill.demo.claims import (
    answers_kept,
    champion_trained,
    drift_noticed,
    engine_killed,
    faults_named,
    label_names,
    loop_closed,
    no_false_drift,
    not_untrained,
    poison_refused,
    ready_proved,
    rollback_quarantines,
    same_weights,
    swap_unnoticed,
    tampering_refused,
)
from tidemill.demo.demo_run import Stage
from tidemill.demo.scenario import World
from tidemill.demo.scenarios import WORLDS
from tidemill.domain.errors import TidemillError, UsageError

CLAIMS = (
    faults_named.CLAIM,
    champion_trained.CLAIM,
    ready_proved.CLAIM,
    answers_kept.CLAIM,
    swap_unnoticed.CLAIM,
    label_names.CLAIM,
    not_untrained.CLAIM,
    tampering_refused.CLAIM,
    same_weights.CLAIM,
    no_false_drift.CLAIM,
    drift_noticed.CLAIM,
    loop_closed.CLAIM,
    engine_killed.CLAIM,
    poison_refused.CLAIM,
    rollback_quarantines.CLAIM,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim after its trial."""

    claim: Claim
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Story:
    """All that a demo found out, and the seconds that the whole of it took."""

    seconds: float
    judged: Sequence[Judged] = field(default=())

    @property
    def held(self) -> bool:
        return all(row.outcome.held for row in self.judged)

    def to_json(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "seconds": round(self.seconds, 3),
            "claims": [
                {
                    "id": row.claim.id,
                    "claim": row.claim.sentence,
                    "held": row.outcome.held,
                    "figure": row.outcome.figure,
                }
                for row in self.judged
            ],
        }


def choose(only: str | None) -> tuple[Claim, ...]:
    """All claims, or the one of that id. Raises UsageError."""
    chosen = tuple(claim for claim in CLAIMS if only in (None, claim.id))
    if not chosen:
        known = ", ".join(claim.id for claim in CLAIMS)
        raise UsageError(f"There is no claim {only!r}.", hint=f"Choose one of {known}.")
    return chosen


def place(recipe: str) -> World:
    """The world of that recipe. Raises UsageError."""
    if recipe not in WORLDS:
        known = ", ".join(WORLDS)
        raise UsageError(f"No story is told for {recipe!r}.", hint=f"Choose one of {known}.")
    return WORLDS[recipe]


def tell(
    stage: Stage,
    claims: Sequence[Claim],
    *,
    since: float,
    began: Callable[[Claim], None],
    ended: Callable[[Judged], None],
) -> Story:
    """Try each claim. One that breaks, in whatever way, did not hold, and the story goes on.

    `since` is when the demo began, by the monotonic clock.
    """
    judged = []
    for claim in claims:
        began(claim)
        at = time.monotonic()
        row = Judged(claim, _try(claim, stage), time.monotonic() - at)
        judged.append(row)
        ended(row)
    return Story(time.monotonic() - since, judged)


def _try(claim: Claim, stage: Stage) -> Outcome:
    try:
        return claim.judge(stage)
    except Broken as error:
        return Outcome(False, str(error))
    except TidemillError as error:
        return Outcome(False, f"{error.message} {error.hint}".strip())
    except Exception as error:
        return Outcome(False, f"{type(error).__name__}: {error}")
