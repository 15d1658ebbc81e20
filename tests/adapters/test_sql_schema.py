"""The migrations, the tables and the revision that the server expects agree."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as SqlTimeout

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.sql.ledger import SqlLedger, sqlite_engine, translated
from tidemill.adapters.sql.tables import METADATA
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict, FeatureDrift, Profile
from tidemill.domain.errors import Conflict, Corrupt, StorageFailed, Unavailable
from tidemill.domain.events import SnapshotTaken
from tidemill.domain.types import Answer, ModelVersion, Prediction, Run, Snapshot


def revise(path: Path, revision: str) -> None:
    """Let a ledger say that it has another schema."""
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    engine.dispose()


def test_the_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    engine = sqlite_engine(path)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    upgrade(tmp_path / "ledger.sqlite")
    upgrade(tmp_path / "ledger.sqlite")
    SqlLedger.existing(tmp_path / "ledger.sqlite", FixedClock()).close()


def test_a_ledger_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    revise(path, "9999")
    with pytest.raises(Unavailable, match="9999"):
        SqlLedger.existing(path, FixedClock())


def test_no_workspace_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no workspace"):
        SqlLedger.existing(tmp_path / "ledger.sqlite", FixedClock())


def test_a_damaged_ledger_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(Corrupt, match="damaged"):
        SqlLedger.existing(path, FixedClock())
    with pytest.raises(Corrupt, match="damaged"):
        upgrade(path)


def test_a_file_of_other_tables_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    with pytest.raises(Corrupt, match="no such table"):
        SqlLedger.existing(path, FixedClock())
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE runs (id TEXT)"))
    engine.dispose()
    with pytest.raises(Corrupt, match="already exists"):
        upgrade(path)


def test_a_ledger_of_a_newer_tidemill_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    revise(path, "9999")
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="9999") as caught:
        upgrade(path)
    assert "newer Tidemill" in caught.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshots SET classes = '{'",
        "UPDATE snapshots SET at = 'yesterday'",
        "UPDATE snapshots SET classes = '[]'",
    ],
)
def test_a_row_that_nobody_wrote_is_said_so(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    ledger = SqlLedger.existing(path, FixedClock())
    now = FixedClock().now()
    snapshot = Snapshot("s1", "coffee", 1, {"train": 1}, {"disease": ("rust",)}, "stop", None, now)
    with ledger.begin() as unit:
        unit.add(snapshot, SnapshotTaken(actor="test", subject="s1", rows=1))
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    with pytest.raises(Corrupt, match="never written"), ledger.begin(write=False) as unit:
        unit.get(Snapshot, "s1")
    with pytest.raises(Corrupt, match="never written"), ledger.begin(write=False) as unit:
        unit.latest(Snapshot)
    ledger.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE predictions SET answers = '[1]'",
        "UPDATE profiles SET counts = '3'",
        "UPDATE drift_verdicts SET features = '[{}]'",
        "UPDATE cycles SET runs = '1'",
        "UPDATE leases SET until = 'tomorrow'",
    ],
)
def test_a_row_of_cycles_that_nobody_wrote_is_named(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    ledger = SqlLedger.existing(path, FixedClock())
    now = FixedClock().now()
    feature = FeatureDrift("brightness", 0.3, 0.2, 0.5, False)
    verdict = DriftVerdict("w1", "v1", False, 0, 4, now, now, (feature,), now, 0.2)
    prediction = Prediction(
        "p1", "web", 1, "v1", now, "live", b"", (Answer("disease", "rust", 1, {}),)
    )
    event = SnapshotTaken(actor="test", subject="s1", rows=1)
    with ledger.begin() as unit:
        unit.add(Snapshot("s1", "coffee", 1, {}, {}, "stop", None, now), event)
        unit.add(Run("r1", "coffee", "s1", 0, {}, {}, {}, now), event)
        unit.add(ModelVersion("v1", "b", "r1", "s1", "coffee", None, now), event)
        unit.record_drift_verdict(verdict, event)
        unit.drain("web", [prediction], [Profile("v1", "live", now, 1, (1,))], since=0)
        unit.open_cycle(Cycle("c1", "coffee", "drift", "", "v1", now), event)
        unit.take_lease("engine", "a", now=now, ttl=timedelta(seconds=30))
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    with pytest.raises(Corrupt, match="never written"), ledger.begin(write=False) as unit:
        unit.prediction("p1")
        unit.profiles("v1")
        unit.drift_verdicts("v1")
        unit.cycle()
        unit.lease("engine")
    ledger.close()


def test_the_database_itself_lets_one_cycle_be_open(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    ledger = SqlLedger.existing(path, FixedClock())
    event = SnapshotTaken(actor="test", subject="s1", rows=1)
    cycle = Cycle("c1", "coffee", "drift", "", "v1", FixedClock().now())
    with ledger.begin() as unit:
        for id in ("c0", "c00"):
            unit.add(replace(cycle, id=id, state="settled"), event)
        unit.add(cycle, event)
    # As a plain record, past the guard of `open_cycle`.
    with pytest.raises(Conflict, match="refused a row"), ledger.begin() as unit:
        unit.add(replace(cycle, id="c2", state="training"), event)
    ledger.close()


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b", "a b", "ä", "a&mode=ro", ":memory:"])
def test_a_workspace_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "ledger.sqlite"
    upgrade(path)
    assert path.stat().st_size > 0
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    SqlLedger.existing(path, FixedClock()).close()


def test_no_unit_waits_for_a_connection(tmp_path: Path) -> None:
    upgrade(tmp_path / "ledger.sqlite")
    ledger = SqlLedger.existing(tmp_path / "ledger.sqlite", FixedClock())
    with contextlib.ExitStack() as open_units:
        for _ in range(20):
            unit = open_units.enter_context(ledger.begin(write=False))
            assert unit.events() == []
    ledger.close()


def test_an_error_of_the_library_itself_is_ours_too() -> None:
    with pytest.raises(StorageFailed, match="no connection was free"), translated():
        raise SqlTimeout("no connection was free")


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed, match="cannot be written"):
        upgrade(tmp_path / "file" / "ledger.sqlite")
