from __future__ import annotations

import os
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.recipes.sources import opened
from tidemill.data.archive import ArchiveSource
from tidemill.data.citation_files import CitationFiles
from tidemill.data.folder import FolderSource
from tidemill.data.ignored_files import (
    IgnoredFile,
    describe_ignored_files,
    ignored_files_of,
    list_ignored_files,
)
from tidemill.data.merged_source import MergedSource
from tidemill.data.remote import RemoteSource
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source

NO_IMAGE = "no .bmp/.gif/.jpeg/.jpg/.png/.tif/.tiff/.webp file"


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return root


def pairs(source: Source) -> list[tuple[str, str]]:
    return [(row.path, row.reason) for row in ignored_files_of(source)]


def test_a_folder_names_what_is_hidden_or_no_image(tmp_path: Path) -> None:
    fill(tmp_path, "rust/b.jpg", "rust/notes.txt", "rust/.b.jpg", "healthy/a.jpg", "README")
    fill(tmp_path, ".git/objects/1", ".git/objects/2")
    expected = [
        (".git/", "hidden"),
        ("README", NO_IMAGE),
        ("rust/.b.jpg", "hidden"),
        ("rust/notes.txt", NO_IMAGE),
    ]
    assert pairs(FolderSource(tmp_path)) == expected
    with ZipFile(tmp_path.parent / "packed.zip", "w") as archive:
        for path in sorted(tmp_path.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
        archive.writestr("__MACOSX/rust/b.jpg", b"a shadow")
    source = ArchiveSource(tmp_path.parent / "packed.zip")
    assert pairs(source) == sorted([*expected, ("__MACOSX/", "hidden")])
    assert pairs(MergedSource([RemoteSource(source, ())])) == pairs(source)


def test_an_index_names_the_images_that_it_leaves_out(tmp_path: Path) -> None:
    fill(tmp_path, "x/1.jpg", ".x/2.jpg", ".x/3.jpg", "x/more.jpg")
    (tmp_path / "index.csv").write_text("file,class\nx/1.jpg,a\n.x/2.jpg,b\n", encoding="utf-8")
    assert pairs(FolderSource(tmp_path)) == [
        (".x/3.jpg", "not in index.csv"),
        ("x/more.jpg", "not in index.csv"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_links_are_named_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "data/rust/b.jpg", "data/healthy/a.jpg", "elsewhere/c.jpg")
    (tmp_path / "data" / "rust" / "more").symlink_to(tmp_path / "elsewhere")
    source = FolderSource(tmp_path / "data")
    (tmp_path / "data" / "rust" / "lost.jpg").symlink_to("nowhere.jpg")
    assert pairs(source) == [
        ("rust/lost.jpg", "a link to nothing"),
        ("rust/more/", "a link to a folder"),
    ]
    assert len(source) == 2
    (tmp_path / "data" / "scab").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="The class folder scab is a link, which is not followed"):
        len(source)


def test_a_folder_of_rows_names_the_other_files(tmp_path: Path) -> None:
    fill(tmp_path, "train.csv", "test.csv", "README.md", "old/train.csv")
    words = ("data=files", f"data.path={tmp_path}")
    reason = "no .csv/.tsv/.jsonl/.ndjson/.parquet file"
    assert pairs(opened("sentiment", tmp_path, *words)) == [("README.md", reason), ("old/", reason)]
    fill(tmp_path, "justice_train.csv", "justice_test.csv")
    assert [path for path, _ in pairs(opened("lucky", tmp_path, *words))] == [
        "README.md",
        "old/",
        "test.csv",
        "train.csv",
    ]


def test_a_graphs_folder_names_the_other_files(tmp_path: Path) -> None:
    fill(tmp_path, "cora.content", "cora.cites", "README")
    source = CitationFiles(tmp_path, "topic", features=3)
    assert pairs(source) == [("README", "no .content or .cites file")]


def test_a_sentence_has_the_count_and_the_first_names() -> None:
    few = [IgnoredFile("a.txt", "no image"), IgnoredFile(".git/", "hidden")]
    assert describe_ignored_files(few) == (
        "1 file ignored (no image): a.txt.",
        "1 folder ignored (hidden): .git/.",
    )
    many = [IgnoredFile(f"{n}.txt", "no image") for n in range(7)]
    [sentence] = describe_ignored_files(many)
    assert sentence == "7 files ignored (no image): 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more."
    mixed = [IgnoredFile(".a", "hidden"), IgnoredFile(".b/", "hidden")]
    assert describe_ignored_files(mixed) == ("2 files or folders ignored (hidden): .a, .b/.",)
    assert describe_ignored_files(()) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_no_terminal_prints_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m\n.txt").write_bytes(b"")
    (tmp_path / os.fsdecode(b"b\xff.txt")).write_bytes(b"")
    rows = list_ignored_files(tmp_path, (), "no image")
    assert [row.path for row in rows] == ["a\\x1b[31m\\n.txt", "b\\udcff.txt"]
