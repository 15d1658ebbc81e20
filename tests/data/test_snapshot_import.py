from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tidemill.codecs.image import ImageCodec
from tidemill.data.folder import FolderSource
from tidemill.data.snapshot_import import SnapshotImport, import_snapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import DataError, DataRefused
from tidemill.domain.types import Example

Make = Callable[..., Example]
Listed = Callable[[Sequence[Example]], Any]
Import = Callable[..., SnapshotImport]

SMALL = {"width": 32, "height": 32, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


@pytest.fixture
def import_source(store: SnapshotStore, codec: Any, at: datetime) -> Import:
    def run(source: Any, **choices: Any) -> SnapshotImport:
        settings = {
            "codec": codec,
            "recipe": "leaves",
            "policy": "stop",
            "near_distance": 6,
            "minimum_per_class": 5,
            "at": at,
        } | choices
        return import_snapshot(source, store=store, **settings)

    return run


def test_what_is_sound_is_kept_whole(
    import_source: Import, store: SnapshotStore, source: Listed, crowd: list[Example]
) -> None:
    heard: list[int] = []
    result = import_source(source(crowd), progress=heard.append)
    assert result.snapshot.splits == {"train": 20, "val": 6, "test": 6}
    assert (result.findings, result.excluded, result.relabelled) == (
        (),
        {},
        {},
    )
    assert heard == list(range(1, 65))
    store.open(result.snapshot.id).verify()


def test_what_the_policy_refuses_leaves_no_snapshot(
    import_source: Import, store: SnapshotStore, source: Listed, crowd: list[Example], example: Make
) -> None:
    copy = example("rust train 3 ", "rust", split="test", origin="copy.txt")
    with pytest.raises(DataRefused) as raised:
        import_source(source([*crowd, copy]))
    assert len(raised.value.lines) == 1
    assert store.list() == ()


def test_what_the_policy_drops_is_not_in_the_snapshot(
    import_source: Import, store: SnapshotStore, source: Listed, crowd: list[Example], example: Make
) -> None:
    copy = example("rust train 3 ", "rust", split="test", origin="copy.txt")
    result = import_source(source([*crowd, copy]), policy="drop")
    assert set(result.excluded) == {"rust train 3.txt"}
    assert [finding.kind for finding in result.findings] == ["leak"]
    assert result.snapshot.policy == "drop"
    origins = {one.origin for one in store.open(result.snapshot.id).rows()}
    assert origins == {one.origin for one in crowd} - {"rust train 3.txt"} | {"copy.txt"}


def test_a_relabelled_example_is_kept_under_its_new_label(
    import_source: Import, store: SnapshotStore, source: Listed, crowd: list[Example], example: Make
) -> None:
    votes = [
        example("leaf" + " " * n, label, split="train", origin=f"{n}.txt")
        for n, label in enumerate(["rust", "healthy", "healthy"])
    ]
    result = import_source(source([*crowd, *votes]), policy="majority")
    labels = store.open(result.snapshot.id).labels_of({votes[0].id})
    assert labels == {votes[0].id: [{"disease": "healthy"}]}


def test_a_class_that_the_policy_empties_is_refused(
    import_source: Import, source: Listed, crowd: list[Example], example: Make
) -> None:
    """Five disputed leaves are enough to count, and none of them survives being dropped."""
    held_out = [example(f"{split} p", "phoma", split=split) for split in ("val", "test")]
    sides = [
        example(f"leaf {n}" + " " * blank, label, split="train", origin=f"{n}-{label}.txt")
        for n in range(5)
        for blank, label in enumerate(["phoma", "healthy"])
    ]
    with pytest.raises(DataRefused) as raised:
        import_source(source([*crowd, *held_out, *sides]), policy="drop")
    (line,) = raised.value.lines
    assert "phoma of disease has 0 in train where 5 are needed" in line


def test_unsplit_examples_are_split(import_source: Import, source: Listed, example: Make) -> None:
    leaves = [example(f"leaf {n}", "ab"[n % 2]) for n in range(100)]
    assert set(import_source(source(leaves)).snapshot.splits) == {"train", "val", "test"}


class Shifting:
    """A source whose second reading is another."""

    name = "shifting"

    def __init__(self, *readings: Sequence[Example]) -> None:
        self.readings = list(readings)

    def examples(self) -> Iterator[Example]:
        return iter(self.readings.pop(0))

    def __len__(self) -> int:
        return len(self.readings[0])


def test_a_source_that_changes_between_readings_is_refused(
    import_source: Import, store: SnapshotStore, crowd: list[Example], example: Make
) -> None:
    other = example("another leaf", "healthy", split="train", origin=crowd[0].origin)
    for second, sentence in (
        ([other, *crowd[1:]], f"{other.origin} changed while"),
        ([*crowd, other], f"{other.origin} changed while"),
        (crowd[:-1], f"{crowd[-1].origin} vanished while"),
    ):
        with pytest.raises(DataError, match=sentence):
            import_source(Shifting(crowd, second))
    assert list(store.root.iterdir()) == []


def test_the_same_data_again_is_read_once_and_writes_nothing(
    import_source: Import, store: SnapshotStore, crowd: list[Example], example: Make
) -> None:
    copy = example("rust train 3 ", "rust", split="test", origin="copy.txt")
    first = import_source(Shifting([*crowd, copy], [*crowd, copy]), policy="drop")
    before = store.root.stat().st_mtime_ns
    heard: list[int] = []
    once = Shifting([copy, *crowd])  # a second reading of it would fail
    again = import_source(once, policy="drop", progress=heard.append)
    assert again.snapshot == first.snapshot
    assert set(again.excluded) == {"rust train 3.txt"}
    assert store.root.stat().st_mtime_ns == before  # a staged folder would have come and gone
    assert (heard[:2], heard[-2:]) == ([1, 2], [33, 66])


def test_data_that_comes_from_elsewhere_is_another_snapshot(
    import_source: Import, source: Listed, crowd: list[Example]
) -> None:
    first = import_source(source(crowd))
    moved = [replace(one, source="feedback") for one in crowd]
    assert import_source(source(moved)).snapshot.id != first.snapshot.id
    with pytest.raises(DataError, match="changed while"):
        import_source(Shifting([*moved[:-1], crowd[-1]], moved))


def image(seed: int, format: str = "PNG") -> bytes:
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks).resize((48, 48), Image.Resampling.BICUBIC).save(file, format)
    return file.getvalue()


@pytest.fixture
def leaves(tmp_path: Path) -> Path:
    root = tmp_path / "leaves"
    for label in ("healthy", "rust"):
        (root / label).mkdir(parents=True)
        for number in range(20):
            (root / label / f"{number:02}.png").write_bytes(image(number + 50 * (label > "i")))
    return root


def test_images_in_folders_become_a_snapshot(
    import_source: Import, store: SnapshotStore, leaves: Path
) -> None:
    codec = ImageCodec.from_config(SMALL)
    result = import_source(FolderSource(leaves, "disease"), codec=codec)
    assert result.findings == ()
    assert result.snapshot.rows == 40
    store.open(result.snapshot.id).verify()


def test_planted_faults_are_found_one_by_one(import_source: Import, leaves: Path) -> None:
    codec = ImageCodec.from_config(SMALL)
    (leaves / "rust" / "truncated.png").write_bytes(image(99)[:200])
    (leaves / "rust" / "same.bmp").write_bytes(image(51, "BMP"))
    (leaves / "rust" / "disputed.png").write_bytes(image(2))
    with pytest.raises(DataRefused) as raised:
        import_source(FolderSource(leaves, "disease"), codec=codec)
    assert [line.rpartition(" ")[2] for line in raised.value.lines] == [
        "[undecodable]",
        "[conflict]",
        "[identical]",
    ]
    assert "rust/truncated.png" in raised.value.lines[0]
    assert "healthy/02.png" in raised.value.lines[1]
    assert "rust/01.png, rust/same.bmp" in raised.value.lines[2]


def test_a_kept_test_is_in_the_snapshot_as_the_source_gave_it(
    import_source: Import, store: SnapshotStore, source: Listed, crowd: list[Example], example: Make
) -> None:
    twice = example("rust test 1 ", "healthy", split="test", origin="twice.txt")
    learnt = example("rust test 1  ", "healthy", split="train", origin="learnt.txt")
    rows = [*crowd, twice, learnt]
    imported = import_source(source(rows), policy="majority", keep_test=True)
    assert set(imported.excluded) == {"learnt.txt"}
    test_labels = {
        (row.id, row.labels["disease"]) for row in store.open(imported.snapshot.id).rows("test")
    }
    assert test_labels == {(row.id, row.labels["disease"]) for row in rows if row.split == "test"}
