"""Extend the champion's snapshot by the feedback that a cycle learns from."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial

from tidemill.data.retraining_set import (
    AcceptedLabels,
    RetrainingSet,
    extend_snapshot,
    overlay_labels,
)
from tidemill.domain.cycle import Cycle
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Run
from tidemill.experiment import read_experiment
from tidemill.loop.rollout import ancestry
from tidemill.recipes.recipe import Merging, open_recipe
from tidemill.workspace.workspace import Workspace

REASONS = 3
"""The number of reasons that a message shows."""


class SnapshotExtension:
    """Extends the snapshot of a champion by accepted feedback."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def extend(self, cycle: Cycle) -> RetrainingSet:
        """Return the champion's snapshot, extended by the accepted feedback from before the cycle.

        Feedback from before the cycle's beginning belongs to it, also when it was accepted shortly
        after. Later feedback waits for the next cycle. Raises what `BundleStore.open`,
        `open_recipe` and `data.retraining_set.extend_snapshot` raise.
        """
        workspace = self._workspace
        recipe = open_recipe(cycle.recipe)
        with workspace.ledger.begin(write=False) as unit:
            champion = unit.get(ModelVersion, cycle.champion)
            config = unit.get(Run, champion.run).config
            examples = _accepted(unit, champion.snapshot, cycle)
        return extend_snapshot(
            workspace.snapshots.open(champion.snapshot),
            [self._merge(example, rows) for example, rows in examples.items()],
            # The recipe's codec may need what only a training needs, such as pretrained weights.
            workspace.bundles.open(champion.bundle).codec,
            workspace.snapshots,
            recipe=cycle.recipe,
            near_distance=read_experiment(config).checks.near_distance,
            at=cycle.at,
            merge=recipe.merge_labels if isinstance(recipe, Merging) else overlay_labels,
        )

    def _merge(self, example: str, rows: list[Feedback]) -> AcceptedLabels:
        return AcceptedLabels(
            feedback=tuple(row.id for row in rows),
            example=example,
            labels={row.target: row.label for row in rows},
            payload=partial(self._workspace.blobs.get, example),
        )


def summarize_omissions(retraining: RetrainingSet) -> str:
    """Return the commonest reasons for omitted feedback with their counts, or an empty text."""
    reasons = Counter(retraining.omissions.values()).most_common(REASONS)
    listed = " ".join(f"{n}: {reason}" for reason, n in reasons)
    return f" {len(retraining.omissions)} labels were omitted. {listed}" if listed else ""


def _accepted(unit: UnitOfWork, parent: str, cycle: Cycle) -> dict[str, list[Feedback]]:
    """Return feedback that the parent has not learnt, by example, in the order of arrival."""
    known = ancestry(unit, parent)
    accepted: dict[str, list[Feedback]] = defaultdict(list)
    for row in unit.feedback(status="accepted", limit=None):
        # Also feedback from before the cycle that the next tick accepted.
        if row.snapshot not in known and min(row.at, row.settled_at or row.at) <= cycle.at:
            accepted[row.example].append(row)
    return accepted
