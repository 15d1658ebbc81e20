"""Check data, store it as a snapshot, and count the contents of a snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidemill.data.checks import Finding, find_faults
from tidemill.data.duplicates import Duplicates, count_duplicates
from tidemill.data.ignored_files import IgnoredFile, describe_ignored_files, ignored_files_of
from tidemill.data.inspection import Inspection, inspect
from tidemill.data.markdown import render_markdown
from tidemill.data.notes import notes_of
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.snapshot_import import SnapshotImport, import_snapshot
from tidemill.data.splits import assign_splits
from tidemill.data.statistics import describe_snapshot
from tidemill.domain.errors import NotFound
from tidemill.domain.types import SPLITS, Snapshot
from tidemill.experiment import Experiment
from tidemill.learn.progress import SILENT, Progress
from tidemill.recipes.recipe import Recipe
from tidemill.workspace.parts import WorkspaceParts
from tidemill.workspace.runs import record_snapshot

ClassCounts = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Maps split, target and label to the number of examples."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """The result of a data check, which changes nothing.

    `counts` are those of the splits that an import would choose. `notes` are sentences about what
    the source left out: rows, and the first of the `ignored_files`.
    """

    examples: int
    findings: tuple[Finding, ...]
    duplicates: Duplicates
    counts: ClassCounts
    notes: tuple[str, ...]
    ignored_files: tuple[IgnoredFile, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that prevent a snapshot, unless a policy resolves them."""
        return tuple(row for row in self.findings if row.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that a person should know."""
        return tuple(row for row in self.findings if row.severity == "warning")


class DataPart(WorkspaceParts):
    """The methods of a workspace that read data sets and write snapshots."""

    def check(self, *overrides: str, progress: Progress = SILENT) -> DataReport:
        """Find every known fault of the recipe's data, and change nothing.

        `overrides` are those of the experiment, such as `data=folder` and `data.path=leaves`.
        Raises UsageError for an invalid override, and DataError when there is no data.
        """
        recipe, experiment = self.plan(overrides)
        tree = experiment.tree()
        source = recipe.source(tree, self.samples)
        progress.stage("prepare")
        source.prepare(progress.step)
        ignored_files = ignored_files_of(source)
        progress.stage("check")
        total = len(source)
        inspection = inspect(
            source.examples(),
            recipe.codec(tree),
            progress=lambda done: progress.step(done, total),
        )
        near_distance = experiment.checks.near_distance
        findings = find_faults(
            inspection,
            near_distance=near_distance,
            minimum_per_class=experiment.checks.minimum_per_class,
        )
        return DataReport(
            examples=len(inspection.rows),
            findings=findings,
            duplicates=count_duplicates(inspection),
            counts=_counts(inspection, near_distance),
            notes=(*describe_ignored_files(ignored_files), *notes_of(source)),
            ignored_files=ignored_files,
        )

    def snapshot(self, *overrides: str, progress: Progress = SILENT) -> SnapshotImport:
        """Check the recipe's data and store it as a snapshot, named by its content.

        Raises what `check` raises, DataRefused for faults that the policy does not resolve,
        Conflict for a workspace of another recipe, and StorageFailed.
        """
        recipe, experiment = self.plan(overrides)
        self.create_for(recipe.name)
        return self._import_snapshot(recipe, experiment, progress)

    def list_snapshots(self, *, limit: int = 100) -> list[Snapshot]:
        """Return the snapshots, newest first."""
        with self.ledger.begin(write=False) as unit:
            return unit.latest(Snapshot, limit=limit)

    def describe_snapshot(self, snapshot: str = "") -> dict[str, Any]:
        """Count a snapshot's examples per split and label; see `data.statistics.describe_snapshot`.

        `snapshot` is an id or its beginning; the default is the latest. Raises NotFound.
        """
        return describe_snapshot(self._open_snapshot(snapshot))

    def snapshot_markdown(self, snapshot: str = "") -> str:
        """Return the same figures and a few samples, as Markdown for a pull request.

        Raises NotFound.
        """
        return render_markdown(self._open_snapshot(snapshot))

    def _open_snapshot(self, prefix: str) -> OpenSnapshot:
        known = [row.id for row in self.list_snapshots(limit=10_000)]
        matching = [id for id in known if id.startswith(prefix)]
        if not matching:
            raise NotFound(
                f"There is no snapshot {prefix!r}." if prefix else "There is no snapshot yet.",
                hint="`tidemill data list` shows what there is.",
            )
        return self.snapshots.open(matching[0])

    def _import_snapshot(
        self, recipe: Recipe, experiment: Experiment, progress: Progress
    ) -> SnapshotImport:
        tree, checks = experiment.tree(), experiment.checks
        source = recipe.source(tree, self.samples)
        progress.stage("prepare")
        source.prepare(progress.step)
        ignored_files = ignored_files_of(source)
        # Warn before the check, which may refuse the data because of these files.
        progress.warn(describe_ignored_files(ignored_files))
        progress.stage("check")
        readings = 2 * len(source)
        imported = import_snapshot(
            source,
            recipe.codec(tree),
            self.snapshots,
            recipe=recipe.name,
            policy=checks.policy,
            keep_test=checks.keep_test,
            near_distance=checks.near_distance,
            minimum_per_class=checks.minimum_per_class,
            at=self.clock.now(),
            progress=lambda done: progress.step(done, readings),
        )
        with self.ledger.begin() as unit:
            record_snapshot(unit, imported.snapshot, self.actor)
        return replace(imported, notes=notes_of(source), ignored_files=ignored_files)


def _counts(inspection: Inspection, near_distance: int) -> ClassCounts:
    assigned = assign_splits(inspection, near_distance=near_distance)
    counted: Counter[tuple[str, str, str]] = Counter()
    classes: dict[str, set[str]] = {}
    for row in inspection.rows:
        for target, label in row.labels.items():
            counted[assigned[row.origin], target, label] += 1
            classes.setdefault(target, set()).add(label)
    return {
        split: {
            target: {label: counted[split, target, label] for label in sorted(labels)}
            for target, labels in sorted(classes.items())
        }
        for split in SPLITS
        if split in assigned.values()
    }
