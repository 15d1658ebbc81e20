"""Rows of a database that another system writes, in pages; on SQLite, which is a file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.user_rows import LackingRow, UserRow, UserRows
from tidemill.domain.errors import DataError, Unavailable, UsageError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DDL = "CREATE TABLE user_data (prompt, label, time)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty table."""
    path = tmp_path / "user data.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(DDL)
    return path


def insert(path: Path, rows: Iterable[tuple[Any, Any, Any]]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO user_data VALUES (?, ?, ?)", rows)


def read(path: Path, place: str = "", size: int = 3) -> list[list[UserRow]]:
    """The pages of a table in which no row lacks anything."""
    pages = list(UserRows(f"sqlite:///{path}").pages(place, size=size))
    whole = [[row for row in page if isinstance(row, UserRow)] for page in pages]
    assert [len(page) for page in whole] == [len(page) for page in pages]
    return whole


def faults(path: Path) -> list[str]:
    """What its rows lack."""
    pages = UserRows(f"sqlite:///{path}").pages("", size=3)
    return [row.fault for page in pages for row in page if isinstance(row, LackingRow)]


def said(pages: list[list[UserRow]]) -> list[tuple[str, object]]:
    return [(row.payload.decode(), row.label) for page in pages for row in page]


def test_rows_come_in_the_order_of_their_time_and_as_they_were_written(path: Path) -> None:
    insert(path, [("b", 0, "2026-01-02 00:00:00"), ("a", "yes", "2026-01-01 12:00:00")])
    [[first, second]] = read(path)
    assert first == UserRow(b"a", "yes", NOON, '"2026-01-01 12:00:00"')
    assert (second.payload, second.label) == (b"b", 0)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 6, 7])
def test_only_the_last_page_is_short(path: Path, n: int) -> None:
    insert(path, [(f"q{at}", 1, "2026-01-01 12:00:00") for at in range(n)])
    pages = read(path)
    assert [len(page) for page in pages] == [3] * (n // 3) + [n % 3]
    assert said(pages) == [(f"q{at}", 1) for at in range(n)]


def test_rows_of_one_time_stand_on_either_side_of_a_cut(path: Path) -> None:
    rows = [("q", None), ("q", "no"), ("q", "no"), ("q", "yes"), ("r", None), ("r", "no")]
    insert(path, [(*row, "2026-01-01 12:00:00") for row in rows[::-1]])
    for size in range(1, 8):
        assert said(read(path, size=size)) == rows


def test_reading_goes_on_from_a_place_with_all_of_its_time(path: Path) -> None:
    times = ["2026-01-01 12:00:00", "2026-01-01 12:00:01", "2026-01-01 12:00:01", "2026-01-02"]
    insert(path, [(f"q{at}", at % 2, time) for at, time in enumerate(times)])
    [page, _] = read(path)
    assert said(read(path, page[2].place)) == [("q1", 1), ("q2", 0), ("q3", 1)]
    insert(path, [("late", 1, "2026-01-01 12:00:01")])
    assert ("late", 1) in said(read(path, page[2].place))


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
    assert said(read(path, row.place)) == [("q", 1)]


@pytest.mark.parametrize("time", ["yesterday", 1e300, float("inf"), b"2026"])
def test_a_time_that_is_none_is_said_of_its_row(path: Path, time: object) -> None:
    insert(path, [("q", 1, time), ("r", 1, "2026-01-01")])
    [fault] = faults(path)
    assert fault == f"A row of user_data has the time {time!r}, which is none."


def test_rows_without_a_time_are_counted_and_never_read(path: Path) -> None:
    rows = UserRows(f"sqlite:///{path}")
    assert rows.undated() == 0
    insert(path, [("q", 1, None), ("r", 0, None), ("s", 0, "2026-01-01")])
    assert rows.undated() == 2
    assert said(read(path, '"2026-01-01"')) == [("s", 0)]


@pytest.mark.parametrize("prompt", [None, 3])
def test_a_row_without_a_prompt_is_named(path: Path, prompt: object) -> None:
    insert(path, [(prompt, 1, "2026-01-01 12:00:00")])
    assert faults(path) == ["The row of user_data of 2026-01-01 12:00:00 has no prompt."]


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        read(tmp_path / "nowhere.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_another_table_is_said(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as database, database:
        database.execute("CREATE TABLE answers (prompt, label)")
    with pytest.raises(DataError, match="no such table: user_data") as caught:
        read(tmp_path / "other.sqlite")
    assert "The query is: SELECT prompt, label, time FROM user_data" in caught.value.hint


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
        UserRows(address)
    assert "postgresql://" in caught.value.hint


def test_no_password_stands_in_the_import_offset() -> None:
    address = "postgresql://ann:secret@host:6543/base?password=secret"
    import_offset = UserRows(address).import_offset
    assert import_offset == "user_data of postgresql+psycopg://host:6543/base"
    assert UserRows(address.replace("postgresql", "postgres")).import_offset == import_offset
