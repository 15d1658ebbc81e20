"""The snapshot of a cycle: its champion's data, and the feedback that was accepted by then."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from tidemill.data.growth import Accepted, Growth, grow
from tidemill.domain.cycle import Cycle
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Run
from tidemill.experiment import read_experiment
from tidemill.loop.rollout import ancestry
from tidemill.recipes.recipe import open_recipe
from tidemill.workshop.root import Workshop


def grow_snapshot(workshop: Workshop, cycle: Cycle) -> Growth | None:
    """The data of the cycle's champion with what was accepted until the cycle began.

    None when that adds nothing. Feedback accepted later waits for the next cycle, so that a second
    attempt at this one makes the same snapshot.
    """
    with workshop.ledger.begin(write=False) as unit:
        champion = unit.get(ModelVersion, cycle.champion)
        config = unit.get(Run, champion.run).config
        items = _accepted(unit, champion.snapshot, cycle)
    recipe = open_recipe(cycle.recipe)
    grown = grow(
        workshop.snapshots.open(champion.snapshot),
        [_merged(workshop, example, rows) for example, rows in items.items()],
        recipe.codec(config),
        workshop.snapshots,
        recipe=cycle.recipe,
        near_distance=read_experiment(config).checks.near_distance,
        at=cycle.at,
    )
    return grown if grown.taken else None


def _accepted(unit: UnitOfWork, parent: str, cycle: Cycle) -> dict[str, list[Feedback]]:
    """What the parent has not learnt yet, by example, in the order in which it came."""
    known = ancestry(unit, parent)
    found: dict[str, list[Feedback]] = defaultdict(list)
    for item in unit.feedback(status="accepted", limit=None):
        if item.snapshot not in known and item.settled and item.settled <= cycle.at:
            found[item.example].append(item)
    return found


def _merged(workshop: Workshop, example: str, rows: list[Feedback]) -> Accepted:
    return Accepted(
        feedback=tuple(row.id for row in rows),
        example=example,
        labels={row.target: row.label for row in rows},
        payload=partial(workshop.blobs.get, example),
    )
