"""The real leaves of BRACOL, from the folder that TIDEMILL_REAL_DATA names."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tidemill.codecs.image import ImageCodec
from tidemill.data.folder import FolderSource
from tidemill.data.snapshot_import import SnapshotImport, import_snapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import DataRefused

REAL = os.environ.get("TIDEMILL_REAL_DATA", "")
COFFEE = Path(REAL) / "coffee"
pytestmark = pytest.mark.skipif(
    not REAL or not COFFEE.is_dir(), reason="TIDEMILL_REAL_DATA names no folder with coffee/"
)


def import_source(folder: Path, root: Path, at: datetime, policy: str = "stop") -> SnapshotImport:
    codec = ImageCodec.from_config(
        {"width": 224, "height": 112, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    )
    return import_snapshot(
        FolderSource(folder, "disease"),
        codec,
        SnapshotStore(root),
        recipe="coffee",
        policy=policy,
        near_distance=6,
        minimum_per_class=5,
        at=at,
    )


def test_the_real_leaves_pass_and_keep_their_splits(tmp_path: Path, at: datetime) -> None:
    first = import_source(COFFEE, tmp_path / "a", at)
    assert first.snapshot.rows == 1685
    assert first.snapshot.splits == {"train": 1180, "val": 253, "test": 252}
    names = ("cercospora", "healthy", "miner", "phoma", "rust")
    assert first.snapshot.classes == {"disease": names}
    assert {finding.severity for finding in first.findings} <= {"warning"}
    SnapshotStore(tmp_path / "a").open(first.snapshot.id).verify()

    assert import_source(COFFEE, tmp_path / "b", at).snapshot.id == first.snapshot.id


def test_each_planted_fault_is_one_error(tmp_path: Path, at: datetime) -> None:
    folder = tmp_path / "coffee"
    shutil.copytree(COFFEE, folder, ignore=shutil.ignore_patterns("index.csv"))
    train = sorted((folder / "train" / "rust").iterdir())
    shutil.copyfile(train[0], folder / "train" / "rust" / "copy.jpg")
    shutil.copyfile(train[1], folder / "train" / "healthy" / "disputed.jpg")
    shutil.copyfile(train[2], folder / "test" / "rust" / "leaked.jpg")
    (folder / "train" / "rust" / "cut.jpg").write_bytes(train[3].read_bytes()[:900])

    with pytest.raises(DataRefused) as raised:
        import_source(folder, tmp_path / "a", at)

    assert sorted(line.rpartition(" ")[2] for line in raised.value.lines) == [
        "[conflict]",
        "[identical]",
        "[leak]",
        "[undecodable]",
    ]
    snapshot = import_source(folder, tmp_path / "a", at, "drop").snapshot
    assert snapshot.splits == {"train": 1178, "val": 253, "test": 253}
