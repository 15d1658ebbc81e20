"""Rows of a table that another system writes, in pages; on SQLite, which is a file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.feedback_table import FaultyRow, FeedbackTable, LabelRow
from tidemill.data.database import Database
from tidemill.domain.errors import DataError, Unavailable, UsageError
from tidemill.loop.feedback_columns import FeedbackColumns

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
USERS = FeedbackColumns(table="user_data", payload="prompt")
ORDERS = FeedbackColumns(
    table='select "a:b"',
    label={"kind": "Kind%", "part": "PART"},
    time="order",
    payload="Free Text",
    prediction="id",
    item="node",
    actor="who;--",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty table."""
    path = tmp_path / "user data.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE user_data (prompt, label, time)")
    return path


def open_table(path: Path, columns: FeedbackColumns = USERS) -> FeedbackTable:
    return FeedbackTable(Database(f"sqlite:///{path}", "feedback"), columns)


def insert(path: Path, rows: Iterable[tuple[Any, Any, Any]]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO user_data VALUES (?, ?, ?)", rows)


def read(path: Path, place: str = "", size: int = 3) -> list[list[LabelRow]]:
    """The pages of a table in which no row lacks anything."""
    pages = list(open_table(path).pages(place, size=size))
    whole = [[row for row in page if isinstance(row, LabelRow)] for page in pages]
    assert [len(page) for page in whole] == [len(page) for page in pages]
    return whole


def faults(path: Path) -> list[str]:
    """What its rows lack."""
    pages = open_table(path).pages("", size=3)
    return [row.fault for page in pages for row in page if isinstance(row, FaultyRow)]


def texts_and_labels(pages: list[list[LabelRow]]) -> list[tuple[str, object]]:
    return [((row.payload or b"").decode(), row.labels["label"]) for page in pages for row in page]


def test_rows_come_in_the_order_of_their_time_and_as_they_were_written(path: Path) -> None:
    insert(path, [("b", 0, "2026-01-02 00:00:00"), ("a", "yes", "2026-01-01 12:00:00")])
    [[first, second]] = read(path)
    place = '"2026-01-01 12:00:00"'
    assert first == LabelRow({"label": "yes"}, NOON, place, payload=b"a")
    assert (second.payload, second.labels) == (b"b", {"label": 0})


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 6, 7])
def test_only_the_last_page_is_short(path: Path, n: int) -> None:
    insert(path, [(f"q{at}", 1, "2026-01-01 12:00:00") for at in range(n)])
    pages = read(path)
    assert [len(page) for page in pages] == [3] * (n // 3) + [n % 3]
    assert texts_and_labels(pages) == [(f"q{at}", 1) for at in range(n)]


def test_rows_of_one_time_stand_on_either_side_of_a_cut(path: Path) -> None:
    rows = [("q", None), ("q", "no"), ("q", "no"), ("q", "yes"), ("r", None), ("r", "no")]
    insert(path, [(*row, "2026-01-01 12:00:00") for row in rows[::-1]])
    for size in range(1, 8):
        assert texts_and_labels(read(path, size=size)) == rows


def test_reading_goes_on_from_a_place_with_all_of_its_time(path: Path) -> None:
    times = ["2026-01-01 12:00:00", "2026-01-01 12:00:01", "2026-01-01 12:00:01", "2026-01-02"]
    insert(path, [(f"q{at}", at % 2, time) for at, time in enumerate(times)])
    [page, _] = read(path)
    assert texts_and_labels(read(path, page[2].place)) == [("q1", 1), ("q2", 0), ("q3", 1)]
    insert(path, [("late", 1, "2026-01-01 12:00:01")])
    assert ("late", 1) in texts_and_labels(read(path, page[2].place))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-01T12:00:00", NOON),
        ("2026-01-01T13:00:00+01:00", NOON),
        ("2026-01-01 12:00:00Z", NOON),
        (NOON.timestamp(), NOON),
        (int(NOON.timestamp()), NOON),
    ],
)
def test_a_time_is_read_in_every_common_form(path: Path, time: object, expected: datetime) -> None:
    insert(path, [("q", 1, time)])
    [[row]] = read(path)
    assert row.at == expected
    assert json.loads(row.place) == time
    assert texts_and_labels(read(path, row.place)) == [("q", 1)]


@pytest.mark.parametrize("time", ["yesterday", 1e300, float("inf"), b"2026"])
def test_a_time_that_is_none_is_said_of_its_row(path: Path, time: object) -> None:
    insert(path, [("q", 1, time), ("r", 1, "2026-01-01")])
    [fault] = faults(path)
    assert fault == f"A row of user_data has the time {time!r}, which is none."


@pytest.mark.parametrize("cell", ["label", "prompt", "time"])
def test_a_text_that_is_no_utf8_concerns_its_row_alone(path: Path, cell: str) -> None:
    insert(path, [("a", "yes", "2026-01-01"), ("b", "no", "2026-01-02"), ("c", "no", "2026-01-03")])
    with closing(sqlite3.connect(path)) as database, database:
        change = f"SET {cell} = CAST(X'66FC6E' AS TEXT) WHERE prompt = 'b'"
        database.execute("UPDATE user_data " + change)
    for size in (1, 2, 5):
        rows = [row for page in open_table(path).pages("", size=size) for row in page]
        if cell == "time":
            [fault] = [row.fault for row in rows if isinstance(row, FaultyRow)]
            assert fault == "A row of user_data has the time b'f\\xfcn', which is none."
            assert len(rows) == 3
            continue
        _, row, _ = rows
        assert isinstance(row, LabelRow)
        assert (row.labels["label"] if cell == "label" else row.payload) == b"f\xfcn"


def test_names_that_are_bytes_are_texts_or_are_named(path: Path) -> None:
    noon = "2026-01-01 12:00:00"
    rows = [("rust", "", noon, None, b"p1", b"n1", name) for name in (b"\xffana", b"ana")]
    [[first, second]] = orders(path, *rows).pages("", size=3)
    named = {type(row): row for row in (first, second)}
    row, faulty = named[LabelRow], named[FaultyRow]
    assert isinstance(row, LabelRow)
    assert (row.prediction, row.item, row.actor) == ("p1", "n1", "ana")
    assert isinstance(faulty, FaultyRow)
    assert faulty.fault.endswith("12:00:00 has a name that is no UTF-8: b'\\xffana'.")
    assert faulty.at == NOON


def test_rows_without_a_time_are_counted_and_never_read(path: Path) -> None:
    rows = open_table(path)
    assert rows.count_undated() == 0
    insert(path, [("q", 1, None), ("r", 0, None), ("s", 0, "2026-01-01")])
    assert rows.count_undated() == 2
    assert texts_and_labels(read(path, '"2026-01-01"')) == [("s", 0)]


@pytest.mark.parametrize("prompt", [None, 3])
def test_a_row_without_a_payload_is_named(path: Path, prompt: object) -> None:
    insert(path, [(prompt, 1, "2026-01-01 12:00:00")])
    assert faults(path) == ["The row of user_data of 2026-01-01 12:00:00 has no payload."]


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        read(tmp_path / "nowhere.sqlite")
    assert list(tmp_path.iterdir()) == []


def orders(path: Path, *rows: tuple[object, ...]) -> FeedbackTable:
    """A table whose names are not those of identifiers."""
    with closing(sqlite3.connect(path)) as database, database:
        columns = '"Kind%", "PART", "order", "Free Text", id, node, "who;--"'
        database.execute(f'CREATE TABLE "select ""a:b""" ({columns})')
        database.executemany('INSERT INTO "select ""a:b""" VALUES (?, ?, ?, ?, ?, ?, ?)', rows)
    return open_table(path, ORDERS)


def test_a_table_under_any_names_is_read(path: Path) -> None:
    noon, later = "2026-01-01 12:00:00", "2026-01-01 12:00:01"
    table = orders(
        path,
        ("rust", "leaf", later, b"\x00\xff", None, None, None),
        ("miner", None, noon, None, "p1", "n3", "ana"),
        ("rust", "stem", noon, "unread", "p2", "", " "),
    )
    [[first, second], [third]] = table.pages("", size=2)
    assert first == LabelRow(
        {"Kind%": "miner", "PART": None}, NOON, f'"{noon}"', None, "p1", "n3", "ana"
    )
    assert isinstance(second, LabelRow)
    assert (second.payload, second.prediction, second.actor) == (b"unread", "p2", "")
    assert third == LabelRow(
        {"Kind%": "rust", "PART": "leaf"},
        NOON + timedelta(seconds=1),
        f'"{later}"',
        b"\x00\xff",
    )
    assert table.count_undated() == 0
    assert table.name == 'select "a:b"'


def test_a_row_without_payload_and_prediction_is_named(path: Path) -> None:
    [[row]] = orders(path, ("rust", "", "2026-01-01 12:00:00", None, "", "n", "ana")).pages(
        "", size=2
    )
    assert isinstance(row, FaultyRow)
    assert row.fault.endswith("of 2026-01-01 12:00:00 has no payload and no prediction.")


def test_a_view_is_read_like_a_table(path: Path) -> None:
    insert(path, [("q", 1, "2026-01-01")])
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE VIEW answers AS SELECT prompt AS question, * FROM user_data")
    columns = FeedbackColumns(table="answers", payload="question")
    [[row]] = open_table(path, columns).pages("", size=3)
    assert isinstance(row, LabelRow)
    assert row.payload == b"q"


def test_an_unknown_table_is_refused_with_those_that_exist(path: Path) -> None:
    for read_it in (lambda table: list(table.pages("", size=3)), FeedbackTable.count_undated):
        with pytest.raises(DataError, match="has no table 'answers'") as caught:
            read_it(open_table(path, FeedbackColumns(table="answers")))
        assert caught.value.hint == "It has: user_data. Set feedback.table."


def test_an_unknown_schema_is_refused_with_those_that_exist(path: Path) -> None:
    with pytest.raises(DataError, match="has no schema 'field'") as caught:
        list(open_table(path, replace(USERS, schema="field")).pages("", size=3))
    assert caught.value.hint == "It has: main. Set feedback.schema."
    [[]] = open_table(path, replace(USERS, schema="main")).pages("", size=3)


@pytest.mark.parametrize("name", ["label", "time", "payload", "prediction", "actor"])
@pytest.mark.parametrize("column", ["Prompt", "x, label FROM user_data; --", 'label" AS "x'])
def test_an_unknown_column_is_refused_with_those_that_exist(
    path: Path, name: str, column: str
) -> None:
    """SQLite would take a quoted name that is no column for a text."""
    names: dict[str, Any] = {name: column}
    columns = replace(USERS, **names)
    for read_it in (lambda table: list(table.pages("", size=3)), FeedbackTable.count_undated):
        with pytest.raises(DataError) as caught:
            read_it(open_table(path, columns))
        assert caught.value.message == f"user_data has no column {column!r}."
        assert caught.value.hint == "Its columns are: prompt, label, time."


@pytest.mark.parametrize(
    "address",
    [
        "",
        "user_data.sqlite",
        "mysql://host/base",
        "sqlite://",
        "sqlite:///",
        "://",
        "postgresql://a:b",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no address") as caught:
        Database(address, "feedback")
    assert "postgresql://" in caught.value.hint


def test_no_password_stands_in_the_import_offset() -> None:
    address = "postgresql://ann:secret@host:6543/base?password=secret"
    import_offset = FeedbackTable(Database(address, "feedback"), USERS).import_offset
    assert import_offset == "user_data by time of postgresql+psycopg://host:6543/base"
    other = Database(address.replace("postgresql", "postgres"), "feedback")
    assert FeedbackTable(other, USERS).import_offset == import_offset
    assert FeedbackTable(other, replace(USERS, time="at")).import_offset != import_offset


def test_one_file_has_one_import_offset_and_is_read_from_every_folder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(path, [("q", 1, "2026-01-01")])
    whole = open_table(path).import_offset
    monkeypatch.chdir(path.parent)
    relative = open_table(Path(path.name))
    uri = FeedbackTable(Database("sqlite:///file:user%20data.sqlite?uri=true", "feedback"), USERS)
    assert relative.import_offset == whole
    assert str(path.parent) in uri.import_offset
    monkeypatch.chdir("/")
    for table in (relative, uri):
        [[row]] = table.pages("", size=3)
        assert isinstance(row, LabelRow)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_row_that_is_deleted_between_two_pages_hides_no_other(path: Path, size: int) -> None:
    rows = [(f"q{at}", "yes", "2026-01-01") for at in range(6)]
    insert(path, [*rows, ("r", "no", "2026-01-02")])
    pages = open_table(path).pages("", size=size)
    begun = [row.payload for row in next(pages) if isinstance(row, LabelRow)]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM user_data WHERE prompt = 'q0'")
    payloads = [row.payload for page in pages for row in page if isinstance(row, LabelRow)]
    assert {*begun, *payloads} == {b"q0", b"q1", b"q2", b"q3", b"q4", b"q5", b"r"}


@pytest.mark.parametrize(("before", "after"), [("2026-01-01", 1767225600), (17.5, "2026-01-01")])
def test_times_of_another_type_than_at_the_last_import_are_refused(
    path: Path, before: object, after: object
) -> None:
    insert(path, [("q", 1, before)])
    [[row]] = read(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE user_data SET time = ?", [after])
    for read_it in (
        lambda table: list(table.pages(row.place, size=3)),
        lambda table: table.count_undated(row.place),
    ):
        with pytest.raises(DataError, match="'time' of user_data has times of another type"):
            read_it(open_table(path))
    assert read(path)


def test_values_that_are_no_times_count_as_undated_below_the_place(path: Path) -> None:
    insert(path, [("q", 1, "2026-01-02"), ("r", 1, "2026-01-03")])
    place = read(path)[0][1].place
    odd = ["", " ", "01.02.2026 10:00", 1767225600, 17.5, None]
    insert(path, [("s", 1, value) for value in odd])
    table = open_table(path)
    assert table.count_undated(place) == len(odd)
    assert table.count_undated() == 1
    [[row]] = table.pages(place, size=3)
    assert isinstance(row, LabelRow)
    insert(path, [("s", 1, "zzz"), ("s", 1, b"2026")])
    assert table.count_undated(place) == len(odd)
    assert len(next(table.pages(place, size=3))) == 3
