"""Where coffee takes its images from."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.recipes.sources import Shelf, opened, resolved
from tidemill.domain.errors import Corrupt, DataError, Unavailable, UsageError
from tidemill.domain.ports import Source

REVISION = "0123456789abcdef0123456789abcdef01234567"
NAMES = ["Healthy", "Miner", "Phoma", "Red Spider Mite", "Rust"]


def parquet(images: list[bytes], labels: list[int]) -> bytes:
    """A file as the hub has it."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": image, "path": None} for image in images]
    features = {"label": {"names": NAMES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    table = pa.table({"image": pa.array(rows, kind), "label": labels}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    packed = io.BytesIO()
    pq.write_table(table, packed)
    return packed.getvalue()


def images(source: Source) -> list[tuple[bytes, str, str, str | None]]:
    """Payload, label, origin and split of every example."""
    source.prepare(lambda done, total: None)
    return [
        (row.payload, row.labels["disease"], row.origin, row.split) for row in source.examples()
    ]


def hub(host: str, *more: str) -> tuple[str, ...]:
    return (
        "data=hub",
        f"data.host={host}",
        f"data.revision={REVISION}",
        "data.train=[data/train-0.parquet,data/train-1.parquet]",
        "data.val=[data/validation-0.parquet]",
        "data.test=[data/test-0.parquet]",
        *more,
    )


@pytest.fixture
def published(shelf: str) -> str:
    root = f"/datasets/brainer-fp66/coffee-leaf-diseases/resolve/{REVISION}/data"
    Shelf.files = {
        f"{root}/train-0.parquet": parquet([b"a", b"b"], [0, 4]),
        f"{root}/train-1.parquet": parquet([b"c"], [3]),
        f"{root}/validation-0.parquet": parquet([b"d"], [1]),
        f"{root}/test-0.parquet": parquet([b"e"], [2]),
    }
    return shelf


def test_the_hubs_files_are_fetched_once_at_one_commit(published: str, tmp_path: Path) -> None:
    expected = [
        (b"a", "Healthy", "train-0.parquet row 1", "train"),
        (b"b", "Rust", "train-0.parquet row 2", "train"),
        (b"c", "Red Spider Mite", "train-1.parquet row 1", "train"),
        (b"d", "Miner", "validation-0.parquet row 1", "val"),
        (b"e", "Phoma", "test-0.parquet row 1", "test"),
    ]
    assert images(opened("coffee", tmp_path, *hub(published))) == expected
    Shelf.files = {}
    assert images(opened("coffee", tmp_path, *hub(published))) == expected


def test_what_was_fetched_holds(published: str, tmp_path: Path) -> None:
    images(opened("coffee", tmp_path, *hub(published)))
    [file] = tmp_path.glob("*/train-1.parquet")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(Corrupt, match=r"train-1\.parquet is not what was fetched"):
        images(opened("coffee", tmp_path, *hub(published)))


def test_without_a_network_the_choices_for_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be fetched") as caught:
        images(opened("coffee", tmp_path, *hub("http://127.0.0.1:9")))
    for choice in ("data=sample", "data=folder", "data=archive"):
        assert choice in caught.value.hint


@pytest.mark.parametrize("revision", ["main", REVISION[:12]])
def test_a_branch_is_no_revision(published: str, tmp_path: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="is no revision of brainer-fp66"):
        opened("coffee", tmp_path, *hub(published, f"data.revision={revision}"))


@pytest.mark.parametrize("key", ["data.revision", "data.train"])
def test_what_nobody_can_know_is_asked_for(key: str) -> None:
    words = [word for word in hub("http://127.0.0.1:9") if not word.startswith(key)]
    with pytest.raises(UsageError, match=f"{key} is needed"):
        resolved("coffee", *words)


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for place in ("train/rust/1.jpg", "train/miner/2.jpg", "val/rust/3.jpg"):
            archive.writestr(f"leaves/{place}", place)
    return path


def test_an_archive_is_read_where_it_is(tmp_path: Path) -> None:
    path = zipped(tmp_path / "my leaves.zip")
    labels = images(opened("coffee", tmp_path, "data=archive", f"data.path={path}"))
    assert [row[1:] for row in labels] == [
        ("miner", "leaves/train/miner/2.jpg", "train"),
        ("rust", "leaves/train/rust/1.jpg", "train"),
        ("rust", "leaves/val/rust/3.jpg", "val"),
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_without_a_test_may_lend_its_validation(tmp_path: Path) -> None:
    words = ("data=archive", f"data.path={zipped(tmp_path / 'a.zip')}", "data.val=test")
    assert [row[3] for row in images(opened("coffee", tmp_path, *words))] == [
        "train",
        "train",
        "test",
    ]


def test_an_archive_behind_a_url_is_fetched(shelf: str, tmp_path: Path) -> None:
    Shelf.files = {"/leaves": zipped(tmp_path / "a.zip").read_bytes()}
    words = ("data=archive", f"data.url={shelf}/leaves")
    assert len(images(opened("coffee", tmp_path / "cache", *words))) == 3
    Shelf.files = {}
    assert len(images(opened("coffee", tmp_path / "cache", *words))) == 3
    with pytest.raises(DataError, match="its sha256 is"):
        Shelf.files = {"/leaves": (tmp_path / "a.zip").read_bytes()}
        images(opened("coffee", tmp_path / "cache", *words, f"data.sha256={'0' * 64}"))


def test_an_archive_that_nobody_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no archive"):
        opened("coffee", tmp_path, "data=archive")
    missing = tmp_path / "none.zip"
    with pytest.raises(DataError, match="There is no archive"):
        images(opened("coffee", tmp_path, "data=archive", f"data.path={missing}"))
