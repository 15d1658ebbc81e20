from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.data.payloads import CellColumns, TextColumn
from tidemill.data.row_files import CsvRows, JsonRows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.domain.errors import DataError
from tidemill.domain.types import payload_id

TURNED = LabelColumn("label", {"0": "yes", "1": "no"})


def source(path: Path, content: str, label: LabelColumn = TURNED, **choices: Any) -> RowSource:
    path.write_text(content, encoding="utf-8")
    rows = JsonRows(path) if path.suffix == ".jsonl" else CsvRows(path)
    payload = choices.pop("payload", TextColumn("text"))
    return RowSource("ethics", [Part(rows, "train")], payload, {"answer": label}, **choices)


def refused(source: RowSource) -> DataError:
    with pytest.raises(DataError) as raised:
        list(source.examples())
    return raised.value


def test_a_row_becomes_an_example(tmp_path: Path) -> None:
    (example,) = source(tmp_path / "a.csv", "label,text\n0, I waved. \n").examples()
    assert example.payload == b" I waved. "
    assert example.id == payload_id(example.payload)
    assert example.labels == {"answer": "yes"}
    assert (example.source, example.origin, example.split) == ("ethics", "a.csv line 2", "train")


def test_several_targets_and_files_keep_their_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"text,kind,mood\n{name},k,m\n", encoding="utf-8")
    row_source = RowSource(
        "two",
        [Part(CsvRows(tmp_path / "b.csv"), "test"), Part(CsvRows(tmp_path / "a.csv"))],
        TextColumn("text"),
        {"kind": LabelColumn("kind"), "mood": LabelColumn("mood")},
    )
    first, second = row_source.examples()
    assert (first.payload, first.split) == (b"b", "test")
    assert (second.payload, second.split) == (b"a", None)
    assert second.labels == {"kind": "k", "mood": "m"}
    assert len(row_source) == 2


def test_a_value_that_stands_for_no_label_is_an_error(tmp_path: Path) -> None:
    error = refused(source(tmp_path / "a.csv", "label,text\n0,a\nno,b\n"))
    assert error.message == "a.csv line 3: the value 'no' of 'label' stands for no label."
    assert error.hint == "Known values are: 0, 1."


@pytest.mark.parametrize(
    ("row", "column"), [("0,", "'text'"), (" ,a", "'label'"), (",  ", "'text' and 'label'")]
)
def test_a_row_with_nothing_in_it_is_named_or_counted(
    tmp_path: Path, row: str, column: str
) -> None:
    content = f"label,text\n1,first\n{row}\n"
    error = refused(source(tmp_path / "a.csv", content))
    assert error.message == f"a.csv line 3: there is nothing in {column}."

    lenient = source(tmp_path / "a.csv", content, skip_blank=True)
    assert [example.payload for example in lenient.examples()] == [b"first"]
    assert lenient.notes() == ("1 row of a.csv without a text or label left out.",)
    assert len(lenient) == 1
    assert lenient.notes() == ("1 row of a.csv without a text or label left out.",)


def test_only_the_rows_that_were_asked_for_count(tmp_path: Path) -> None:
    content = "label,text,is_short\n0,a,True\nbad,b,False\n1,c,True\n"
    row_source = source(tmp_path / "a.csv", content, where={"is_short": "True"})
    assert [example.origin for example in row_source.examples()] == ["a.csv line 2", "a.csv line 4"]

    none = source(tmp_path / "a.csv", content, where={"is_short": "yes"})
    assert refused(none).message == "a.csv holds no row where is_short is yes."
    absent = source(tmp_path / "a.csv", content, where={"long": "yes"})
    assert refused(absent).message == "a.csv has no column 'long'."


def test_no_row_at_all_is_an_error_unless_it_may_be(tmp_path: Path) -> None:
    assert refused(source(tmp_path / "a.csv", "label,text\n")).message == "a.csv holds no row."
    assert list(source(tmp_path / "a.csv", "label,text\n", may_be_empty=True).examples()) == []


def test_a_text_that_is_none_is_named(tmp_path: Path) -> None:
    number = source(tmp_path / "a.jsonl", '{"label": 0, "text": 7}\n')
    assert refused(number).message == "a.jsonl line 1: the column 'text' holds no text but 7."
    half = source(tmp_path / "a.jsonl", '{"label": 0, "text": "\\ud800"}\n')
    assert refused(half).message == "a.jsonl line 1: the text in 'text' holds half a character."


def test_truth_values_are_mapped_by_their_spelling(tmp_path: Path) -> None:
    label = LabelColumn("label", {"true": "yes", "false": "no"})
    lines = '{"label": true, "text": "a"}\n{"label": false, "text": "b"}\n'
    row_source = source(tmp_path / "a.jsonl", lines, label)
    assert [example.labels["answer"] for example in row_source.examples()] == ["yes", "no"]


def test_columns_of_a_table_become_canonical_json(tmp_path: Path) -> None:
    cells = CellColumns(numbers=("radius", "area"), words=("site",))
    content = "site,area,radius,label\nleft,,17.50,0\n,3,4,1\n,,,1\n"
    row_source = source(tmp_path / "a.csv", content, payload=cells, skip_blank=True)
    payloads = [example.payload for example in row_source.examples()]
    assert payloads == [b'{"radius":17.5,"site":"left"}', b'{"area":3.0,"radius":4.0}']
    assert [json.loads(payload) for payload in payloads]
    assert row_source.notes()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("wide", "holds no number but 'wide'"),
        ("1_000", "holds no number but '1_000'"),
        ("inf", "is not finite"),
    ],
)
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, cell: str, message: str) -> None:
    row_source = source(
        tmp_path / "a.csv", f"label,radius\n0,{cell}\n", payload=CellColumns(numbers=("radius",))
    )
    error = refused(row_source)
    assert error.message.startswith("a.csv line 2: the ")
    assert error.message.endswith(f"{message}.")
