"""The readers of files of rows: CSV, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.data import row_files
from tidemill.data.row_files import BATCH, CsvRows, JsonRows, ParquetRows, open_rows
from tidemill.data.rows import Row, Rows, cell_text
from tidemill.domain.errors import DataError, UsageError


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(rows: Rows, *columns: str) -> list[Row]:
    return list(rows.read(columns))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (" Yes ", "Yes"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.0, "1"),
        (0.5, "0.5"),
    ],
)
def test_a_value_is_spelled_the_same_from_every_format(value: Any, text: str) -> None:
    assert cell_text(value) == text


def test_a_csv_row_is_named_by_the_line_it_begins_on(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", 'text,label\n"one\ntwo",1\n\nthree,0\n')
    assert read(CsvRows(file), "text", "label") == [
        ("line 2", {"text": "one\ntwo", "label": "1"}),
        ("line 5", {"text": "three", "label": "0"}),
    ]


def test_a_csv_without_a_header_has_columns_by_position(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "caf\xe9,1\r\n".encode("latin-1"))
    rows = read(CsvRows(file, "latin-1", names=("text", "label")), "label")
    assert rows == [("line 1", {"text": "café", "label": "1"})]


def test_a_byte_order_mark_is_no_part_of_a_column_s_name(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", b"\xef\xbb\xbftext\nx\n")
    assert read(CsvRows(file), "text") == [("line 2", {"text": "x"})]


def test_a_byte_that_the_encoding_does_not_have_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", b"text\nfine\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"a\.csv line 3 is no utf-8: byte 0xe9 at position 3") as e:
        read(CsvRows(file), "text")
    assert "latin-1 or cp1252" in e.value.hint
    file = written(tmp_path / "b.csv", b"text\n\x81\n")
    with pytest.raises(DataError, match=r"b\.csv line 2 is no cp1252"):
        read(CsvRows(file, "cp1252"), "text")


def test_an_encoding_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="utf-16"):
        read(CsvRows(written(tmp_path / "a.csv", ""), "utf-16"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.csv is empty, or begins with an empty line"),
        ("\ntext\n", "a.csv is empty, or begins with an empty line"),
        ("label\n1\n", "a.csv has no column 'text'"),
        ("text,text\n1,2\n", "a.csv line 1 names the column 'text' twice"),
        ('"text\n', "a.csv line 1 is no CSV: unexpected end of data"),
        ("text,label\na,1\nb\n", "a.csv line 3 has 1 fields where 2 are named"),
        ("text,label\na,b,1\n", "a.csv line 2 has 3 fields where 2 are named"),
        ('text\nfine\n"never\nclosed\n', "a.csv line 3 is no CSV: unexpected end of data"),
        ('text\n"a" b\n', "a.csv line 2 is no CSV"),
    ],
)
def test_a_csv_that_is_wrong_says_where(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        read(CsvRows(written(tmp_path / "a.csv", content)), "text")
    assert raised.value.message.startswith(message)


def test_a_missing_column_is_told_beside_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read(CsvRows(written(tmp_path / "a.csv", "sentence,label\n")), "text")
    assert raised.value.hint == "Its columns are: sentence, label."


def test_a_field_may_be_a_megabyte_and_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "a.csv", f"text\n{'x' * 2**20}\n")
    assert len(read(CsvRows(file), "text")[0].values["text"]) == 2**20
    limit = csv.field_size_limit(1000)
    monkeypatch.setattr(row_files, "FIELD_LIMIT", 1000)
    with pytest.raises(DataError, match=r"line 2 is no CSV: field larger than"):
        read(CsvRows(file), "text")
    csv.field_size_limit(limit)


def test_json_lines_are_objects(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", '{"text": "a\\nb", "n": 1}\n\n{"text": null}\n')
    assert read(JsonRows(file), "text") == [
        ("line 1", {"text": "a\nb", "n": 1}),
        ("line 3", {"text": None}),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "is no JSON object"),
        ("{", "is no JSON: "),
        ("[" * 10**5, "is no"),
        ('{"text": "a", "text": "b"}', "names the key 'text' twice"),
        ('{"text": {"a": 1, "\\u0061": 1}}', "names the key 'a' twice"),
    ],
)
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl line 2 {message}"):
        read(JsonRows(written(tmp_path / "a.jsonl", f'{{"text": "x"}}\n{line}\n')), "text")


def test_parquet_gives_typed_values_across_batches(tmp_path: Path) -> None:
    table = pa.table({"text": [f"{n}" for n in range(BATCH + 2)], "yes": [True] * (BATCH + 2)})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = read(ParquetRows(tmp_path / "a.parquet"), "text", "yes", "text")
    assert rows[-1] == (f"row {BATCH + 2}", {"text": f"{BATCH + 1}", "yes": True})
    assert len(rows) == BATCH + 2


def test_parquet_without_the_column_or_broken_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet has no column 'text'"):
        read(ParquetRows(tmp_path / "a.parquet"), "text")
    with pytest.raises(DataError, match=r"b\.parquet cannot be read after row 0"):
        read(ParquetRows(written(tmp_path / "b.parquet", "PAR1")), "text")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_file_that_is_not_there_is_a_fault_of_the_data(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(open_rows(tmp_path / name), "text")


def test_the_name_s_end_chooses_the_reader(tmp_path: Path) -> None:
    tabbed = open_rows(written(tmp_path / "a.TSV", "text\tlabel\na,b\t1\n"))
    assert read(tabbed, "text")[0].values == {"text": "a,b", "label": "1"}
    line = json.dumps({"text": "x"})
    assert read(open_rows(written(tmp_path / "a.ndjson", line)), "text")[0].values["text"] == "x"
    assert open_rows(tmp_path / "a.csv", name="train/a.csv").name == "train/a.csv"


def test_what_means_nothing_for_a_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.xlsx is no file of rows"):
        open_rows(tmp_path / "a.xlsx")
    with pytest.raises(UsageError, match="names its columns itself"):
        open_rows(tmp_path / "a.parquet", names=("text",))
    with pytest.raises(UsageError, match="always UTF-8"):
        open_rows(tmp_path / "a.parquet", encoding="latin-1")
