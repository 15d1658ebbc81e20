"""The migrations create a ledger, can be undone, and refuse a ledger that they do not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.sql import migrations
from tidemill.adapters.sql.ledger import SqlLedger, sqlite_engine
from tidemill.adapters.sql.tables import METADATA, SCHEMA_REVISION
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import Unavailable
from tidemill.domain.events import CycleOpened, SnapshotTaken
from tidemill.domain.types import Alias, Check, ModelVersion, Run, Snapshot, Verdict

NOW = FixedClock().now()
RECORDS = (
    Snapshot("s1", "coffee", 3, {"train": 3}, {"disease": ("healthy", "rust")}, "stop", None, NOW),
    Run("r1", "coffee", "s1", 0, {"train": {"epochs": 2}}, {"revision": "abc"}, {}, NOW),
    ModelVersion("v1", "b" * 64, "r1", "s1", "coffee", None, NOW),
    Verdict("d1", "v1", None, True, (Check("floor", True, "0.9 is enough", 0.9),), 1, NOW),
)
CHAMPION = Alias("champion", "v1", "d1", NOW)
EVENT = SnapshotTaken(actor="test", subject="s1", rows=3)


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(*migrations.__path__)))
    return config


def migrate_to(engine: Engine, revision: str) -> None:
    """Run the migrations up or down to one revision."""
    config = alembic_config()
    run = command.downgrade if revision == "base" else command.upgrade
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        run(config, revision)


def test_a_new_ledger_holds_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    cycle = Cycle("c1", "coffee", "drift", "brightness moved", "v1", NOW)
    opened = CycleOpened(actor="test", subject="c1", trigger="drift", champion="v1")
    ledger = SqlLedger.existing(path, FixedClock())
    with ledger.begin() as unit:
        for record in RECORDS:
            unit.add(record, EVENT)
        unit.move_alias(CHAMPION, expected=None, event=EVENT)
        unit.open_cycle(cycle, opened)
    ledger.close()
    upgrade(path)
    ledger = SqlLedger.existing(path, FixedClock())
    with ledger.begin(write=False) as unit:
        for record in RECORDS:
            assert unit.latest(type(record)) == [record]
        assert unit.alias("champion") == CHAMPION
        assert unit.cycle() == cycle
        assert unit.next_version() == "v2"
        assert len(unit.events()) == len(RECORDS) + 2
    ledger.close()


def test_a_current_ledger_waits_for_no_other_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        assert connection.get_execution_options().get("write", True)
        upgrade(path)
    engine.dispose()


def test_the_last_migration_is_the_one_that_the_code_expects() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions[0] == SCHEMA_REVISION
    assert revisions == [f"{at:04}" for at in range(len(revisions), 0, -1)]


def test_feedback_of_the_first_release_claimed_no_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    engine = sqlite_engine(path)
    migrate_to(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO feedback (id, prediction, example, target, item, label, "
                "predicted_label, actor, at, status, reason, snapshot) VALUES ('f1', '', 'e', "
                "'disease', '', 'rust', '', 'ana', '2026-01-01', 'pending', '', '')"
            )
        )
    engine.dispose()
    upgrade(path)
    ledger = SqlLedger.existing(path, FixedClock())
    with ledger.begin(write=False) as unit:
        [row] = unit.feedback()
    assert (row.actor, row.claimed_actor, row.client) == ("ana", "", "")
    ledger.close()


def test_a_ledger_without_tables_is_refused_until_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    engine = sqlite_engine(path)
    migrate_to(engine, "head")
    migrate_to(engine, "base")
    with pytest.raises(Unavailable, match="has no schema") as caught:
        SqlLedger.existing(path, FixedClock())
    assert "--upgrade" in caught.value.hint
    upgrade(path)
    assert set(inspect(engine).get_table_names()) == {*METADATA.tables, "alembic_version"}
    engine.dispose()
    SqlLedger.existing(path, FixedClock()).close()


def test_a_ledger_of_an_unknown_older_revision_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    engine.dispose()
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="schema 0000"):
        SqlLedger.existing(path, FixedClock())
    with pytest.raises(Unavailable, match=r"does not know: .*0000") as caught:
        upgrade(path)
    assert "before its first release" in caught.value.hint
    assert path.read_bytes() == before


def test_the_migrations_can_be_undone(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "ledger.sqlite")
    migrate_to(engine, "head")
    migrate_to(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
