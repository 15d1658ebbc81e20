"""The payloads of a batch, from every kind of file that people have."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.codecs.codec import Payload
from tidemill.codecs.image import ImagePayload
from tidemill.codecs.payload_like import to_payload
from tidemill.codecs.table import TableCodec
from tidemill.codecs.text import TextPayload
from tidemill.data import payload_files
from tidemill.data.payload_files import InputRow, PayloadFiles
from tidemill.domain.errors import DataError, UsageError

COLUMNS = [
    {"kind": "number", "name": "size", "required": False},
    {"kind": "category", "name": "form", "values": ["round", "flat"], "required": False},
]


def table() -> type[Payload]:
    return TableCodec.from_config({"columns": COLUMNS}).payload


def payloads(form: type[Payload], rows: list[InputRow]) -> list[bytes]:
    for row in rows:
        assert row.error is None, row.error
    return [to_payload(form, row.value, cells=row.cells) for row in rows if row.value is not None]


def test_cells_of_a_table_are_read_from_text(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,size,form\n7, 1.5 ,round\n8,,flat\n9,2,\n")
    files = PayloadFiles(table(), [file], extras=["id"])
    rows = list(files.rows())
    assert payloads(table(), rows) == [
        b'{"form":"round","size":1.5}',
        b'{"form":"flat","size":null}',
        b'{"form":null,"size":2.0}',
    ]
    assert [(row.source, row.extras) for row in rows] == [
        (f"{file} line {line}", {"id": id}) for line, id in ((2, "7"), (3, "8"), (4, "9"))
    ]
    assert [row.source for row in files.rows(2)] == [f"{file} line 4"]


def test_a_column_that_is_repeated_stays_part_of_the_payload(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"size": 1, "form": "flat"}\n')
    [row] = PayloadFiles(table(), [file], extras=["form"]).rows()
    assert payloads(table(), [row]) == [b'{"form":"flat","size":1}']
    assert row.extras == {"form": "flat"}


def test_columns_that_were_meant_otherwise_are_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,size,form\n7,1,round\n")
    with pytest.raises(UsageError, match="no part of a payload: id") as raised:
        list(PayloadFiles(table(), [file]).rows())
    assert "--keep id" in raised.value.hint
    with pytest.raises(UsageError, match="none of the columns of a payload: text"):
        list(PayloadFiles(TextPayload, [file]).rows())
    with pytest.raises(UsageError, match="has no column 'words'"):
        list(PayloadFiles(TextPayload, [file], column="words").rows())


def test_a_column_names_texts_or_files_beside_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,at\nleaf.png,1\n,2\n")
    [text, empty] = PayloadFiles(TextPayload, [file], column="text").rows()
    assert text.value == "leaf.png"
    assert isinstance(empty.error, DataError)
    [image, _] = PayloadFiles(ImagePayload, [file], column="text").rows()
    assert image.value == tmp_path / "leaf.png"


def test_images_inside_parquet(tmp_path: Path) -> None:
    file = tmp_path / "images.parquet"
    rows = [{"image": {"bytes": b"png", "path": None}, "id": 1}, {"image": None, "id": 2}]
    pq.write_table(pa.Table.from_pylist(rows), file)
    files = PayloadFiles(ImagePayload, [file], column="image", extras=["id"])
    [image, missing] = files.rows()
    assert (image.value, image.extras) == (b"png", {"id": 1})
    assert isinstance(missing.error, DataError)
    assert files.count() == 2


def test_lines_and_lists(tmp_path: Path) -> None:
    lines = tmp_path / "texts.txt"
    lines.write_bytes("Gr\u00fcn\r\n\nlast".encode() + b"\n\xff\n")
    rows = list(PayloadFiles(TextPayload, [lines], lines=True).rows())
    assert [row.value for row in rows] == ["Gr\u00fcn".encode(), b"", b"last", None]
    assert "no utf-8" in str(rows[3].error)
    assert [row.value for row in PayloadFiles(TextPayload, [lines]).rows()] == [lines]
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps(["one", {"text": "two"}]))
    assert payloads(TextPayload, list(PayloadFiles(TextPayload, [listed]).rows())) == [
        b"one",
        b"two",
    ]
    listed.write_text(json.dumps([{"row": {"size": 1}}, {"size": 2}]))
    assert payloads(table(), list(PayloadFiles(table(), [listed]).rows())) == [
        b'{"size":1}',
        b'{"size":2}',
    ]
    listed.write_text('{"size": 3}')
    assert payloads(table(), list(PayloadFiles(table(), [listed]).rows())) == [b'{"size":3}']


def test_a_row_at_fault_does_not_end_the_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(
        b'text,id\none,1\ntwo\n"thr\xe9e",3\nfo"ur,4\n"fi"ve,5\nsix,6\n"open,7\nend,8\n'
    )
    rows = list(PayloadFiles(TextPayload, [file], extras=["id"]).rows())
    places = [(row.source.split()[-1], row.error is None) for row in rows]
    # The quote of line 8 has no end, so that line and those after it are one row.
    assert places == [
        ("2", True),
        ("3", False),
        ("4", False),
        ("5", True),
        ("6", False),
        ("7", True),
        ("8", False),
    ]
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"text": "one"}\n\n{"text"\n["two"]\n{"text": "\xff"}\n{"text": "end"}\n')
    rows = list(PayloadFiles(TextPayload, [file]).rows())
    assert [row.error is None for row in rows] == [True, False, False, False, True]


def test_a_column_that_is_used_has_one_name_alone(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,text,text\n1,one,two\n")
    for options in ({"column": "text"}, {"column": "id", "extras": ["text"]}, {"extras": ["id"]}):
        with pytest.raises(DataError, match="names the column 'text' twice"):
            list(PayloadFiles(TextPayload, [file], **options).rows())
    [row] = PayloadFiles(TextPayload, [file], column="id").rows()
    assert row.value == "1"
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, file.with_suffix(".parquet"))
    with pytest.raises(DataError, match="names the column 'text' twice"):
        list(PayloadFiles(TextPayload, [file.with_suffix(".parquet")], column="text").rows())


def test_a_json_file_that_is_too_large_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.json"
    file.write_text("[")
    [row] = PayloadFiles(TextPayload, [file]).rows()
    assert "is no JSON" in str(row.error)
    file.write_text('{"text": "one", "text": "two"}')
    [row] = PayloadFiles(TextPayload, [file]).rows()
    assert "names the key 'text' twice" in str(row.error)
    file.write_text('["one"]')
    monkeypatch.setattr(payload_files, "MAX_JSON_BYTES", 3)
    [row] = PayloadFiles(TextPayload, [file]).rows()
    assert row.error is not None
    assert ".jsonl" in row.error.hint


def test_the_digest_changes_with_the_files_and_with_how_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,id\none,1\n")
    before = PayloadFiles(TextPayload, [file]).digest()
    assert PayloadFiles(TextPayload, [file]).digest() == before
    assert PayloadFiles(TextPayload, [file], extras=["id"]).digest() != before
    assert PayloadFiles(TextPayload, [file], column="text").digest() != before
    os.utime(file, ns=(1, 1))
    assert PayloadFiles(TextPayload, [file]).digest() != before
