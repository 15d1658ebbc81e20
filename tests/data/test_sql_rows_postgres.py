"""Rows of a query to a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.postgres import Postgres, running
from tidemill.data.payloads import TextColumn
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.data.sql_rows import SqlRows
from tidemill.domain.errors import DataError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUERY = "SELECT prompt, label, time FROM user_data"
SAID = {"true": "yes", "false": "no"}


# One worker starts the server that these tests share.
pytestmark = pytest.mark.xdist_group("sql rows postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture
def postgres(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    """A table with ten rows, three of each minute; its address is in ROWS_DATABASE."""
    server.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    server.run("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    server.run(
        "CREATE TABLE user_data (prompt text, label boolean, time timestamptz,"
        " mood mood DEFAULT 'sad', more json DEFAULT '{}', id uuid DEFAULT gen_random_uuid())"
    )
    monkeypatch.setenv("ROWS_DATABASE", server.address())
    fill(server)
    return server


def fill(postgres: Postgres, day: int = 1) -> None:
    at = NOON.replace(day=day)
    rows = [(f"{n:03}?", n % 2 == 0, at + n // 3 * MINUTE) for n in range(10)]
    postgres.run("INSERT INTO user_data VALUES (%s, %s, %s)", *rows[::-1])


def rows_of(query: str = QUERY, order: str = "time prompt", **choices: Any) -> SqlRows:
    settings: dict[str, Any] = {"page": 3, "name": "user_data"} | choices
    return SqlRows("ROWS_DATABASE", query, order.split(), **settings)


def users(rows: SqlRows) -> list[tuple[str, str]]:
    labels = {"answer": LabelColumn("label", SAID)}
    examples = RowSource("user", [Part(rows)], TextColumn("prompt"), labels).examples()
    return [(row.payload.decode(), row.labels["answer"]) for row in examples]


@pytest.mark.parametrize("order", ["time prompt", "time", "time mood", "time id", "time label"])
def test_rows_come_whole_and_in_the_order_of_their_time(postgres: Postgres, order: str) -> None:
    rows = users(rows_of("SELECT * FROM user_data", order))
    assert sorted(rows) == [(f"{n:03}?", ("yes", "no")[n % 2]) for n in range(10)]
    assert [int(prompt[:3]) // 3 for prompt, _ in rows] == [0] * 3 + [1] * 3 + [2] * 3 + [3]


def test_places_that_only_the_database_takes_to_be_the_same_are_read_once(
    postgres: Postgres,
) -> None:
    query = "SELECT prompt, label, 'NaN'::float8 AS time FROM user_data"
    assert users(rows_of(query, "time")) == users(rows_of())


def test_only_what_came_after_a_place_is_read(postgres: Postgres) -> None:
    *_, last = rows_of().pages()
    assert last.end == (NOON + 3 * MINUTE, "009?")
    fill(postgres, day=2)
    assert users(rows_of(after=last.end)) == users(rows_of())[10:]
    assert len(users(rows_of(after=(NOON + MINUTE,)))) == 4 + 10


def test_a_table_that_grows_gives_the_same_rows_again(postgres: Postgres) -> None:
    rows = rows_of()
    first = users(rows)
    fill(postgres, day=2)
    assert users(rows) == first
    assert len(users(rows_of())) == 20


def test_a_query_may_have_casts_and_colons(postgres: Postgres) -> None:
    query = "SELECT *, time::date::text AS day, '12:30 :x' AS note FROM user_data -- :all"
    row = next(iter(rows_of(query).read(["day", "note"])))
    assert (row.values["day"], row.values["note"]) == ("2026-01-01", "12:30 :x")


def test_a_row_without_a_place_is_refused(postgres: Postgres) -> None:
    postgres.run("INSERT INTO user_data VALUES (NULL, true, now())")
    with pytest.raises(DataError, match="1 row of user_data with nothing in time or prompt"):
        users(rows_of())


@pytest.mark.parametrize(
    "query", ["SELECT x FROM user_data", "DELETE FROM user_data RETURNING *", "SELECT 1/0 AS time"]
)
def test_a_query_that_cannot_be_run_is_named(postgres: Postgres, query: str) -> None:
    with pytest.raises(DataError, match="cannot be run") as caught:
        users(rows_of(query, "time"))
    assert caught.value.hint == f"The query is: {query}"
    assert len(users(rows_of())) == 10
