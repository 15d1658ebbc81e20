from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tidemill.data.canonical import canonical_row
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import Corrupt, DataError, StorageFailed
from tidemill.domain.types import Example, Snapshot, payload_id

Make = Callable[..., Example]
Write = Callable[..., Snapshot]


def folder(store: SnapshotStore, snapshot: Snapshot) -> Path:
    return store.root / snapshot.id


def test_a_record_says_what_was_written(write: Write, at: datetime) -> None:
    snapshot = write(parent="f" * 64)
    assert snapshot.rows == 32
    assert snapshot.splits == {"train": 20, "val": 6, "test": 6}
    assert snapshot.classes == {"disease": ("healthy", "rust")}
    assert (snapshot.recipe, snapshot.policy) == ("leaves", "stop")
    assert (snapshot.parent, snapshot.at) == ("f" * 64, at)


def test_the_id_is_the_digest_of_the_canonical_rows(write: Write, crowd: list[Example]) -> None:
    lines = sorted(
        f'["{one.id}",{{"disease":"{one.labels["disease"]}"}},"{one.split}","list"]\n'
        for one in crowd
    )
    assert write().id == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize(("shard_rows", "compression"), [(1, "none"), (7, "snappy"), (50, "zstd")])
def test_the_files_are_no_part_of_the_id(
    tmp_path: Path, crowd: list[Example], at: datetime, shard_rows: int, compression: Any
) -> None:
    shuffled = list(crowd)
    random.Random(3).shuffle(shuffled)
    renamed = [replace(one, origin=f"{n}.jpg") for n, one in enumerate(shuffled)]
    store, other = SnapshotStore(tmp_path / "a"), SnapshotStore(tmp_path / "b")
    first = store.write(crowd, recipe="a", policy="stop", parent=None, at=at)
    second = other.write(
        renamed,
        recipe="b",
        policy="drop",
        parent=first.id,
        at=at.replace(year=2027),
        shard_rows=shard_rows,
        compression=compression,
    )
    assert second.id == first.id
    order = [one.id for one in store.open(first.id).rows()]
    assert [one.id for one in other.open(first.id).rows()] == order


@pytest.mark.parametrize(
    "change", [{"split": "val"}, {"labels": {"disease": "phoma"}}, {"source": "feedback"}]
)
def test_every_part_of_a_row_is_part_of_the_id(
    write: Write, crowd: list[Example], change: dict[str, Any]
) -> None:
    assert write([replace(crowd[0], **change), *crowd[1:]]).id != write().id


def test_the_same_rows_are_kept_once(store: SnapshotStore, write: Write) -> None:
    first = write()
    before = {path: path.stat().st_mtime_ns for path in folder(store, first).iterdir()}
    again = write(recipe="other", shard_rows=2)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in folder(store, first).iterdir()} == before
    assert store.list() == (first.id,)


def test_a_row_may_come_twice(store: SnapshotStore, write: Write, crowd: list[Example]) -> None:
    snapshot = write([*crowd, replace(crowd[0], origin="copy.txt")])
    assert snapshot.rows == 33
    store.open(snapshot.id).verify()


def test_large_payloads_close_a_shard_early(store: SnapshotStore, write: Write) -> None:
    opened = store.open(write(shard_bytes=29).id)
    sizes = [sum(len(one.payload) for one in opened.rows(split)) for split in ("train", "val")]
    assert sizes == [270, 69]
    assert all(shard.rows <= 2 for shard in opened.manifest.shards)
    opened.verify()


def test_memory_holds_one_shard_of_payloads(store: SnapshotStore, write: Write) -> None:
    def rows() -> Iterator[Example]:
        for number in range(400):
            payload = f"{number:<100000}".encode()
            yield Example(payload_id(payload), payload, {"t": "a"}, "s", str(number), "train")

    tracemalloc.start()
    try:
        snapshot = write(rows(), shard_bytes=5_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert snapshot.rows == 400
    assert peak < 7_000_000


def test_anyone_can_read_the_shards(store: SnapshotStore, write: Write) -> None:
    table = pq.read_table(folder(store, write()) / "train-00000.parquet")
    assert table.column_names == ["id", "payload", "labels", "split", "source", "origin"]
    assert table.num_rows == 20


def test_a_failing_source_leaves_nothing(
    store: SnapshotStore, write: Write, crowd: list[Example]
) -> None:
    def rows() -> Iterator[Example]:
        yield from crowd[:9]
        raise DataError("the network is gone")

    with pytest.raises(DataError, match="the network is gone"):
        write(rows())
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"split": None}, "has no split"), ({"id": "0" * 64}, "is not the digest")],
)
def test_an_unsound_row_leaves_nothing(
    store: SnapshotStore,
    write: Write,
    crowd: list[Example],
    change: dict[str, Any],
    sentence: str,
) -> None:
    with pytest.raises(DataError, match=sentence):
        write([*crowd[:5], replace(crowd[5], **change)])
    assert list(store.root.iterdir()) == []


def test_no_rows_are_no_snapshot(store: SnapshotStore, write: Write) -> None:
    with pytest.raises(DataError, match="at least one example"):
        write([])
    assert list(store.root.iterdir()) == []


def test_a_root_that_is_a_file_cannot_be_written(tmp_path: Path, write: Write) -> None:
    (tmp_path / "snapshots").write_text("in the way")
    with pytest.raises(StorageFailed, match="Could not write below"):
        write()


OVER_LIMIT = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from tidemill.data.canonical import canonical_row
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import StorageFailed
from tidemill.domain.types import Example, payload_id

def rows():
    for number in range(64):
        payload = number.to_bytes(2, "big") * int(sys.argv[3])
        yield Example(payload_id(payload), payload, {"t": "a"}, "s", "o" * 4000, "train")

limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    SnapshotStore(Path(sys.argv[1])).write(
        rows(), recipe="r", policy="stop", parent=None, at=datetime.now(UTC), compression="none"
    )
except StorageFailed as error:
    print(error.message)
    sys.exit(4)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to set")
@pytest.mark.parametrize(
    ("limit", "half"),
    [(100_000, 2_500), (100_000, 1)],
    ids=["while payloads are spooled", "while a shard is written"],
)
def test_a_full_disk_leaves_nothing(tmp_path: Path, limit: int, half: int) -> None:
    # The second case has tiny payloads and long origins: the spool fits, the shard does not.
    root = tmp_path / "snapshots"
    # A measurement of coverage could not write its own file under the limit either.
    variables = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OVER_LIMIT, str(root), str(limit), str(half)],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (4, "")
    assert "File too large" in done.stdout
    assert list(root.iterdir()) == []


def test_a_half_written_snapshot_is_none(store: SnapshotStore, write: Write) -> None:
    snapshot = write()
    (store.root / ".writing-1-ab12").mkdir()
    assert store.list() == (snapshot.id,)


def test_rows_that_are_kept_are_known_by_themselves(
    store: SnapshotStore, write: Write, crowd: list[Example]
) -> None:
    rows = [canonical_row(one) for one in crowd]
    assert store.known(rows) is None
    snapshot = write()
    assert store.known(reversed(rows)) == snapshot
    assert store.known(rows[1:]) is None
    (folder(store, snapshot) / "manifest.json").unlink()
    with pytest.raises(Corrupt):
        store.known(rows)
