"""Rows of a database that another system writes, on a real PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.postgres import PASSWORD, Postgres, running
from tidemill.adapters.user_rows import LackingRow, UserRow, UserRows
from tidemill.domain.errors import DataError, TidemillError, Unavailable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


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


def insert(postgres: Postgres, *rows: tuple[object, ...]) -> None:
    postgres.run("INSERT INTO user_data VALUES (%s, %s, %s)", *rows)


def read(postgres: Postgres, place: str = "", size: int = 3) -> list[list[UserRow]]:
    pages = UserRows(postgres.address()).pages(place, size=size)
    return [[row for row in page if isinstance(row, UserRow)] for page in pages]


def said(pages: list[list[UserRow]]) -> list[tuple[str, object]]:
    return [(row.payload.decode(), row.label) for page in pages for row in page]


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
    assert said(pages) == [(prompt, value) for prompt, value, _ in rows]
    assert [row.at for page in pages for row in page] == [NOON + n // 2 * MINUTE for n in range(7)]
    assert said(read(postgres, pages[0][2].place)) == said(pages)[2:]
    assert said(read(postgres, pages[1][0].place)) == said(pages)[2:]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8])
def test_no_row_of_one_time_is_lost_at_a_cut(postgres: Postgres, size: int) -> None:
    rows = [("q", None), ("q", "no"), ("q", "no"), ("q", "yes"), ("r", None), ("r", "no")]
    early, late = NOON - MINUTE, NOON + MINUTE
    insert(postgres, *((*row, NOON) for row in rows), ("a", "no", late), ("z", "yes", early))
    pages = read(postgres, size=size)
    assert [len(page) for page in pages] == [size] * (8 // size) + [8 % size]
    found = said(pages)
    assert (found[0], found[-1]) == (("z", "yes"), ("a", "no"))
    assert sorted(map(str, found[1:-1])) == sorted(map(str, rows))


@pytest.mark.parametrize("size", [1, 2, 9])
def test_an_hour_that_comes_twice_is_read_once(postgres: Postgres, size: int) -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    times = [first + n * 15 * MINUTE for n in range(6)]
    insert(postgres, *((f"q{n}", "yes", time) for n, time in enumerate(times)))
    pages = read(postgres, size=size)
    assert [row.at for page in pages for row in page] == times
    places = [row.place for page in pages for row in page]
    assert [len(said(read(postgres, place))) for place in places] == [6, 5, 4, 3, 2, 1]


def test_between_two_pages_no_transaction_is_open(postgres: Postgres) -> None:
    insert(postgres, *((f"q{n}", "yes", NOON) for n in range(9)))
    with closing(UserRows(postgres.address()).pages("", size=3)) as pages:
        next(pages)
        others = "SELECT state FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename > ''"
        assert postgres.ask(f"{others} AND backend_type = 'client backend'") == [("idle",)]


def test_a_connection_that_breaks_off_is_said(postgres: Postgres) -> None:
    insert(postgres, *((f"q{n}", "yes", NOON) for n in range(9)))
    with closing(UserRows(postgres.address()).pages("", size=3)) as pages:
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
    insert(postgres, ("q", "yes", time))
    with pytest.raises(DataError, match="timestamp too large"):
        read(postgres)


def test_a_row_without_time_or_prompt_is_said(postgres: Postgres) -> None:
    insert(postgres, (None, "yes", NOON), ("q", "yes", None))
    rows = UserRows(postgres.address())
    [[row]] = rows.pages("", size=3)
    assert isinstance(row, LackingRow)
    assert row.fault == "The row of user_data of 2026-01-01 13:00:00+01:00 has no prompt."
    assert rows.undated() == 1


def test_another_table_is_said(postgres: Postgres) -> None:
    postgres.run("ALTER TABLE user_data RENAME prompt TO question")
    with pytest.raises(DataError, match='cannot be run: column "prompt" does not exist') as caught:
        read(postgres)
    assert "prompt, label, time FROM user_data" in caught.value.hint


def test_no_message_holds_a_password(postgres: Postgres) -> None:
    wrong = "wr0ng"
    faults: list[TidemillError] = []
    for address in (postgres.address(wrong), f"postgresql://ann:{wrong}@127.0.0.1:1/base"):
        with pytest.raises(Unavailable, match="The database of feedback cannot be read") as caught:
            list(UserRows(address).pages("", size=3))
        faults.append(caught.value)
    assert "password authentication failed" in faults[0].message
    assert "127.0.0.1:1/base" in faults[1].hint
    postgres.run("DROP TABLE user_data")
    with pytest.raises(DataError) as refused:
        read(postgres)
    faults.append(refused.value)
    told = " ".join(f"{fault.message} {fault.hint}" for fault in faults)
    assert not any(secret in told for secret in (wrong, PASSWORD))


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Unavailable, match="feedback needs psycopg") as caught:
        list(UserRows("postgresql://host/base").pages("", size=3))
    assert caught.value.hint == "pip install 'tidemill[postgres]'"
