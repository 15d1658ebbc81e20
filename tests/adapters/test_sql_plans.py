"""What the engine asks the ledger at every tick costs the same however much the ledger holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.sql.ledger import SqlLedger, sqlite_engine
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.ledger import UnitOfWork

NOW = FixedClock().now()
ASKED: dict[str, Callable[[UnitOfWork], object]] = {
    "alias": lambda unit: unit.alias("champion"),
    "verdicts": lambda unit: unit.verdicts("v1"),
    "version_of": lambda unit: unit.find_version("r1"),
    "mark": lambda unit: unit.offset("web"),
    "prediction": lambda unit: unit.prediction("p1"),
    "profiles": lambda unit: unit.profiles("v1"),
    "profiles since": lambda unit: unit.profiles("v1", since=NOW),
    "drift_verdicts": lambda unit: unit.drift_verdicts("v1"),
    "count_answers": lambda unit: unit.count_answers("v1"),
    "feedback of a status": lambda unit: unit.feedback(status="pending"),
    "feedback on an example": lambda unit: unit.feedback(example="x1"),
    "feedback on an item": lambda unit: unit.feedback(item="node 1"),
    "feedback of an actor": lambda unit: unit.feedback(actor="ann"),
    "count_accepted_feedback": lambda unit: unit.count_accepted_feedback(NOW),
    "events of a kind": lambda unit: unit.events(kinds=["AliasMoved"]),
    "cycle": lambda unit: unit.cycle(),
    "lease": lambda unit: unit.lease("engine"),
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    upgrade(tmp_path / "ledger.sqlite")
    ledger_engine = sqlite_engine(tmp_path / "ledger.sqlite")
    yield ledger_engine
    ledger_engine.dispose()


def plans(engine: Engine, ask: Callable[[UnitOfWork], object]) -> list[str]:
    """How SQLite goes about each statement of a question."""
    statements: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_c: object, _k: object, statement: str, values: Any, _x: object, _m: bool) -> None:
        statements.append((statement, values))

    with SqlLedger(engine, FixedClock()).begin(write=False) as unit:
        ask(unit)
    event.remove(engine, "before_cursor_execute", note)
    with engine.connect().execution_options(write=False) as connection:
        return [
            row[3]
            for statement, values in statements
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


@pytest.mark.parametrize("what", ASKED)
def test_an_index_leads_to_what_a_tick_asks_for(engine: Engine, what: str) -> None:
    (plan,) = plans(engine, ASKED[what])
    assert plan.startswith("SEARCH")
    assert "INDEX" in plan


def test_a_question_that_reads_everything_would_be_seen(engine: Engine) -> None:
    assert plans(engine, lambda unit: unit.feedback(limit=None)) == ["SCAN feedback"]


SUBJECTS: tuple[Mapping[str, Any], ...] = ({"example": "x1"}, {"item": "node 1"})


@pytest.mark.parametrize("subject", SUBJECTS)
def test_feedback_on_a_subject_is_found_by_its_giver(
    engine: Engine, subject: Mapping[str, Any]
) -> None:
    [name] = subject
    (plan,) = plans(engine, lambda unit: unit.feedback(**subject, actor="ann", client=""))
    assert f"({name}=? AND actor=? AND client=?)" in plan
    (plan,) = plans(engine, lambda unit: unit.feedback(**subject, status="accepted"))
    assert f"({name}=?)" in plan


def test_the_latest_events_of_kinds_are_read_without_the_others(engine: Engine) -> None:
    steps = plans(engine, lambda unit: unit.events(kinds=["AliasMoved", "KeyRevoked"]))
    assert steps == ["SEARCH events USING INDEX events_kind (kind=?)"] * 2


def test_what_is_open_is_found_without_reading_what_is_closed(engine: Engine) -> None:
    (plan,) = plans(engine, ASKED["profiles"])
    assert "window=?" in plan
    (plan,) = plans(engine, ASKED["profiles since"])
    assert "window=? AND bucket>?" in plan
    (plan,) = plans(engine, ASKED["count_accepted_feedback"])
    assert "settled_at>?" in plan
