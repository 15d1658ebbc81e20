"""The real texts of the sentiment and yes/no data, from the folder that TIDEMILL_REAL_DATA names.

What the checks must find there was counted before, and by other means.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tidemill.codecs.text import TextCodec
from tidemill.data.checks import find_faults
from tidemill.data.duplicates import Duplicates, SharedContents, count_duplicates
from tidemill.data.inspection import Inspection, inspect
from tidemill.data.merged_source import MergedSource
from tidemill.data.near import group
from tidemill.data.payloads import TextColumn
from tidemill.data.row_files import CsvRows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source

REAL = Path(os.environ.get("TIDEMILL_REAL_DATA", ""))
SENTIMENT, ETHICS = REAL / "sentiment", REAL / "ethics"
pytestmark = pytest.mark.skipif(
    not os.environ.get("TIDEMILL_REAL_DATA") or not SENTIMENT.is_dir() or not ETHICS.is_dir(),
    reason="TIDEMILL_REAL_DATA names no folder with sentiment/ and ethics/",
)


def looked_at(source: Source) -> Inspection:
    grams = {"buckets": 1024, "word_max": 1, "char_min": 3, "char_max": 3, "max_grams": 512}
    return inspect(source.examples(), TextCodec.from_config({"form": "grams", **grams}))


def labelled(name: str, column: str, label: str, *parts: Part) -> RowSource:
    return RowSource(name, parts, TextColumn(column), {"sentiment": LabelColumn(label)})


def test_the_repeats_of_the_raw_sentiment_file() -> None:
    rows = Part(CsvRows(SENTIMENT / "data.csv"))
    inspection = looked_at(labelled("kaggle", "Sentence", "Sentiment", rows))
    assert len(inspection.rows) == 5842
    assert count_duplicates(inspection) == Duplicates(520, 6, 514, ())
    kinds = Counter(finding.kind for finding in find_faults(inspection, near_distance=0))
    assert kinds["conflict"] == 514


def test_the_leaks_of_the_original_s_splits() -> None:
    folder = SENTIMENT / "seed_splits"
    source = labelled(
        "splits",
        "text",
        "label",
        Part(CsvRows(folder / "train.csv"), "train"),
        Part(CsvRows(folder / "eval.csv"), "val"),
        Part(CsvRows(folder / "test.csv"), "test"),
    )
    assert count_duplicates(looked_at(source)).shared == (
        SharedContents(("train", "val"), 78),
        SharedContents(("train", "test"), 92),
        SharedContents(("val", "test"), 14),
    )


def test_a_file_without_header_in_another_encoding() -> None:
    file, names = SENTIMENT / "all-data.latin1.csv", ("sentiment", "text")
    source = labelled("latin", "text", "sentiment", Part(CsvRows(file, "latin-1", names=names)))
    assert len(source) == 4846
    other = labelled("utf", "text", "sentiment", Part(CsvRows(SENTIMENT / "all-data.csv")))
    assert [row.payload for row in source.examples()] == [row.payload for row in other.examples()]
    with pytest.raises(DataError, match=r"line \d+ is no utf-8") as raised:
        len(labelled("utf", "text", "sentiment", Part(CsvRows(file, names=names))))
    assert "latin-1" in raised.value.hint


def yes_no(name: str, column: str, train: str, *, one: str = "yes") -> RowSource:
    other = "no" if one == "yes" else "yes"
    labels = {"answer": LabelColumn("label", {"1": one, "0": other})}
    parts = [Part(CsvRows(ETHICS / train), "train")]
    if name != "commonsense":
        parts.append(Part(CsvRows(ETHICS / train.replace("train", "test")), "test"))
    return RowSource(name, parts, TextColumn(column), labels)


def test_the_merged_questions_are_checked_without_comparing_every_pair() -> None:
    short = RowSource(
        "commonsense_test",
        [Part(CsvRows(ETHICS / "cm_test.csv"), "test")],
        TextColumn("input"),
        {"answer": LabelColumn("label", {"1": "no", "0": "yes"})},
        where={"is_short": "True"},
    )
    merged = MergedSource(
        [
            yes_no("boolq", "input", "boolq_train.csv"),
            yes_no("strategyqa", "input", "strategyqa_train.csv"),
            yes_no("commonsense", "input", "cm_train_short.csv", one="no"),
            short,
            yes_no("justice", "scenario", "justice_train.csv"),
        ]
    )
    inspection = looked_at(merged)
    findings = find_faults(inspection, near_distance=3)
    near = group([print_.near for _, print_ in inspection.readable], 3)
    assert near.compared < len(inspection.rows) ** 2 / 2 / 1000
    assert Counter(row.source for row in inspection.rows) == {
        "boolq": 12_697,
        "strategyqa": 2_290,
        "commonsense": 6_661,
        "commonsense_test": 2_109,
        "justice": 24_495,
    }
    # One justice and one strategyqa text of train are in the test; ten repeats within justice.
    kinds = Counter(finding.kind for finding in findings)
    assert kinds["leak"] + kinds["conflict"] == 2
