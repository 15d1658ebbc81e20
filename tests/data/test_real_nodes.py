"""The real Cora, from the folder that TIDEMILL_REAL_DATA names."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest

from tidemill.codecs.graph import GraphCodec
from tidemill.data.citation_files import CitationFiles, Parting
from tidemill.data.node_arrays import NodeArrays
from tidemill.data.snapshot_import import SnapshotImport, import_snapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.ports import Source
from tidemill.domain.types import Example

REAL = os.environ.get("TIDEMILL_REAL_DATA", "")
CORA = Path(REAL) / "cora"
pytestmark = pytest.mark.skipif(
    not REAL or not CORA.is_dir(), reason="TIDEMILL_REAL_DATA names no folder with cora/"
)
NAMES = (
    "Theory",
    "Reinforcement_Learning",
    "Genetic_Algorithms",
    "Neural_Networks",
    "Probabilistic_Methods",
    "Case_Based",
    "Rule_Learning",
)
COUNTS = (351, 217, 418, 818, 426, 298, 180)


def import_source(source: Source, root: Path, at: datetime) -> SnapshotImport:
    codec = GraphCodec.from_config({"features": 1433})
    return import_snapshot(
        source,
        codec,
        SnapshotStore(root),
        recipe="cora",
        policy="stop",
        near_distance=0,
        minimum_per_class=5,
        at=at,
    )


def edges(rows: Iterable[Example]) -> int:
    nodes = [node for row in rows for node in json.loads(row.payload)["nodes"]]
    return sum(len(node["links"]) for node in nodes) // 2


@pytest.mark.parametrize("split", ["original", "hash"])
def test_the_published_files_become_a_snapshot(
    tmp_path: Path, at: datetime, split: Parting
) -> None:
    source = CitationFiles(CORA, "topic", features=1433, split=split)
    rows = list(source.examples())
    assert (len(source), len(rows), edges(rows)) == (2708, 2708, 5278)
    counts = Counter(label for row in rows for label in row.labels.values())
    if split == "hash":
        assert counts == dict(zip(NAMES, COUNTS, strict=True))
    taken = import_source(source, tmp_path, at)
    assert taken.snapshot.rows == 2708
    assert set(taken.snapshot.classes["topic"]) == set(NAMES)
    if split == "original":
        labelled = Counter(row.split for row in rows if row.labels)
        assert labelled == {"train": 140, "val": 300, "test": 1000}
        assert taken.snapshot.splits == {"train": 1408, "val": 300, "test": 1000}


def test_the_planetoid_arrays_become_a_snapshot(tmp_path: Path, at: datetime) -> None:
    source = NodeArrays(CORA / "cora_planetoid.npz", "topic", NAMES, features=1433)
    rows = list(source.examples())
    assert (len(source), edges(rows)) == (2708, 5278)
    assert Counter(row.split for row in rows if row.labels) == {
        "train": 140,
        "val": 500,
        "test": 1000,
    }
    # Twenty of each class is how the Planetoid split was made: the names are not turned round.
    assert set(Counter(row.labels["topic"] for row in rows[:140]).values()) == {20}
    taken = import_source(source, tmp_path, at)
    assert taken.snapshot.splits == {"train": 1208, "val": 500, "test": 1000}
