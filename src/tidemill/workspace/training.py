"""Data in, a registered model version out; every step is in the ledger with its event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from uuid_utils import uuid7

from tidemill import provenance
from tidemill.bundle import REFERENCE
from tidemill.data.snapshot_import import SnapshotImport, import_snapshot
from tidemill.domain.errors import Conflict, NotFound, TidemillError
from tidemill.domain.events import (
    RunFailed,
    RunFinished,
    RunStarted,
    SnapshotTaken,
    VersionRegistered,
)
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Run, Snapshot
from tidemill.experiment import Experiment
from tidemill.learn.progress import Progress
from tidemill.learn.training_result import Trainer
from tidemill.recipes.recipe import Recipe, open_recipe
from tidemill.workspace.reference import reference_of
from tidemill.workspace.root import Workspace, open_trainer


@dataclass(frozen=True, slots=True)
class Finished:
    """A training that ended well."""

    run: Run
    version: ModelVersion


def take_snapshot(
    workspace: Workspace,
    recipe: Recipe,
    experiment: Experiment,
    progress: Progress,
) -> SnapshotImport:
    """Check the recipe's data and keep it as a snapshot. Raises DataError, DataRefused."""
    tree = experiment.tree()
    source = recipe.source(tree, workspace.samples)
    progress.stage("prepare")
    source.prepare(progress.step)
    progress.stage("check")
    readings = 2 * len(source)
    intake = import_snapshot(
        source,
        recipe.codec(tree),
        workspace.snapshots,
        recipe=recipe.name,
        policy=experiment.checks.policy,
        keep_test=experiment.checks.keep_test,
        near_distance=experiment.checks.near_distance,
        minimum_per_class=experiment.checks.minimum_per_class,
        at=workspace.clock.now(),
        progress=lambda done: progress.step(done, readings),
    )
    with workspace.ledger.begin() as unit:
        record_snapshot(unit, intake.snapshot, workspace.actor)
    return intake


def train_version(
    workspace: Workspace,
    recipe: Recipe,
    experiment: Experiment,
    snapshot: Snapshot,
    train: Trainer,
    progress: Progress,
) -> Finished:
    """Train on a snapshot and register the bundle. A failure is recorded, then raised."""
    run = new_run(recipe.name, experiment.tree(), snapshot.id, workspace.clock.now())
    with workspace.ledger.begin() as unit:
        start(unit, run, actor=workspace.actor, reason="")
    return finish(workspace, recipe, run, train, progress)


def resume(workspace: Workspace, id: str, progress: Progress) -> Finished:
    """Do the training that the ledger knows as a running run: its recipe, configuration and data.

    Raises NotFound, Conflict when the run is closed already, and what `finish` raises.
    """
    with workspace.ledger.begin(write=False) as unit:
        run = unit.get(Run, id)
    if run.status != "running":
        raise Conflict(f"Run {id} is {run.status} already.")
    return finish(workspace, open_recipe(run.recipe), run, open_trainer(run.recipe), progress)


def new_run(recipe: str, tree: Mapping[str, Any], snapshot: str, at: datetime) -> Run:
    """A training that is about to begin, of the code and in the environment of this process."""
    return Run(
        id=str(uuid7()),
        recipe=recipe,
        snapshot=snapshot,
        seed=tree["seed"],
        config=tree,
        code=provenance.code(Path.cwd()),
        environment=provenance.environment(),
        at=at,
    )


def start(unit: UnitOfWork, run: Run, *, actor: str, reason: str) -> None:
    """Write down that a run begins."""
    started = RunStarted(
        actor=actor, subject=run.id, reason=reason, snapshot=run.snapshot, seed=run.seed
    )
    unit.add(run, started)


def finish(
    workspace: Workspace, recipe: Recipe, run: Run, train: Trainer, progress: Progress
) -> Finished:
    """Do a run that was started, and register its bundle. A failure is recorded, then raised.

    Raises Conflict, and registers nothing, when the run was closed by somebody else meanwhile.
    """
    with workspace.ledger.begin(write=False) as unit:
        champion = unit.alias("champion")
    parent = champion.version if champion else None
    try:
        opened, codec = workspace.snapshots.open(run.snapshot), recipe.codec(run.config)
        trained = train(
            run,
            opened,
            codec,
            description=recipe.description,
            parent=parent,
            scratch=workspace.scratch,
            progress=progress,
        )
        reference = reference_of(trained.files, opened.classes, opened)
        bundle = workspace.bundles.write(recipe.name, {**trained.files, REFERENCE: reference})
        done = replace(run, status="finished", metrics=trained.metrics, weights=trained.weights)
        return Finished(done, _register(workspace, done, bundle, parent))
    except BaseException as error:
        _fail(workspace, run, error)
        raise


def record_snapshot(unit: UnitOfWork, snapshot: Snapshot, actor: str) -> None:
    """Content names a snapshot, so one that is recorded already is the same one."""
    try:
        unit.get(Snapshot, snapshot.id)
    except NotFound:
        unit.add(snapshot, SnapshotTaken(actor=actor, subject=snapshot.id, rows=snapshot.rows))


def _fail(workspace: Workspace, run: Run, error: BaseException) -> None:
    """Record why a run failed. When even that fails, the error says so and remains the cause."""
    said = str(error) or type(error).__name__
    try:
        with workspace.ledger.begin() as unit:
            unit.close_run(
                replace(run, status="failed", error=said),
                RunFailed(actor=workspace.actor, subject=run.id, error=said),
            )
    except TidemillError as second:
        error.add_note(f"The run {run.id} could not be recorded as failed: {second}")


def _register(workspace: Workspace, run: Run, bundle: str, parent: str | None) -> ModelVersion:
    actor = workspace.actor
    with workspace.ledger.begin() as unit:
        unit.close_run(run, RunFinished(actor=actor, subject=run.id, weights=run.weights))
        version = ModelVersion(
            id=unit.next_version(),
            bundle=bundle,
            run=run.id,
            snapshot=run.snapshot,
            recipe=run.recipe,
            parent=parent,
            at=workspace.clock.now(),
        )
        registered = VersionRegistered(actor=actor, subject=version.id, bundle=bundle, run=run.id)
        unit.add(version, registered)
    return version
