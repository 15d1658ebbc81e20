from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tidemill.data.folder import FolderSource
from tidemill.domain.errors import DataError
from tidemill.domain.types import payload_id


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return root


def index(root: Path, text: str) -> FolderSource:
    (root / "index.csv").write_text(text, encoding="utf-8")
    return FolderSource(root, "disease")


def places(source: FolderSource) -> list[tuple[str, str, str | None]]:
    return [(one.origin, one.labels["disease"], one.split) for one in source.examples()]


def test_class_folders_name_the_classes(tmp_path: Path) -> None:
    fill(tmp_path, "rust/b.jpg", "healthy/deep/a.PNG", "rust/notes.txt", ".git/x.jpg")
    source = FolderSource(tmp_path, "disease")
    assert places(source) == [("healthy/deep/a.PNG", "healthy", None), ("rust/b.jpg", "rust", None)]
    assert len(source) == 2


def test_an_example_is_its_bytes(tmp_path: Path) -> None:
    fill(tmp_path, "rust/b.jpg", "healthy/a.jpg")
    first = next(FolderSource(tmp_path, "disease").examples())
    assert first.payload == b"healthy/a.jpg"
    assert first.id == payload_id(first.payload)
    assert first.source == "folder"


def test_split_folders_lie_above_class_folders(tmp_path: Path) -> None:
    fill(tmp_path, "Train/a/1.jpg", "valid/a/2.jpg", "test/b/3.jpg", "validation/b/4.jpg")
    assert places(FolderSource(tmp_path, "disease")) == [
        ("Train/a/1.jpg", "a", "train"),
        ("test/b/3.jpg", "b", "test"),
        ("valid/a/2.jpg", "a", "val"),
        ("validation/b/4.jpg", "b", "val"),
    ]


def test_an_index_decides_alone(tmp_path: Path) -> None:
    fill(tmp_path, "x/1.jpg", "x/2.jpg", "x/3.jpg", "x/unlisted.jpg")
    text = (
        "\ufefffile,severity,label,split\nx/2.jpg,3,rust,test\n./x/1.jpg,,healthy,\nx/3.jpg,1,a,val"
    )
    assert places(index(tmp_path, text)) == [
        ("x/1.jpg", "healthy", None),
        ("x/2.jpg", "rust", "test"),
        ("x/3.jpg", "a", "val"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,class\na.jpg,x\n", "line 1: the columns file and class are needed, found name, cl"),
        ("", "line 1: the columns file and class are needed, found none"),
        ("file,class\na.jpg,x\ngone.jpg,y\n", "line 3: there is no file gone.jpg"),
        ("file,class\na.jpg,x\na.jpg,y\n", "line 3: a.jpg is on line 2 already"),
        ("file,class\na.jpg,\n", "line 2: the class is empty"),
        ("file,class\na.jpg\n", "line 2: the class is empty"),
        ("file,class\n../a.jpg,x\n", "line 2: ../a.jpg leads out of the folder"),
        ("file,class\n/etc/a.jpg,x\n", "line 2: /etc/a.jpg leads out of the folder"),
        ("file,class\n..\\..\\a.jpg,x\n", "line 2: ..\\..\\a.jpg leads out of the folder"),
        ("file,class\nx\\..\\..\\a.jpg,x\n", "leads out of the folder"),
        ("file,class\n\\a.jpg,x\n", "line 2: \\a.jpg leads out of the folder"),
        ("file,class\nC:/a.jpg,x\n", "line 2: C:/a.jpg leads out of the folder"),
        ("file,class\nx\\a.jpg,x\n", "line 2: x\\a.jpg has a backslash"),
        ("file,class,split\na.jpg,x,tomorrow\n", "line 2: there is no split 'tomorrow'"),
        ("file,class\na.jpg,x\nnotes.txt,y\n", "line 3: notes.txt is no .bmp/.gif/.jpeg"),
        ("file,class\n", "holds no .bmp/.gif/.jpeg"),
        ("file,class\na.jpg,x\nb.jpg,x\n", "holds one class only: x"),
        ('file,class\n"a.jpg"b,x\n', "no readable UTF-8 CSV"),
    ],
)
def test_a_faulty_index_names_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    fill(tmp_path, "a.jpg", "b.jpg", "notes.txt")
    with pytest.raises(DataError) as raised:
        list(index(tmp_path, text).examples())
    assert sentence in raised.value.message


def test_an_index_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_bytes("file,class\nä.jpg,x\n".encode("latin-1"))
    with pytest.raises(DataError, match="no readable UTF-8 CSV"):
        len(FolderSource(tmp_path))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((), "holds no .bmp/.gif/.jpeg"),
        (("a/1.xcf", "b/2.xcf"), "The class folder a holds no"),
        (("a/1.jpg", "b/2.xcf"), "The class folder b holds no"),
        (("a/1.jpg", "a/2.jpg"), "one class only: a"),
        (("a/1.jpg", "b/1.jpg", "loose.jpg"), "loose.jpg lies in no class folder"),
        (("train/a/1.jpg", "test/2.jpg"), "test/2.jpg lies in no class folder"),
        (("train/a/1.jpg", "b/2.jpg"), "mixes split folders with others: b, train"),
    ],
)
def test_a_faulty_folder_is_refused(tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(DataError) as raised:
        list(FolderSource(fill(tmp_path, *names)).examples())
    assert sentence in raised.value.message


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No folder at .*/nowhere"):
        list(FolderSource(tmp_path / "nowhere").examples())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.jpg", os.fsdecode(b"b/\xff.jpg"))
    with pytest.raises(DataError, match="is not valid UTF-8"):
        len(FolderSource(tmp_path))


def test_other_suffixes_can_be_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.txt", "b/2.txt", "b/3.jpg")
    assert len(FolderSource(tmp_path, suffixes={".TXT"})) == 2


def test_a_file_that_goes_while_reading_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.jpg", "b/2.jpg")
    examples = FolderSource(tmp_path).examples()
    next(examples)
    (tmp_path / "b/2.jpg").unlink()
    with pytest.raises(DataError, match=r"b/2\.jpg cannot be read"):
        next(examples)
