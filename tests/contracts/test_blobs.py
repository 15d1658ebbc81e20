"""What every blob store must do. A new adapter joins by adding one line to STORES."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tidemill.adapters.blobs import FileBlobs
from tidemill.adapters.memory import MemoryBlobs
from tidemill.domain.errors import Corrupt, NotFound, StorageFailed
from tidemill.domain.ports import Blobs

STORES: dict[str, Callable[[Path], Blobs]] = {
    "memory": lambda _: MemoryBlobs(),
    "files": lambda folder: FileBlobs(folder / "blobs"),
}
CONTENTS = [b"leaf", b"", b"\x00\xff" * 100_000]
ID = hashlib.sha256(b"leaf").hexdigest()


@pytest.fixture(params=STORES)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return STORES[request.param](tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


@pytest.mark.parametrize("content", CONTENTS, ids=len)
def test_what_was_put_is_found_by_its_sha256(blobs: Blobs, content: bytes) -> None:
    id = blobs.put(content)
    assert id == hashlib.sha256(content).hexdigest()
    assert blobs.get(id) == content


def test_contents_stay_apart_and_the_same_again_is_the_same(blobs: Blobs) -> None:
    ids = [blobs.put(content) for content in (*CONTENTS, *CONTENTS)]
    assert ids[:3] == ids[3:]
    assert [blobs.get(id) for id in ids[:3]] == CONTENTS


@pytest.mark.parametrize(
    "id", [ID, "", "leaf", ID.upper(), ID[:-1], f"{ID}\n", "../" + ID[3:], f"{ID[:2]}/{ID}"]
)
def test_what_was_not_put_is_not_found(blobs: Blobs, id: str) -> None:
    with pytest.raises(NotFound, match="no blob"):
        blobs.get(id)


def test_another_store_on_the_same_folder_finds_it(files: FileBlobs) -> None:
    id = files.put(b"leaf")
    assert FileBlobs(files.root).get(id) == b"leaf"


def test_one_file_is_left_and_nothing_else(files: FileBlobs) -> None:
    for _ in range(2):
        files.put(b"leaf")
    files_left = [path for path in files.root.rglob("*") if path.is_file()]
    assert files_left == [files.root / ID[:2] / ID]
    assert [path.name for path in files.root.iterdir()] == [ID[:2]]


def test_a_changed_file_is_said_so_and_mended_by_its_content(files: FileBlobs) -> None:
    files.put(b"leaf")
    (files.root / ID[:2] / ID).write_bytes(b"lea")
    with pytest.raises(Corrupt, match="other bytes"):
        files.get(ID)
    files.put(b"leaf")
    assert files.get(ID) == b"leaf"


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed, match="Could not write"):
        FileBlobs(tmp_path / "file").put(b"leaf")


def test_a_file_that_cannot_be_read_is_said_so(files: FileBlobs) -> None:
    (files.root / ID[:2] / ID).mkdir(parents=True)
    with pytest.raises(StorageFailed, match="could not be read"):
        files.get(ID)


def test_a_blob_that_cannot_take_its_place_leaves_nothing_half(files: FileBlobs) -> None:
    (files.root / ID[:2] / ID).mkdir(parents=True)
    with pytest.raises(StorageFailed):
        files.put(b"leaf")
    assert [path.name for path in files.root.iterdir()] == [ID[:2]]


def test_two_may_put_the_same_at_once(files: FileBlobs) -> None:
    together, ids = Barrier(2), []

    def put() -> None:
        together.wait()
        ids.append(files.put(b"leaf"))

    threads = [Thread(target=put) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids == [ID, ID]
    assert files.get(ID) == b"leaf"
