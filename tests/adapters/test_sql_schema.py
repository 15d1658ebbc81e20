"""The migrations, the tables and the revision that the server expects agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.sql.ledger import SqlLedger, sqlite_engine
from tidemill.adapters.sql.tables import METADATA
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.errors import Corrupt, StorageFailed, Unavailable


def test_the_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    engine = sqlite_engine(path)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert [change for change in found if change[0] != "remove_index"] == []


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    upgrade(tmp_path / "ledger.sqlite")
    upgrade(tmp_path / "ledger.sqlite")
    SqlLedger.existing(tmp_path / "ledger.sqlite", FixedClock()).close()


def test_a_ledger_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    upgrade(path)
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(Unavailable, match="9999"):
        SqlLedger.existing(path, FixedClock())


def test_no_workspace_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no workspace"):
        SqlLedger.existing(tmp_path / "ledger.sqlite", FixedClock())


def test_a_damaged_ledger_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises((Corrupt, StorageFailed)):
        SqlLedger.existing(path, FixedClock())


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed, match="cannot be written"):
        upgrade(tmp_path / "file" / "ledger.sqlite")
