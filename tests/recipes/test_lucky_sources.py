"""Where lucky takes its rows from, and what their labels mean."""

from __future__ import annotations

import hashlib
import io
import re
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.recipes.sources import REAL, Shelf, opened, real, resolved, rows, write
from tidemill.data.inspection import inspect
from tidemill.data.splits import assign_splits
from tidemill.domain.errors import DataError, UsageError
from tidemill.recipes.lucky.subsets import SUBSETS, Published
from tidemill.recipes.recipe import open_recipe


def parquet(**columns: list[Any]) -> bytes:
    packed = io.BytesIO()
    pq.write_table(pa.table(columns), packed)
    return packed.getvalue()


def lucky_files(folder: Path) -> Path:
    return write(
        folder,
        boolq_train="label,input\n1,is water wet\n",
        boolq_test="label,input\n0,is fire cold\n",
        cm_train='label,input,is_short\n1,I lied.,True\n0,I helped.,True\n0,"Long.",False\n',
        cm_test="label,input,is_short,edited\n0,I waved.,True,False\n1,Long.,False,True\n",
    )


def test_the_subsets_that_are_there_are_merged(tmp_path: Path) -> None:
    source = opened("lucky", tmp_path, "data=files", f"data.path={lucky_files(tmp_path)}")
    assert rows(source) == [
        ("is water wet", "yes", "boolq", "train"),
        ("is fire cold", "no", "boolq", "test"),
        ("I lied.", "no", "commonsense", "train"),
        ("I helped.", "yes", "commonsense", "train"),
        ("I waved.", "yes", "commonsense", "test"),
    ]
    origins = [row.origin for row in source.examples()]
    assert origins[0] == "boolq/boolq_train.csv line 2"
    assert len(set(origins)) == 5


def test_a_file_of_short_rows_alone_is_taken_as_it_is(tmp_path: Path) -> None:
    (lucky_files(tmp_path) / "cm_train.csv").unlink()
    write(tmp_path, cm_train_short="label,input\n1,I stole.\n")
    words = ("data=files", f"data.path={tmp_path}", "data.subsets=[commonsense]")
    assert [row[:2] for row in rows(opened("lucky", tmp_path, *words))] == [
        ("I stole.", "no"),
        ("I waved.", "yes"),
    ]


def test_half_a_subset_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (lucky_files(tmp_path) / "cm_test.csv").unlink()
    words = ("data=files", f"data.path={tmp_path}")
    with pytest.raises(DataError, match=r"half of the subset commonsense: cm_test\.csv"):
        opened("lucky", tmp_path, *words)
    assert rows(opened("lucky", tmp_path, *words, "data.subsets=[boolq]"))


def test_justice_is_not_inverted(tmp_path: Path) -> None:
    text = "label,scenario\n1,I deserve it.\n0,I deserve nothing.\n"
    write(tmp_path, justice_train=text, justice_test=text)
    source = opened("lucky", tmp_path, "data=files", f"data.path={tmp_path}")
    assert [row[1] for row in rows(source)] == ["yes", "no"] * 2


def test_a_label_that_means_nothing(tmp_path: Path) -> None:
    write(tmp_path, boolq_train="label,input\nperhaps,a\n", boolq_test="label,input\n1,b\n")
    source = opened("lucky", tmp_path, "data=files", f"data.path={tmp_path}")
    with pytest.raises(DataError, match=r"boolq_train\.csv line 2: the value 'perhaps'"):
        rows(source)


def test_subsets_that_are_not_there_or_not_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="files of no subset") as caught:
        opened("lucky", tmp_path, "data=files", f"data.path={tmp_path}")
    assert "boolq_train.csv and boolq_test.csv" in caught.value.hint
    words = ("data=files", f"data.path={tmp_path}")
    with pytest.raises(DataError, match=r"justice_train\.csv cannot be read"):
        rows(opened("lucky", tmp_path, *words, "data.subsets=[justice]"))
    for subsets in ("[astrology]", "[]"):
        with pytest.raises(UsageError, match="subsets"):
            opened("lucky", tmp_path, *words, f"data.subsets={subsets}")


def test_published_files_are_pinned_and_read(
    tmp_path: Path, shelf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len({one.url for subset in SUBSETS.values() for one in subset.published}) == 8
    for subset in SUBSETS.values():
        for one in subset.published:
            assert re.search(r"/[0-9a-f]{40}/", one.url)
            assert re.fullmatch(r"([0-9a-f]{64})?", one.sha256)
    train = parquet(question=["is it so", "is it not"], answer=[True, False], passage=["", ""])
    test = parquet(question=["was it"], answer=[False], passage=["long"])
    Shelf.files = {"/train.parquet": train, "/test.parquet": test}
    published = (
        Published(f"{shelf}/train.parquet", hashlib.sha256(train).hexdigest()),
        Published(f"{shelf}/test.parquet"),
    )
    monkeypatch.setitem(SUBSETS, "boolq", replace(SUBSETS["boolq"], published=published))
    source = opened("lucky", tmp_path, "data=hub", "data.subsets=[boolq]")
    assert rows(source) == [
        ("is it so", "yes", "boolq", "train"),
        ("is it not", "no", "boolq", "train"),
        ("was it", "no", "boolq", "test"),
    ]


def user_data(path: Path, label_type: str, *rows_said: tuple[str, object, str]) -> str:
    """A database as the original's, and its address."""
    with sqlite3.connect(path) as database:
        database.execute(f"create table user_data (prompt text, label {label_type}, time text)")
        database.executemany("insert into user_data values (?, ?, ?)", rows_said)
    database.close()
    return f"sqlite:///{path}"


@pytest.mark.parametrize("spelling", [("yes", "no"), (True, False), (1, 0), ("true", "false")])
def test_what_users_said_is_one_more_subset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: tuple[object, object]
) -> None:
    yes, no = spelling
    labels = [("is it fun", yes, "2026-01-01 10:00:00"), ("is it dull", no, "2026-01-01 10:00:00")]
    kind = "text" if isinstance(yes, str) else "boolean"
    monkeypatch.setenv("LUCKY_DATABASE", user_data(tmp_path / "user.db", kind, *labels))
    words = ("data=files", f"data.path={lucky_files(tmp_path)}", "data.subsets=[boolq]")
    table = rows(opened("lucky", tmp_path, *words, "data.user=LUCKY_DATABASE"))
    assert sorted(table[2:]) == [
        ("is it dull", "no", "user", "train"),
        ("is it fun", "yes", "user", "train"),
    ]


def test_what_users_said_never_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a near-duplicate of a test row, where a row without a split would follow it."""
    labels = [(f"is {n} a number", "yes", f"2026-01-{n:02}") for n in range(1, 29)]
    labels += [("is fire cold?", "no", "2026-02-01"), ("Is fire cold", "no", "2026-02-02")]
    monkeypatch.setenv("LUCKY_DATABASE", user_data(tmp_path / "user.db", "text", *labels))
    words = ("data=files", f"data.path={lucky_files(tmp_path)}", "data.user=LUCKY_DATABASE")
    codec = open_recipe("lucky").codec(resolved("lucky"))
    inspection = inspect(opened("lucky", tmp_path, *words).examples(), codec)
    assigned = assign_splits(inspection, near_distance=6)
    # Sources as small as these have no block in val, which is then hashed out of train.
    users = [assigned[row.origin] for row in inspection.rows if row.source == "user"]
    assert (len(users), set(users)) == (30, {"train", "val"})
    test = {row.source for row in inspection.rows if assigned[row.origin] == "test"}
    assert test == {"boolq", "commonsense"}


def test_an_answer_that_is_neither_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = user_data(tmp_path / "user.db", "text", ("why", "maybe", "2026-01-01"))
    monkeypatch.setenv("LUCKY_DATABASE", address)
    words = ("data=files", f"data.path={lucky_files(tmp_path)}", "data.user=LUCKY_DATABASE")
    with pytest.raises(DataError, match="'maybe' of 'label' stands for no label"):
        rows(opened("lucky", tmp_path, *words))


def test_a_table_in_which_nobody_wrote_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCKY_DATABASE", user_data(tmp_path / "user.db", "boolean"))
    words = ("data=files", f"data.path={lucky_files(tmp_path)}", "data.user=LUCKY_DATABASE")
    assert {row[2] for row in rows(opened("lucky", tmp_path, *words))} == {"boolq", "commonsense"}


@real
def test_the_real_subsets_have_the_published_counts(tmp_path: Path) -> None:
    table = rows(opened("lucky", tmp_path, "data=files", f"data.path={REAL / 'ethics'}"))
    # What is drawn for val comes out of the published train.
    splits = ["train" if row[3] == "val" else row[3] for row in table]
    counted = Counter((row[2], split, row[1]) for row, split in zip(table, splits, strict=True))
    assert counted == {
        ("boolq", "train", "yes"): 5874,
        ("boolq", "train", "no"): 3553,
        ("boolq", "test", "yes"): 2033,
        ("boolq", "test", "no"): 1237,
        ("strategyqa", "train", "yes"): 738,
        ("strategyqa", "train", "no"): 865,
        ("strategyqa", "test", "yes"): 333,
        ("strategyqa", "test", "no"): 354,
        ("commonsense", "train", "yes"): 3872,
        ("commonsense", "train", "no"): 2789,
        ("commonsense", "test", "yes"): 1126,
        ("commonsense", "test", "no"): 983,
        ("justice", "train", "yes"): 11830,
        ("justice", "train", "no"): 9961,
        ("justice", "test", "yes"): 1354,
        ("justice", "test", "no"): 1350,
    }
