"""Data in, a registered model version out; every step is in the ledger with its event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from uuid_utils import uuid7

from tidemill import provenance
from tidemill.data.intake import Intake, take
from tidemill.domain.errors import NotFound, TidemillError
from tidemill.domain.events import (
    RunFailed,
    RunFinished,
    RunStarted,
    SnapshotTaken,
    VersionRegistered,
)
from tidemill.domain.ports import UnitOfWork
from tidemill.domain.types import ModelVersion, Run, Snapshot
from tidemill.experiment import Experiment
from tidemill.learn.progress import Progress
from tidemill.recipes.recipe import Recipe
from tidemill.workshop.root import Trainer, Workshop


@dataclass(frozen=True, slots=True)
class Finished:
    """A training that ended well."""

    run: Run
    version: ModelVersion


def take_snapshot(
    workshop: Workshop,
    recipe: Recipe,
    experiment: Experiment,
    progress: Progress,
) -> Intake:
    """Check the recipe's data and keep it as a snapshot. Raises DataError, DataRefused."""
    tree = experiment.tree()
    source = recipe.source(tree, workshop.samples)
    progress.stage("prepare")
    source.prepare(progress.step)
    progress.stage("check")
    readings = 2 * len(source)
    intake = take(
        source,
        recipe.codec(tree),
        workshop.snapshots,
        recipe=recipe.name,
        policy=experiment.checks.policy,
        near_distance=experiment.checks.near_distance,
        minimum_per_class=experiment.checks.minimum_per_class,
        at=workshop.clock.now(),
        progress=lambda done: progress.step(done, readings),
    )
    with workshop.ledger.begin() as unit:
        _record(unit, intake.snapshot, workshop.actor)
    return intake


def train_version(
    workshop: Workshop,
    recipe: Recipe,
    experiment: Experiment,
    snapshot: Snapshot,
    trainer: Trainer,
    progress: Progress,
) -> Finished:
    """Train on a snapshot and register the bundle. A failure is recorded, then raised."""
    tree = experiment.tree()
    run = Run(
        id=str(uuid7()),
        recipe=recipe.name,
        snapshot=snapshot.id,
        seed=experiment.seed,
        config=tree,
        code=provenance.code(Path.cwd()),
        environment=provenance.environment(),
        at=workshop.clock.now(),
    )
    with workshop.ledger.begin() as unit:
        started = RunStarted(
            actor=workshop.actor, subject=run.id, snapshot=snapshot.id, seed=run.seed
        )
        unit.add(run, started)
        champion = unit.alias("champion")
    parent = champion.version if champion else None
    try:
        trained = trainer.train(
            run,
            workshop.snapshots.open(snapshot.id),
            recipe.codec(tree),
            trainer.build(tree, snapshot.labels),
            experiment.train,
            description=recipe.description,
            parent=parent,
            scratch=workshop.scratch,
            progress=progress,
        )
        bundle = workshop.bundles.write(recipe.name, trained.files)
        done = replace(run, status="finished", metrics=trained.metrics, weights=trained.weights)
        return Finished(done, _register(workshop, done, bundle, parent))
    except BaseException as error:
        _fail(workshop, run, error)
        raise


def _record(unit: UnitOfWork, snapshot: Snapshot, actor: str) -> None:
    """Content names a snapshot, so one that is recorded already is the same one."""
    try:
        unit.get(Snapshot, snapshot.id)
    except NotFound:
        unit.add(snapshot, SnapshotTaken(actor=actor, subject=snapshot.id, rows=snapshot.rows))


def _fail(workshop: Workshop, run: Run, error: BaseException) -> None:
    """Record why a run failed. When even that fails, the error says so and remains the cause."""
    said = str(error) or type(error).__name__
    try:
        with workshop.ledger.begin() as unit:
            unit.close_run(
                replace(run, status="failed", error=said),
                RunFailed(actor=workshop.actor, subject=run.id, error=said),
            )
    except TidemillError as second:
        error.add_note(f"The run {run.id} could not be recorded as failed: {second}")


def _register(workshop: Workshop, run: Run, bundle: str, parent: str | None) -> ModelVersion:
    actor = workshop.actor
    with workshop.ledger.begin() as unit:
        unit.close_run(run, RunFinished(actor=actor, subject=run.id, weights=run.weights))
        version = ModelVersion(
            id=unit.next_version(),
            bundle=bundle,
            run=run.id,
            snapshot=run.snapshot,
            recipe=run.recipe,
            parent=parent,
            at=workshop.clock.now(),
        )
        registered = VersionRegistered(actor=actor, subject=version.id, bundle=bundle, run=run.id)
        unit.add(version, registered)
    return version
