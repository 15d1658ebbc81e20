"""Where sentiment takes its rows from."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from tests.recipes.sources import REAL, Shelf, opened, real, resolved, rows, write
from tidemill.domain.errors import DataError


def zipped(member: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, content)
    return packed.getvalue()


def test_the_splits_are_named_by_the_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        train='text,label\n"up, and\nup again",positive\n',
        eval="text,label\nflat,neutral\n",
        test="text,label\ndown,negative\n,positive\n",
    )
    source = opened("sentiment", tmp_path, "data=files", f"data.path={tmp_path}")
    assert sorted(rows(source)) == [
        ("down", "negative", "files", "test"),
        ("flat", "neutral", "files", "val"),
        ("up, and\nup again", "positive", "files", "train"),
    ]
    [note] = source.notes()  # type: ignore[attr-defined]
    assert "1 row of test.csv" in note


def test_one_file_without_header_in_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_bytes("positive,säljer båtar\nnegative,säljer inga\n".encode("latin-1"))
    words = ("data=files", f"data.path={file}", "data.columns=[mood,line]")
    named = (*words, "data.text=line", "data.label=mood")
    assert rows(opened("sentiment", tmp_path, *named, "data.encoding=latin-1")) == [
        ("säljer båtar", "positive", "files", None),
        ("säljer inga", "negative", "files", None),
    ]
    with pytest.raises(DataError, match="line 1 is no utf-8"):
        rows(opened("sentiment", tmp_path, *named))


def test_only_the_rows_with_these_values(tmp_path: Path) -> None:
    write(tmp_path, data="text,label,sure\na,neutral,100\nb,neutral,50\n")
    words = ("data=files", f"data.path={tmp_path / 'data.csv'}", "data.where={sure: 100}")
    assert [row[0] for row in rows(opened("sentiment", tmp_path, *words))] == ["a"]


def test_a_test_is_drawn_where_the_files_give_none(tmp_path: Path) -> None:
    lines = [f"text {n},{('neutral', 'positive')[n % 2]}" for n in range(40)]
    write(tmp_path, data="\n".join(["text,label", *lines]))
    words = ("data=files", f"data.path={tmp_path / 'data.csv'}", "data.test=0.25")
    counts = Counter((row[1], row[3]) for row in rows(opened("sentiment", tmp_path, *words)))
    assert counts == {
        (label, split): count
        for label in ("neutral", "positive")
        for split, count in (("train", 15), ("test", 5))
    }


def test_a_folder_without_such_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no file of rows"):
        opened("sentiment", tmp_path, "data=files", f"data.path={tmp_path}")
    # Passed over in silence, a misspelt test would be drawn from train instead.
    write(tmp_path, train="text,label\n", tests="text,label\n")
    with pytest.raises(DataError, match=r"holds tests\.csv, which names no split"):
        opened("sentiment", tmp_path, "data=files", f"data.path={tmp_path}")
    with pytest.raises(DataError, match="no file or folder"):
        opened("sentiment", tmp_path, "data=files", f"data.path={tmp_path / 'nowhere'}")


def test_the_originals_archive_is_fetched_once_and_checked(tmp_path: Path, shelf: str) -> None:
    content = b"Sentence,Sentiment\nshares rose,positive\n"
    Shelf.files["/archive"] = zipped("data.csv", content)
    words = ("data=kaggle", f"data.url={shelf}/archive")
    right = f"data.sha256={hashlib.sha256(content).hexdigest()}"
    expected = [("shares rose", "positive", "kaggle", None)]
    assert rows(opened("sentiment", tmp_path, *words, right)) == expected
    Shelf.files.clear()
    assert rows(opened("sentiment", tmp_path, *words, right)) == expected
    Shelf.files["/archive"] = zipped("data.csv", content)
    with pytest.raises(DataError, match="not the file that was expected"):
        rows(opened("sentiment", tmp_path, *words))


def test_the_default_data_is_the_originals_very_file() -> None:
    data = resolved("sentiment", "data=kaggle")["data"]
    assert data["url"].endswith("/sbhatti/financial-sentiment-analysis")
    if REAL.is_dir():
        content = (REAL / "sentiment" / "data.csv").read_bytes()
        assert hashlib.sha256(content).hexdigest() == data["sha256"]


@real
@pytest.mark.parametrize(
    ("path", "words", "count"),
    [
        ("seed_splits", (), 5842),
        ("data.csv", ("data.text=Sentence", "data.label=Sentiment"), 5842),
        (
            "all-data.latin1.csv",
            ("data.columns=[sentiment,text]", "data.label=sentiment", "data.encoding=latin-1"),
            4846,
        ),
        ("phrasebank.csv", ("data.where={min_agreement: 100}", "data.test=0.2"), 2264),
    ],
)
def test_the_real_sentiments_are_read(
    tmp_path: Path, path: str, words: tuple[str, ...], count: int
) -> None:
    files = ("data=files", f"data.path={REAL / 'sentiment' / path}")
    table = rows(opened("sentiment", tmp_path, *files, *words))
    assert len(table) == count
    assert {row[1] for row in table} == {"negative", "neutral", "positive"}
