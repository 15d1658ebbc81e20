"""Bringing a ledger's schema up to date. The only file that imports Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from tidemill.adapters.sql.ledger import sqlite_engine
from tidemill.domain.errors import StorageFailed


def upgrade(path: Path) -> None:
    """Create the SQLite ledger at `path`, or run the migrations it lacks.

    Raises StorageFailed when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = sqlite_engine(path)
        try:
            migrate(engine)
        finally:
            engine.dispose()
    except (OSError, OperationalError) as error:
        raise StorageFailed(
            f"The workspace {path.parent} cannot be written: {error}.".splitlines()[0],
            hint="Choose another folder with TIDEMILL_HOME.",
        ) from error


def migrate(engine: Engine) -> None:
    """Run every migration that the database lacks, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
