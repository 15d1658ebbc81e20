"""Count the contents of a snapshot."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.types import SPLITS


def describe_snapshot(opened: OpenSnapshot) -> dict[str, Any]:
    """Return rows per split and per label of each target, as plain JSON values; no payload is read.

    `{"id", "recipe", "policy", "rows", "unlabelled", "sources": {source: rows},
    "slices": {source: {split: rows}},
    "splits": {split: {"rows": n, "labels": {target: {label: n}}}}}`. Every label of the snapshot is
    listed in every split that has rows, also with 0. `unlabelled` counts rows without any label.
    Raises Corrupt.
    """
    unlabelled = 0
    counts: Counter[tuple[str, str, str]] = Counter()
    slices: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in opened.rows(payloads=False):
        slices[example.source][str(example.split)] += 1
        unlabelled += not example.labels
        for target, label in example.labels.items():
            counts[str(example.split), target, label] += 1
    splits: dict[str, dict[str, Any]] = defaultdict(dict)
    for split in SPLITS:
        if opened.count(split):
            splits[split] = {
                "rows": opened.count(split),
                "labels": {
                    target: {label: counts[split, target, label] for label in labels}
                    for target, labels in opened.classes.items()
                },
            }
    return {
        "id": opened.snapshot.id,
        "recipe": opened.snapshot.recipe,
        "policy": opened.snapshot.policy,
        "rows": opened.snapshot.rows,
        "unlabelled": unlabelled,
        "sources": {source: slices[source].total() for source in sorted(slices)},
        "slices": {source: dict(slices[source]) for source in sorted(slices)},
        "splits": dict(splits),
    }
