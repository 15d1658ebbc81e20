"""Upgrade a ledger's schema. The only file that imports Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from tidemill.adapters.sql.ledger import sqlite_engine, translated
from tidemill.domain.errors import StorageFailed, Unavailable


def upgrade(path: Path) -> None:
    """Create the SQLite ledger at `path`, or run its missing migrations.

    Raises StorageFailed when the file cannot be written, Corrupt when it is not a ledger, and
    Unavailable when a newer Tidemill wrote it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(
            f"The workspace {path.parent} cannot be written: {error.strerror}.",
            hint="Choose another folder with TIDEMILL_HOME.",
        ) from error
    engine = sqlite_engine(path)
    try:
        with translated():
            migrate(engine)
    except CommandError as error:
        raise Unavailable(
            f"The ledger {path} has a schema that this Tidemill does not know: {error}.",
            hint="A newer Tidemill wrote it, or one before its first release. Use that Tidemill, "
            "or another folder with TIDEMILL_HOME.",
        ) from error
    finally:
        engine.dispose()


def migrate(engine: Engine) -> None:
    """Run all missing migrations in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
