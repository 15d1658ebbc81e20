from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import Corrupt, NotFound
from tidemill.domain.types import Example, Snapshot

Make = Callable[..., Example]
Write = Callable[..., Snapshot]


def folder(store: SnapshotStore, snapshot: Snapshot) -> Path:
    return store.root / snapshot.id


def test_what_is_opened_is_what_was_written(
    store: SnapshotStore, write: Write, crowd: list[Example]
) -> None:
    snapshot = write()
    opened = store.open(snapshot.id)
    assert opened.snapshot == snapshot
    assert opened.classes == snapshot.classes
    assert sorted(opened.rows(), key=lambda one: one.origin) == sorted(
        crowd, key=lambda one: one.origin
    )
    opened.verify()


def test_rows_come_by_split_and_then_in_canonical_order(
    store: SnapshotStore, write: Write, crowd: list[Example]
) -> None:
    opened = store.open(write(shard_rows=3).id)
    order = [(one.split, one.id) for one in opened.rows(payloads=False)]
    assert order == [
        (split, id)
        for split in ("train", "val", "test")
        for id in sorted(one.id for one in crowd if one.split == split)
    ]
    assert [one.id for one in opened.rows("val")] == [id for split, id in order if split == "val"]
    assert [opened.count(split) for split in (None, "train", "test", "fresh")] == [32, 20, 6, 0]


def test_rows_without_payloads_are_light(store: SnapshotStore, write: Write) -> None:
    opened = store.open(write().id)
    assert {one.payload for one in opened.rows(payloads=False)} == {b""}


def test_labels_are_found_by_ids_in_one_pass(
    store: SnapshotStore, write: Write, crowd: list[Example]
) -> None:
    disputed = replace(crowd[0], labels={"disease": "phoma"}, origin="again.txt")
    twin = replace(crowd[1], origin="twin.txt")
    opened = store.open(write([*crowd, disputed, twin], shard_rows=3).id)
    ids = {one.id for one in crowd[:3]} | {"0" * 64}
    labels = opened.labels_of(ids)
    assert set(labels) == {one.id for one in crowd[:3]}
    assert sorted(row["disease"] for row in labels[crowd[0].id]) == ["healthy", "phoma"]
    assert labels[crowd[1].id] == [crowd[1].labels]


def test_what_was_never_written_is_not_found(store: SnapshotStore, write: Write) -> None:
    assert store.list() == ()
    write()
    for id in ("0" * 64, "..", ""):
        with pytest.raises(NotFound):
            store.open(id)


def test_a_flipped_byte_is_found(store: SnapshotStore, write: Write) -> None:
    snapshot = write(compression="none")
    path = folder(store, snapshot) / "val-00000.parquet"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"rust val 1", b"rust val X"))
    with pytest.raises(Corrupt, match=r"Row \d of val-00000\.parquet does not match its id"):
        store.open(snapshot.id).verify()


def test_a_changed_origin_is_found(store: SnapshotStore, write: Write) -> None:
    snapshot = write(compression="none")
    path = folder(store, snapshot) / "val-00000.parquet"
    path.write_bytes(path.read_bytes().replace(b"rust val 1.txt", b"rust val 1.jpg"))
    with pytest.raises(Corrupt, match=r"val-00000\.parquet does not match its digest"):
        store.open(snapshot.id).verify()


def test_a_label_forged_with_its_digest_is_found(
    store: SnapshotStore, write: Write, crowd: list[Example]
) -> None:
    """Whoever rewrites shard and manifest consistently still does not meet the id."""
    honest = write()
    forged = write(
        [
            replace(one, labels={"disease": "rust" if n else "healthy"})
            for n, one in enumerate(crowd)
        ]
    )
    for path in folder(store, forged).iterdir():
        content = path.read_bytes().replace(forged.id.encode(), honest.id.encode())
        (folder(store, honest) / path.name).write_bytes(content)
    with pytest.raises(Corrupt, match="are not those it names"):
        store.open(honest.id).verify()


def test_a_shortened_shard_is_found(store: SnapshotStore, write: Write) -> None:
    snapshot = write()
    path = folder(store, snapshot) / "train-00000.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    opened = store.open(snapshot.id)
    for read in (opened.verify, lambda: list(opened.rows()), lambda: opened.labels_of({"0" * 64})):
        with pytest.raises(Corrupt, match=r"train-00000\.parquet cannot be read"):
            read()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": 31}, "contradicts itself"),
        ({"splits": {"train": 32}}, "contradicts itself"),
        ({"id": "0" * 64}, "contradicts itself"),
        ({"format": 2}, "is not valid: format"),
        ({"surprise": 1}, "is not valid: surprise"),
        ({"shards": [{"file": "../x", "split": "val", "rows": 1, "sha256": "0"}]}, "shards.0.file"),
        ({"at": "2026-03-01T12:00:00"}, "is not valid: at"),
    ],
)
def test_a_changed_manifest_is_corrupt(
    store: SnapshotStore, write: Write, change: dict[str, Any], sentence: str
) -> None:
    snapshot = write()
    path = folder(store, snapshot) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Corrupt, match=sentence):
        store.open(snapshot.id)


def test_labels_that_no_row_has_are_found(store: SnapshotStore, write: Write) -> None:
    snapshot = write()
    path = folder(store, snapshot) / "manifest.json"
    path.write_text(path.read_text().replace('"healthy"', '"sound"'))
    with pytest.raises(Corrupt, match="names labels"):
        store.open(snapshot.id).verify()


@pytest.mark.parametrize("name", ["manifest.json", "train-00000.parquet"])
def test_a_missing_file_is_corrupt(store: SnapshotStore, write: Write, name: str) -> None:
    snapshot = write()
    (folder(store, snapshot) / name).unlink()
    with pytest.raises(Corrupt):
        store.open(snapshot.id)


def test_empty_payloads_are_payloads(
    store: SnapshotStore, write: Write, crowd: list[Example], example: Make
) -> None:
    snapshot = write([*crowd, example(b"", split="val", origin="empty")])
    assert [row.origin for row in store.open(snapshot.id).rows() if not row.payload] == ["empty"]
