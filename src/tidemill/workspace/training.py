"""Train a model version on a snapshot and register it. The ledger records every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidemill.bundle import REFERENCE
from tidemill.data.ignored_files import IgnoredFile
from tidemill.domain.errors import Conflict, TidemillError
from tidemill.domain.events import RunFinished, VersionRegistered
from tidemill.domain.types import ModelVersion, Run, Snapshot, Verdict
from tidemill.evaluation.evaluation import Evaluation
from tidemill.learn.progress import SILENT, Progress
from tidemill.learn.training_result import Trainer
from tidemill.loop.transitions import RunOutcome, close_run
from tidemill.recipes.recipe import Recipe, open_recipe
from tidemill.workspace.data import DataPart
from tidemill.workspace.promotion import PromotionPart
from tidemill.workspace.reference import reference_of
from tidemill.workspace.runs import new_run, start_run
from tidemill.workspace.trainer import open_trainer


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A run that finished, and its registered version.

    `warnings` has a line for each omitted row and each warning of the data check. `ignored_files`
    are the files that were not read. `verdict` is set if the version was promoted at once.
    """

    run: Run
    version: ModelVersion
    warnings: tuple[str, ...] = ()
    ignored_files: tuple[IgnoredFile, ...] = ()
    verdict: Verdict | None = None

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The scores of the version: split to `accuracy`, `macro_f1` and so on."""
        return self.run.metrics


class TrainingPart(DataPart, PromotionPart):
    """The methods of a workspace that make model versions."""

    def train(
        self,
        *overrides: str,
        promote: bool = False,
        snapshot: Snapshot | str | None = None,
        trainer: Trainer | None = None,
        progress: Progress = SILENT,
    ) -> TrainedVersion:
        """Check the data, train on it, and register the resulting version.

        `overrides` are those of the experiment, such as `train.epochs=4`. With `snapshot`, no data
        is imported. `trainer` replaces the recipe's own training. With `promote`, the version is
        judged and made champion. A failure is recorded, then raised: what `snapshot` and `promote`
        raise, Unavailable without a training for the recipe, UsageError for a setting, DataError
        for data that cannot be learnt from, and StorageFailed.
        """
        recipe, experiment = self.plan(overrides)
        # Before any data is read, so that a missing part is reported first.
        train = trainer or open_trainer(recipe.name)
        self.create_for(recipe.name)
        warnings: tuple[str, ...] = ()
        ignored_files: tuple[IgnoredFile, ...] = ()
        if snapshot is None:
            imported = self._import_snapshot(recipe, experiment, progress)
            warnings = (*imported.notes, *(finding.line() for finding in imported.findings))
            ignored_files = imported.ignored_files
            progress.warn(warnings)
            snapshot = imported.snapshot
        id = snapshot if isinstance(snapshot, str) else snapshot.id
        run = new_run(recipe.name, experiment.tree(), id, self.clock.now())
        with self.ledger.begin() as unit:
            start_run(unit, run, actor=self.actor, reason="")
        trained = self._finish(recipe, run, train, progress)
        trained = replace(trained, warnings=warnings, ignored_files=ignored_files)
        if not promote:
            return trained
        return replace(trained, verdict=self.promote(trained.version.id, progress=progress))

    def resume(self, run: str, *, progress: Progress = SILENT) -> TrainedVersion:
        """Do the training of a running run of the ledger with its recipe, settings and data.

        Raises NotFound, Conflict when the run is closed already, and what `train` raises.
        """
        with self.ledger.begin(write=False) as unit:
            started = unit.get(Run, run)
        if started.status != "running":
            raise Conflict(f"Run {run} is {started.status} already.")
        recipe = open_recipe(started.recipe)
        return self._finish(recipe, started, open_trainer(started.recipe), progress)

    def evaluate(self, version: str | None = None) -> Evaluation:
        """Return the scores of a version from its training; the default is the latest version.

        Raises NotFound, StorageFailed when its bundle cannot be read, Corrupt when it is damaged.
        """
        with self.ledger.begin(write=False) as unit:
            registered = unit.get(ModelVersion, version) if version else self._latest(unit)
        return self.bundles.open(registered.bundle).evaluation()

    def _finish(
        self, recipe: Recipe, run: Run, train: Trainer, progress: Progress
    ) -> TrainedVersion:
        """Do a started run and register its bundle. A failure is recorded, then raised.

        Raises Conflict, and registers nothing, when somebody else has closed the run.
        """
        with self.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
        parent = champion.version if champion else None
        try:
            snapshot, codec = self.snapshots.open(run.snapshot), recipe.codec(run.config)
            result = train(
                run,
                snapshot,
                codec,
                description=recipe.description,
                parent=parent,
                scratch=self.scratch,
                progress=progress,
            )
            reference = reference_of(result.files, snapshot.classes, snapshot)
            bundle = self.bundles.write(recipe.name, {**result.files, REFERENCE: reference})
            done = replace(run, status="finished", metrics=result.metrics, weights=result.weights)
            return TrainedVersion(done, self._register(done, bundle, parent))
        except BaseException as error:
            self._record_failure(run, error)
            raise

    def _record_failure(self, run: Run, error: BaseException) -> None:
        """Record why a run failed. If that fails, too, add a note to the error."""
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = str(error) or ("It was interrupted." if interrupted else type(error).__name__)
        try:
            with self.ledger.begin() as unit:
                outcome: RunOutcome = "interrupted" if interrupted else "failed"
                close_run(unit, run.id, outcome, reason, actor=self.actor)
        except TidemillError as second:
            error.add_note(f"The run {run.id} could not be closed: {second}")

    def _register(self, run: Run, bundle: str, parent: str | None) -> ModelVersion:
        with self.ledger.begin() as unit:
            finished = RunFinished(actor=self.actor, subject=run.id, weights=run.weights)
            unit.close_run(run, finished)
            version = ModelVersion(
                id=unit.next_version(),
                bundle=bundle,
                run=run.id,
                snapshot=run.snapshot,
                recipe=run.recipe,
                parent=parent,
                at=self.clock.now(),
            )
            event = VersionRegistered(
                actor=self.actor, subject=version.id, bundle=bundle, run=run.id
            )
            unit.add(version, event)
        return version
