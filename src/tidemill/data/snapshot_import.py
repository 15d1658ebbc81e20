"""Import a source as a snapshot: inspect everything, decide, then write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tidemill.data import splits
from tidemill.data.canonical import canonical
from tidemill.data.checks import Finding, find_faults, find_small_classes
from tidemill.data.ignored_files import IgnoredFile
from tidemill.data.inspection import Fingerprints, InspectedExample, Inspection, inspect
from tidemill.data.policy import Resolution, apply_policy, refuse_errors
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source
from tidemill.domain.types import Example, Labels, Snapshot, Split


@dataclass(frozen=True, slots=True)
class SnapshotImport:
    """A new snapshot, with the findings of the checks and the decisions of the policy.

    `notes` say in sentences which rows were skipped; `ignored_files` are those that were not read.
    """

    snapshot: Snapshot
    findings: tuple[Finding, ...]
    excluded: Mapping[str, str]
    relabelled: Mapping[str, Labels]
    notes: tuple[str, ...] = ()
    ignored_files: tuple[IgnoredFile, ...] = ()


def import_snapshot(
    source: Source,
    codec: Fingerprints,
    store: SnapshotStore,
    *,
    recipe: str,
    policy: str,
    near_distance: int,
    minimum_per_class: int,
    at: datetime,
    keep_test: bool = False,
    parent: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> SnapshotImport:
    """Check a source and store the examples that its policy accepts as a snapshot.

    The source is read twice with one payload in memory, so it may be larger than memory. `progress`
    receives the number of finished readings out of `2 * len(source)`. If the store has these rows
    already, the second reading is skipped and nothing is written. Raises DataRefused when the
    policy does not waive a fault, or leaves too few examples of a class. Raises DataError when the
    second reading differs, and what `SnapshotStore.write` raises.
    """
    inspection = inspect(source.examples(), codec, progress=progress)
    findings = find_faults(
        inspection, near_distance=near_distance, minimum_per_class=minimum_per_class
    )
    resolution = apply_policy(inspection, findings, policy, keep_test=keep_test)
    assigned = splits.assign_splits(inspection, near_distance=near_distance)
    rows = _relabelled(inspection, resolution)
    chosen_splits = {
        key: split for key, split in assigned.items() if key not in resolution.excluded
    }
    refuse_errors(
        list(find_small_classes(rows, chosen_splits, minimum_per_class=minimum_per_class))
    )
    snapshot = store.known(
        canonical(row.id, chosen_splits[row.origin], row.labels, row.source)
        for row in rows
        if row.origin in chosen_splits
    )
    if snapshot is None:
        snapshot = store.write(
            _chosen(source, inspection, resolution, assigned, progress),
            recipe=recipe,
            policy=policy,
            parent=parent,
            at=at,
        )
    elif progress is not None:
        progress(2 * len(inspection.rows))
    return SnapshotImport(snapshot, findings, resolution.excluded, resolution.relabelled)


def _relabelled(inspection: Inspection, resolution: Resolution) -> list[InspectedExample]:
    return [
        replace(row, labels=resolution.relabelled.get(row.origin, row.labels))
        for row in inspection.rows
    ]


def _same(row: InspectedExample, example: Example) -> bool:
    return (row.origin, row.id, row.labels, row.split, row.source) == (
        example.origin,
        example.id,
        example.labels,
        example.split,
        example.source,
    )


def _chosen(
    source: Source,
    inspection: Inspection,
    resolution: Resolution,
    assigned: Mapping[str, Split],
    progress: Callable[[int], None] | None,
) -> Iterator[Example]:
    """Yield the decided examples from the second reading, compared with the first."""
    total = len(inspection.rows)
    read = 0
    for read, example in enumerate(source.examples(), start=1):
        row = inspection.rows[read - 1] if read <= total else None
        if row is None or not _same(row, example):
            raise DataError(f"{example.origin} changed while it was being read.")
        if progress is not None:
            progress(total + read)
        if row.origin not in resolution.excluded:
            yield replace(
                example,
                labels=resolution.relabelled.get(row.origin, row.labels),
                split=assigned[row.origin],
            )
    if read < total:
        raise DataError(f"{inspection.rows[read].origin} vanished while it was being read.")
