from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tidemill.data.payloads import TextColumn
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.data.sql_rows import SqlRows
from tidemill.domain.errors import DataError, Unavailable, UsageError
from tidemill.domain.types import Example

QUERY = "SELECT prompt, label, time FROM user_data;"
SAID = {"yes": "yes", "no": "no", "true": "yes", "false": "no", "1": "yes", "0": "no"}
Row = tuple[Any, Any, Any]
Fill = Callable[..., None]


@pytest.fixture
def fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Adds rows to the table of a database, whose connection string is in ROWS_DATABASE."""
    file = tmp_path / "rows.db"
    monkeypatch.setenv("ROWS_DATABASE", f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE user_data (prompt, label, time)")

    def filled(*rows: Row) -> None:
        with closing(sqlite3.connect(file)) as database, database:
            database.executemany("INSERT INTO user_data VALUES (?, ?, ?)", rows)

    return filled


def rows_of(query: str = QUERY, **choices: Any) -> SqlRows:
    settings: dict[str, Any] = {"page": 3, "name": "user_data"} | choices
    return SqlRows("ROWS_DATABASE", query, ("time", "prompt"), **settings)


def users(rows: SqlRows, **choices: Any) -> list[Example]:
    labels = {"answer": LabelColumn("label", SAID)}
    source = RowSource("user", [Part(rows)], TextColumn("prompt"), labels, **choices)
    return list(source.examples())


def many(count: int, day: int = 1) -> list[Row]:
    """Rows in no order, three of each minute."""
    rows = [(f"{n:03}?", ("yes", "no")[n % 2], f"2026-01-0{day} 12:{n // 3:02}") for n in range(99)]
    return rows[:count][::-1]


def test_rows_come_in_the_order_of_their_time(fill: Fill) -> None:
    fill(*many(20))
    rows = users(rows_of())
    assert [example.payload.decode() for example in rows] == [f"{n:03}?" for n in range(20)]
    assert rows[4].origin == "user_data row 5 (2026-01-01 12:01)"
    assert [example.labels["answer"] for example in rows[:2]] == ["yes", "no"]


@pytest.mark.parametrize("page", [2, 3, 4, 7, 20, 1000])
def test_no_row_is_lost_or_doubled_between_pages(fill: Fill, page: int) -> None:
    fill(*many(20), ("007?", "yes", "2026-01-01 12:02"))
    payloads = [example.payload for example in users(rows_of(page=page))]
    assert sorted(payloads) == sorted([f"{n:03}?".encode() for n in range(20)] + [b"007?"])


@pytest.mark.parametrize("count", [3, 4, 8])
def test_more_rows_of_one_place_than_a_page_holds_are_all_read(fill: Fill, count: int) -> None:
    labels = ["yes", "no", "true"]
    rows = [("why?", labels[n % 3], "2026-01-01 12:00") for n in range(count)]
    fill(*rows, ("when?", "no", "2026-01-01 12:00"), ("who?", "no", "2026-01-01 12:01"))
    labels_read = [row.values["label"] for row in rows_of().read(["label"])]
    assert labels_read == ["no", *sorted(label for _, label, _ in rows), "no"]


@pytest.mark.parametrize("page", [1, 2, 3, 9])
def test_places_that_the_database_takes_to_be_the_same_are_read_once(
    fill: Fill, tmp_path: Path, page: int
) -> None:
    with closing(sqlite3.connect(tmp_path / "rows.db")) as database, database:
        database.execute("DROP TABLE user_data")
        database.execute("CREATE TABLE user_data (prompt TEXT COLLATE NOCASE, label, time)")
    words = ["why", "WHY", "Why", "who", "WHO"]
    fill(*((word, "yes", "2026-01-01 12:00") for word in words))
    payloads = [payload.payload.decode() for payload in users(rows_of(page=page))]
    assert sorted(payloads) == sorted(words)


def test_only_what_came_after_a_place_is_read(fill: Fill) -> None:
    fill(*many(8))
    *_, last = rows_of().pages()
    assert last.end == ("2026-01-01 12:02", "007?")
    fill(*many(6, day=2))
    later = [example.payload for example in users(rows_of(after=last.end))]
    assert later == [f"{n:03}?".encode() for n in range(6)]
    # The time alone stands for all rows of that time.
    assert len(users(rows_of(after=("2026-01-01 12:01",)))) == 2 + 6
    assert list(rows_of(after=("2027",)).pages()) == [((), ("2027",))]


def test_a_table_that_grows_gives_the_same_rows_again(fill: Fill) -> None:
    fill(*many(5))
    rows = rows_of()
    first = users(rows)
    fill(*many(5, day=2))
    assert users(rows) == first
    assert len(users(rows_of())) == 10


def test_a_table_that_was_empty_stays_so(fill: Fill) -> None:
    rows = rows_of()
    assert users(rows, may_be_empty=True) == []
    fill(*many(2))
    assert users(rows, may_be_empty=True) == []
    with pytest.raises(DataError, match="user_data holds no row"):
        users(rows)


def test_no_word_becomes_a_yes_by_being_there(fill: Fill) -> None:
    """`bool("no")` is true: the original read every word as a yes."""
    values = ["no", "yes", False, True, 0, 1, "false", "true"]
    fill(*((f"{n}?", value, f"2026-01-01 12:0{n}") for n, value in enumerate(values)))
    answers = [example.labels["answer"] for example in users(rows_of())]
    assert answers == ["no", "yes"] * 4


@pytest.mark.parametrize("value", ["No", "maybe", 2, "t"])
def test_a_value_nobody_listed_is_an_error(fill: Fill, value: Any) -> None:
    fill(("why?", value, "2026-01-01 12:00"))
    with pytest.raises(DataError, match=r"user_data row 1 \(2026-01-01 12:00\): the value") as e:
        users(rows_of())
    assert e.value.hint.startswith("Known values are: yes, no")


def test_a_row_without_a_place_is_an_error_and_never_left_out(fill: Fill) -> None:
    fill(*many(5), ("when?", "yes", None))
    with pytest.raises(DataError, match="1 row of user_data with nothing in time or prompt"):
        users(rows_of())


def test_a_query_may_have_colons_and_more_columns(fill: Fill) -> None:
    fill(*many(2))
    query = "SELECT time, prompt, label, '12:30 :x' AS note FROM user_data WHERE time > '2026:a'"
    assert users(rows_of(query=query), may_be_empty=True) == []
    query = query.replace("> '2026:a'", "< '2026:a'").replace("WHERE", "-- what is new\nWHERE")
    assert len(users(rows_of(query=query))) == 2
    assert len(users(rows_of(query=f"{query} -- the end"))) == 2
    assert next(iter(rows_of(query=query).read(["note"]))).values["note"] == "12:30 :x"


@pytest.mark.parametrize("query", ["SELECT prompt FROM nothing", "DROP TABLE user_data", "("])
def test_a_query_that_cannot_be_run_is_named(fill: Fill, query: str) -> None:
    fill(*many(2))
    with pytest.raises(
        DataError, match=r"The query of user_data \(ROWS_DATABASE\) cannot be run"
    ) as raised:
        users(rows_of(query=query))
    assert raised.value.hint == f"The query is: {query}"
    assert len(users(rows_of())) == 2


def test_a_column_of_the_order_that_the_query_lacks_is_named(fill: Fill) -> None:
    fill(*many(2))
    with pytest.raises(DataError, match="user_data has no column 'Prompt'"):
        users(SqlRows("ROWS_DATABASE", QUERY, ("time", "Prompt"), name="user_data"))


def test_a_column_that_the_query_lacks_is_named(fill: Fill) -> None:
    fill(*many(2))
    with pytest.raises(DataError, match="has no column 'label'"):
        users(rows_of(query="SELECT prompt, time FROM user_data"))


def test_the_connection_string_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROWS_DATABASE", raising=False)
    with pytest.raises(Unavailable, match="ROWS_DATABASE is not set") as raised:
        users(rows_of())
    assert "ROWS_DATABASE" in raised.value.hint


@pytest.mark.parametrize(
    "address",
    [
        "nonsense secret",
        "nosuch://me:secret@host/db",
        "mssql+pymssql://me:secret@host/db",
        "postgresql://me:secret@host:port/db",
    ],
)
def test_a_connection_string_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ROWS_DATABASE", address)
    with pytest.raises(UsageError, match=r"\(ROWS_DATABASE\) has no address") as raised:
        users(rows_of())
    assert "secret" not in f"{raised.value.message} {raised.value.hint}"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///file:{}?mode=rwc&uri=true"])
def test_a_database_is_only_read_and_not_made(
    fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    fill(*many(2))
    monkeypatch.setenv("ROWS_DATABASE", form.format(tmp_path / "rows.db"))
    assert len(users(rows_of())) == 2
    monkeypatch.setenv("ROWS_DATABASE", form.format(tmp_path / "none.db"))
    with pytest.raises(Unavailable, match="cannot be read: unable to open database file") as raised:
        users(rows_of())
    assert "none.db" in raised.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["rows.db"]


def test_a_database_that_is_locked_is_unavailable(
    fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(*many(2))
    monkeypatch.setenv("ROWS_DATABASE", f"sqlite:///{tmp_path / 'rows.db'}?timeout=0")
    with closing(sqlite3.connect(tmp_path / "rows.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="database is locked"):
            users(rows_of())
    assert len(users(rows_of())) == 2


def test_a_file_that_is_no_database_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.db").write_text("prompt,label,time\n" * 100, encoding="utf-8")
    monkeypatch.setenv("ROWS_DATABASE", f"sqlite:///{tmp_path / 'rows.db'}")
    with pytest.raises(DataError, match="cannot be run: file is not a database"):
        users(rows_of())


def test_a_text_that_is_no_utf8_is_an_error_of_the_data_that_names_the_column(fill: Fill) -> None:
    fill(*many(2), ("why?", b"f\xfcr", "2026-01-01 13:00"))
    query = "SELECT prompt, CAST(label AS TEXT) AS label, time FROM user_data"
    with pytest.raises(DataError, match="Could not decode to UTF-8 column 'label'"):
        users(rows_of(query=query))
