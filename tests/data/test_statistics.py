from __future__ import annotations

import json
from collections.abc import Callable

from tidemill.data.snapshots import SnapshotStore
from tidemill.data.statistics import describe_snapshot
from tidemill.domain.types import Example, Snapshot

Make = Callable[..., Example]
Write = Callable[..., Snapshot]


def test_statistics_count_every_label_in_every_split(
    store: SnapshotStore, write: Write, crowd: list[Example], example: Make
) -> None:
    snapshot = write([*crowd, example("phoma", "phoma", split="train")])
    statistics = describe_snapshot(store.open(snapshot.id))
    assert json.loads(json.dumps(statistics)) == statistics
    assert statistics == {
        "id": snapshot.id,
        "recipe": "leaves",
        "policy": "stop",
        "rows": 33,
        "unlabelled": 0,
        "sources": {"list": 33},
        "slices": {"list": {"train": 21, "val": 6, "test": 6}},
        "splits": {
            "train": {"rows": 21, "labels": {"disease": {"healthy": 10, "phoma": 1, "rust": 10}}},
            "val": {"rows": 6, "labels": {"disease": {"healthy": 3, "phoma": 0, "rust": 3}}},
            "test": {"rows": 6, "labels": {"disease": {"healthy": 3, "phoma": 0, "rust": 3}}},
        },
    }
