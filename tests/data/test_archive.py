"""Images in a zip archive, and what an archive is refused for."""

from __future__ import annotations

import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from tidemill.data.archive import ArchiveSource
from tidemill.domain.errors import DataError

LEAVES = {"a/1.jpg": b"one", "b/2.jpg": b"two", "a/3.JPG": b"three"}


def pack(path: Path, files: dict[str, bytes], *, packed: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def listed(path: Path) -> list[tuple[str, str, str | None]]:
    return [
        (row.origin, row.labels["kind"], row.split)
        for row in ArchiveSource(path, "kind").examples()
    ]


def test_examples_come_sorted_and_whole(tmp_path: Path) -> None:
    source = ArchiveSource(pack(tmp_path / "leaves.zip", LEAVES), "kind")
    rows = list(source.examples())
    assert [(row.origin, row.payload) for row in rows] == [
        ("a/1.jpg", b"one"),
        ("a/3.JPG", b"three"),
        ("b/2.jpg", b"two"),
    ]
    assert [row.labels for row in rows] == [{"kind": "a"}, {"kind": "a"}, {"kind": "b"}]
    assert list(source.examples()) == rows
    assert len(source) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["leaves.zip"]


@pytest.mark.parametrize("top", ["", "PlantVillage/", "outer/PlantVillage/"])
def test_splits_stand_above_classes_and_a_common_folder_above_both(
    tmp_path: Path, top: str
) -> None:
    names = ["Train/a/1.jpg", "Train/b/2.jpg", "valid/a/3.jpg", "test/b/deep/4.jpg"]
    files = {f"{top}{name}": name.encode() for name in names}
    # What lies about is no image, and what is hidden is not looked at.
    files |= {"README.md": b"", "__MACOSX/a/1.jpg": b"", f"{top}.cache/x/y.jpg": b""}
    assert listed(pack(tmp_path / "leaves.zip", files)) == [
        (f"{top}Train/a/1.jpg", "a", "train"),
        (f"{top}Train/b/2.jpg", "b", "train"),
        (f"{top}test/b/deep/4.jpg", "b", "test"),
        (f"{top}valid/a/3.jpg", "a", "val"),
    ]


def test_labels_may_be_made_of_the_folders_name(tmp_path: Path) -> None:
    def both(name: str) -> dict[str, str]:
        plant, _, disease = name.partition("___")
        return {"plant": plant, "disease": disease}

    files = {"Vine___rot/1.jpg": b"1", "Vine___healthy/2.jpg": b"2"}
    source = ArchiveSource(pack(tmp_path / "leaves.zip", files), both)
    assert [row.labels for row in source.examples()] == [
        {"plant": "Vine", "disease": "healthy"},
        {"plant": "Vine", "disease": "rot"},
    ]


def test_the_splits_names_may_be_others(tmp_path: Path) -> None:
    files = {"train/a/1.jpg": b"1", "val/b/2.jpg": b"2"}
    path = pack(tmp_path / "leaves.zip", files)
    source = ArchiveSource(path, splits={"train": "train", "val": "test"})
    assert [row.split for row in source.examples()] == ["train", "test"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"../1.jpg": b""}, "leads out"),
        ({"a/../../1.jpg": b""}, "leads out"),
        ({"/a/1.jpg": b""}, "leads out"),
        ({"C:/a/1.jpg": b""}, "leads out"),
        ({"a\\1.jpg": b""}, "backslash"),
        ({"a/1.jpg": b"1", "A/2.jpg": b"2"}, "holds a and A"),
        ({"a/x.jpg": b"1", "a/X.jpg": b"2"}, "holds a/x.jpg and a/X.jpg"),
        ({"a/x.jpg": b"1", "./a/x.jpg": b"2"}, "a/x.jpg twice"),
        ({"a/x.jpg": b"1", "a/x.jpg/z.jpg": b"2"}, "holds a/x.jpg as a file and as a folder"),
        ({"a/x.jpg/z.jpg": b"2", "a/x.jpg": b"1"}, "holds a/x.jpg as a file and as a folder"),
        ({"a/x.jpg": b"1", "a/x.jpg/": b""}, "holds a/x.jpg as a file and as a folder"),
        ({**LEAVES, "a/" * 33 + "x.jpg": b"1"}, "lies in more than 32 folders"),
        ({"1.jpg": b"1"}, "lies in no class folder"),
        ({"a/1.jpg": b"1", "2.jpg": b"2"}, "2.jpg in x.zip lies in no class folder"),
        ({"train/a/1.jpg": b"1", "b/2.jpg": b"2"}, "mixes split folders"),
        ({"a/1.jpg": b"1", "b/notes.txt": b"2"}, "class folder b in x.zip holds no file"),
        ({"a/1.jpg": b"1", "b/": b""}, "class folder b in x.zip holds no file"),
        ({"x/a/1.jpg": b"1", "x/a/2.jpg": b"2"}, "one class only: a"),
        ({"a/1.txt": b""}, "holds no .bmp/"),
        ({}, "holds no .bmp/"),
        ({**LEAVES, "index.csv": b"file,class"}, "holds an index.csv"),
    ],
)
def test_a_faulty_archive_is_refused(
    tmp_path: Path, files: dict[str, bytes], sentence: str
) -> None:
    source = ArchiveSource(pack(tmp_path / "x.zip", files))
    for read in (lambda: list(source.examples()), lambda: len(source)):
        with pytest.raises(DataError) as caught:
            read()
        assert sentence in caught.value.message
        assert caught.value.hint or "twice" in sentence


@pytest.mark.parametrize(("kind", "message"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "neither")])
def test_a_link_is_refused(tmp_path: Path, kind: int, message: str) -> None:
    with zipfile.ZipFile(pack(tmp_path / "x.zip", LEAVES), "a") as archive:
        info = zipfile.ZipInfo("b/passwd.jpg")
        info.external_attr = (kind | 0o644) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=rf"'b/passwd\.jpg' in x\.zip is {message}"):
        len(ArchiveSource(tmp_path / "x.zip"))


def patched(path: Path, offset: int, packed: bytes) -> Path:
    """The first entry of the central directory, changed at an offset (APPNOTE 4.3.12)."""
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + offset
    content[at : at + len(packed)] = packed
    path.write_bytes(content)
    return path


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    # Its three letters become the extra field, which is skipped below four bytes.
    nameless = pack(tmp_path / "x.zip", {"b.x": b"", **LEAVES})
    source = ArchiveSource(patched(nameless, 28, struct.pack("<HH", 0, 3)))
    for read in (lambda: list(source.examples()), lambda: len(source)):
        with pytest.raises(DataError, match=r"'' in x\.zip has no name"):
            read()


def test_folders_may_lie_in_folders(tmp_path: Path) -> None:
    deep = "a/" * 32 + "x.jpg"
    files = {"./": b"", "a/": b"", deep: b"1", "b/2.jpg": b"2"}
    assert [origin for origin, *_ in listed(pack(tmp_path / "x.zip", files))] == [deep, "b/2.jpg"]


def test_a_name_of_very_many_folders_costs_nothing(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {**LEAVES, "a/" * 15_000 + "x.png": b"1"})
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"more than 32 folders") as caught:
            len(ArchiveSource(path))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert len(caught.value.message) < 250


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = patched(pack(tmp_path / "x.zip", LEAVES), 8, struct.pack("<H", 1))
    with pytest.raises(DataError, match=r"'a/1\.jpg' in x\.zip is encrypted"):
        len(ArchiveSource(path))


def test_a_packing_that_unpacks_without_bound_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", LEAVES, packed=zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="another way than deflate"):
        len(ArchiveSource(path))


def test_a_member_that_announces_too_much_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {**LEAVES, "b/big.jpg": bytes(4000)})
    assert len(ArchiveSource(path, limit=4000)) == 4
    with pytest.raises(DataError, match=r"'b/big\.jpg' .* 4,000 bytes; the limit is 3,999"):
        list(ArchiveSource(path, limit=3999).examples())


def test_a_member_that_is_more_than_it_announces_is_no_example(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a/1.jpg": bytes(50_000_000), "b/2.jpg": b"2"})
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"a/1\.jpg in x\.zip cannot be read: Bad CRC-32"):
        list(ArchiveSource(patched(path, 24, struct.pack("<I", 100))).examples())


@pytest.mark.parametrize("damage", ["cut", "changed", "none", "empty", "folder"])
def test_a_damaged_archive_is_said_to_be_one(tmp_path: Path, damage: str) -> None:
    path = pack(tmp_path / "x.zip", LEAVES)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:60])
    elif damage == "changed":
        path.write_bytes(content.replace(b"PK\x03\x04", b"PK\x03\x05", 1))
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    if damage == "folder":
        path.mkdir()
    with pytest.raises(DataError, match=r"x\.zip") as caught:
        list(ArchiveSource(path).examples())
    assert caught.value.hint
