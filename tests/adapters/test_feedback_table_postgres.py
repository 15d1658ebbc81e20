"""Rows of a database that another system writes, on a real PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import pytest

from tests.postgres import PASSWORD, Postgres, running
from tidemill.adapters.feedback_table import FaultyRow, FeedbackTable, LabelRow
from tidemill.data.database import Database
from tidemill.domain.errors import DataError, TidemillError, Unavailable
from tidemill.loop.feedback_columns import FeedbackColumns

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
USERS = FeedbackColumns(table="user_data", payload="prompt")


# One worker starts the server that these tests share.
pytestmark = pytest.mark.xdist_group("feedback table postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture
def postgres(server: Postgres) -> Postgres:
    """An empty table."""
    server.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    server.run("CREATE TABLE user_data (prompt text, label text, time timestamptz)")
    return server


def open_table(address: str, columns: FeedbackColumns = USERS) -> FeedbackTable:
    return FeedbackTable(Database(address, "feedback"), columns)


def insert(postgres: Postgres, *rows: tuple[object, ...]) -> None:
    postgres.run("INSERT INTO user_data VALUES (%s, %s, %s)", *rows)


def read(postgres: Postgres, place: str = "", size: int = 3) -> list[list[LabelRow]]:
    pages = open_table(postgres.address()).pages(place, size=size)
    return [[row for row in page if isinstance(row, LabelRow)] for page in pages]


def texts_and_labels(pages: list[list[LabelRow]]) -> list[tuple[str, object]]:
    return [((row.payload or b"").decode(), row.labels["label"]) for page in pages for row in page]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
@pytest.mark.parametrize(
    ("label", "values"),
    [("boolean", [True, False]), ("text", ["yes", "no"]), ("integer", [1, 0])],
)
def test_labels_and_times_are_read_in_every_common_type(
    postgres: Postgres, kind: str, label: str, values: list[object]
) -> None:
    postgres.run("ALTER TABLE user_data DROP label, DROP time")
    add = {
        "boolean": "ALTER TABLE user_data ADD label boolean",
        "text": "ALTER TABLE user_data ADD label text",
        "integer": "ALTER TABLE user_data ADD label integer",
        "timestamptz": "ALTER TABLE user_data ADD time timestamptz",
        "timestamp": "ALTER TABLE user_data ADD time timestamp",
    }
    postgres.run(add[label])
    postgres.run(add[kind])
    zone = UTC if kind == "timestamptz" else None
    rows = [(f"q{n}", values[n % 2], NOON.replace(tzinfo=zone) + n // 2 * MINUTE) for n in range(7)]
    insert(postgres, *rows[::-1])
    pages = read(postgres)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert texts_and_labels(pages) == [(prompt, value) for prompt, value, _ in rows]
    assert [row.at for page in pages for row in page] == [NOON + n // 2 * MINUTE for n in range(7)]
    assert texts_and_labels(read(postgres, pages[0][2].place)) == texts_and_labels(pages)[2:]
    assert texts_and_labels(read(postgres, pages[1][0].place)) == texts_and_labels(pages)[2:]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8])
def test_no_row_of_one_time_is_lost_at_a_cut(postgres: Postgres, size: int) -> None:
    rows = [("q", None), ("q", "no"), ("q", "no"), ("q", "yes"), ("r", None), ("r", "no")]
    early, late = NOON - MINUTE, NOON + MINUTE
    insert(postgres, *((*row, NOON) for row in rows), ("a", "no", late), ("z", "yes", early))
    pages = read(postgres, size=size)
    assert [len(page) for page in pages] == [size] * (8 // size) + [8 % size]
    rows_read = texts_and_labels(pages)
    assert (rows_read[0], rows_read[-1]) == (("z", "yes"), ("a", "no"))
    assert sorted(map(str, rows_read[1:-1])) == sorted(map(str, rows))


@pytest.mark.parametrize("size", [1, 2, 9])
def test_an_hour_that_comes_twice_is_read_once(postgres: Postgres, size: int) -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    times = [first + n * 15 * MINUTE for n in range(6)]
    insert(postgres, *((f"q{n}", "yes", time) for n, time in enumerate(times)))
    pages = read(postgres, size=size)
    assert [row.at for page in pages for row in page] == times
    places = [row.place for page in pages for row in page]
    assert [len(texts_and_labels(read(postgres, place))) for place in places] == [6, 5, 4, 3, 2, 1]


def test_between_two_pages_no_transaction_is_open(postgres: Postgres) -> None:
    insert(postgres, *((f"q{n}", "yes", NOON) for n in range(9)))
    with closing(open_table(postgres.address()).pages("", size=3)) as pages:
        next(pages)
        others = "SELECT state FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename > ''"
        assert postgres.ask(f"{others} AND backend_type = 'client backend'") == [("idle",)]


def test_a_connection_that_breaks_off_is_said(postgres: Postgres) -> None:
    insert(postgres, *((f"q{n}", "yes", NOON) for n in range(9)))
    with closing(open_table(postgres.address()).pages("", size=3)) as pages:
        next(pages)
        postgres.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        with pytest.raises(Unavailable, match="The database of feedback cannot be read"):
            next(pages)


def test_what_would_write_is_refused(postgres: Postgres) -> None:
    postgres.run("DROP TABLE user_data")
    postgres.run("CREATE SEQUENCE looks")
    postgres.run(
        "CREATE VIEW user_data AS SELECT nextval('looks') AS label, now() AS time, 'q' AS prompt"
    )
    with pytest.raises(DataError, match="read-only transaction"):
        read(postgres)


@pytest.mark.parametrize("time", ["infinity", "12026-01-01"])
def test_a_time_that_is_none_of_a_calendar_is_said(postgres: Postgres, time: str) -> None:
    insert(postgres, ("q", "yes", time), ("r", "no", NOON))
    for size in (1, 2, 3):
        pages = open_table(postgres.address()).pages("", size=size)
        rows = [row for page in pages for row in page]
        [fault] = [row.fault for row in rows if isinstance(row, FaultyRow)]
        assert fault.startswith(f"A row of user_data has the time '{time}")
        assert [row.at for row in rows if isinstance(row, LabelRow)] == [NOON]


@pytest.mark.parametrize(
    ("type_", "cells", "times"),
    [
        ("date", ["2026-01-01", "2026-01-02"], [NOON.replace(hour=0), NOON + 12 * 60 * MINUTE]),
        ("numeric", [1767268800, 1767268801.5], [NOON, NOON + timedelta(seconds=1.5)]),
        ("bigint", [1767268800, 1767268860], [NOON, NOON + MINUTE]),
        ("text", ["2026-01-01T12:00", "2026-01-01T12:01"], [NOON, NOON + MINUTE]),
    ],
)
def test_a_time_of_every_type_is_read_and_gone_on_from(
    postgres: Postgres, type_: LiteralString, cells: list[object], times: list[datetime]
) -> None:
    postgres.run(f"ALTER TABLE user_data DROP time, ADD time {type_}")
    insert(postgres, *((f"q{n}", "yes", cell) for n, cell in enumerate(cells)))
    for size in (1, 3):
        rows = [row for page in read(postgres, size=size) for row in page]
        assert [row.at for row in rows] == times
        assert [len(texts_and_labels(read(postgres, row.place))) for row in rows] == [2, 1]
    place, odd = rows[-1].place, {"text": "", "date": "0044-03-15 BC"}.get(type_)
    insert(postgres, ("r", "yes", odd))
    assert open_table(postgres.address()).count_undated(place) == 1
    postgres.run("ALTER TABLE user_data DROP time, ADD time timestamptz")
    if type_ != "date":
        with pytest.raises(DataError, match="'time' of user_data has times of another type"):
            read(postgres, place)


@pytest.mark.parametrize("type_", ["time", "boolean", "uuid", "bytea", "interval", "jsonb"])
def test_a_column_of_a_type_that_is_no_time_is_refused_by_its_type(
    postgres: Postgres, type_: LiteralString
) -> None:
    postgres.run(f"ALTER TABLE user_data DROP time, ADD time {type_}")
    named = f"'time' of user_data has the type {type_.upper()}"
    with pytest.raises(DataError, match=named):
        read(postgres)


def test_a_row_without_time_or_prompt_is_said(postgres: Postgres) -> None:
    insert(postgres, (None, "yes", NOON), ("q", "yes", None))
    rows = open_table(postgres.address())
    [[row]] = rows.pages("", size=3)
    assert isinstance(row, FaultyRow)
    assert row.fault == "The row of user_data of 2026-01-01 13:00:00+01:00 has no payload."
    assert rows.count_undated() == 1


def test_a_table_under_any_names_is_read(postgres: Postgres) -> None:
    postgres.run('CREATE SCHEMA "Field"')
    postgres.run(
        'CREATE TABLE "Field"."user" ("Kind%" text, "order" timestamptz, "free:text" bytea,'
        ' facts jsonb, "Who" text, id uuid)'
    )
    prediction = "01a1fb4b-8215-74df-a5f3-d6fc45fa526e"
    postgres.run(
        'INSERT INTO "Field"."user" VALUES (%s, %s, %s, %s, %s, %s)',
        ("rust", NOON, b"\x00\xff", '{"b": 1, "a": [2]}', "ana", None),
        ("rust", NOON + MINUTE, None, None, None, prediction),
    )
    columns = FeedbackColumns("Field", "user", "Kind%", "order", "free:text", "id", "", "Who")
    [[first, second], []] = open_table(postgres.address(), columns).pages("", size=2)
    assert isinstance(first, LabelRow)
    assert isinstance(second, LabelRow)
    assert (first.payload, first.labels, first.actor) == (b"\x00\xff", {"Kind%": "rust"}, "ana")
    assert (second.payload, second.prediction, second.at) == (None, prediction, NOON + MINUTE)
    facts = replace(columns, payload="facts", prediction="")
    [[first, lacking]] = open_table(postgres.address(), facts).pages("", size=3)
    assert isinstance(first, LabelRow)
    assert first.payload == b'{"a":[2],"b":1}'
    assert isinstance(lacking, FaultyRow)


def test_unknown_names_are_refused_with_those_that_exist(postgres: Postgres) -> None:
    postgres.run("CREATE MATERIALIZED VIEW labels AS SELECT * FROM user_data")
    refused = {
        "has no table 'User_Data'": (replace(USERS, table="User_Data"), "user_data"),
        "has no schema 'field'": (replace(USERS, schema="field"), "public"),
        "user_data has no column 'Prompt'": (replace(USERS, payload="Prompt"), "prompt, label"),
        "labels has no column 'x'": (replace(USERS, table="labels", time="x"), "prompt, label"),
    }
    for message, (columns, hint) in refused.items():
        with pytest.raises(DataError, match=message) as caught:
            list(open_table(postgres.address(), columns).pages("", size=3))
        assert hint in caught.value.hint
    assert list(open_table(postgres.address(), replace(USERS, table="labels")).pages("", size=3))


def test_no_message_holds_a_password(postgres: Postgres) -> None:
    wrong = "wr0ng"
    faults: list[TidemillError] = []
    for address in (postgres.address(wrong), f"postgresql://ann:{wrong}@127.0.0.1:1/base"):
        with pytest.raises(Unavailable, match="The database of feedback cannot be read") as caught:
            list(open_table(address).pages("", size=3))
        faults.append(caught.value)
    assert "password authentication failed" in faults[0].message
    assert "127.0.0.1:1/base" in faults[1].hint
    postgres.run("DROP TABLE user_data")
    with pytest.raises(DataError) as refused:
        read(postgres)
    faults.append(refused.value)
    messages = " ".join(f"{fault.message} {fault.hint}" for fault in faults)
    assert not any(secret in messages for secret in (wrong, PASSWORD))


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Unavailable, match="feedback needs psycopg") as caught:
        list(open_table("postgresql://host/base").pages("", size=3))
    assert caught.value.hint == "pip install 'tidemill[postgres]'"
