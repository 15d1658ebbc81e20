"""A ledger that an earlier Tidemill wrote is brought up to date, and nothing in it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.sql import migrations
from tidemill.adapters.sql.ledger import SqlLedger, sqlite_engine
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import Unavailable
from tidemill.domain.events import CycleOpened, SnapshotTaken
from tidemill.domain.types import Alias, Check, ModelVersion, Run, Snapshot, Verdict

NOW = FixedClock().now()
KEPT = (
    Snapshot("s1", "coffee", 3, {"train": 3}, {"disease": ("healthy", "rust")}, "stop", None, NOW),
    Run("r1", "coffee", "s1", 0, {"train": {"epochs": 2}}, {"revision": "abc"}, {}, NOW),
    ModelVersion("v1", "b" * 64, "r1", "s1", "coffee", None, NOW),
    Verdict("d1", "v1", None, True, (Check("floor", True, "0.9 is enough", 0.9),), 1, NOW),
)
CHAMPION = Alias("champion", "v1", "d1", NOW)
TOLD = SnapshotTaken(actor="test", subject="s1", rows=3)


def move(engine: Engine, revision: str) -> None:
    """Run the migrations up or down to one revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(*migrations.__path__)))
    turn = command.downgrade if revision == "base" else command.upgrade
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        turn(config, revision)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A ledger of the first schema, with a row in every table."""
    path = tmp_path / "ledger.sqlite"
    engine = sqlite_engine(path)
    move(engine, "0001")
    with SqlLedger(engine, FixedClock()).begin() as unit:
        for record in KEPT:
            unit.add(record, TOLD)
        unit.move_alias(CHAMPION, expected=None, event=TOLD)
    engine.dispose()
    return path


def test_a_ledger_of_the_first_schema_is_refused_until_it_is_upgraded(first: Path) -> None:
    with pytest.raises(Unavailable, match="0001") as caught:
        SqlLedger.existing(first, FixedClock())
    assert "--upgrade" in caught.value.hint


def test_nothing_is_lost_by_an_upgrade(first: Path) -> None:
    upgrade(first)
    ledger = SqlLedger.existing(first, FixedClock())
    with ledger.begin(write=False) as unit:
        for record in KEPT:
            assert unit.latest(type(record)) == [record]
        assert unit.alias("champion") == CHAMPION
        assert [event.detail for event in unit.events()] == [{"rows": 3}] * 5
    ledger.close()


def test_an_upgraded_ledger_takes_what_is_new(first: Path) -> None:
    upgrade(first)
    ledger = SqlLedger.existing(first, FixedClock())
    cycle = Cycle("c1", "coffee", "drift", "brightness moved", "v1", NOW)
    opened = CycleOpened(actor="test", subject="c1", trigger="drift", champion="v1")
    with ledger.begin() as unit:
        unit.open_cycle(cycle, opened)
        assert unit.cycle() == cycle
        assert unit.next_version() == "v2"
    ledger.close()


def test_the_migrations_can_be_undone(first: Path) -> None:
    engine = sqlite_engine(first)
    move(engine, "head")
    move(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
