"""Upgrade a ledger's schema.

The only file that imports Alembic. It does so where a migration is missing: that is rare, and
Alembic takes a fifth of a second.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect

from tidemill.adapters.sql.ledger import read_revision, sqlite_engine, translated
from tidemill.adapters.sql.tables import SCHEMA_REVISION
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
            if not _is_current(engine):
                _migrate(engine, path)
    finally:
        engine.dispose()


def _is_current(engine: Engine) -> bool:
    with engine.connect() as connection:
        connection.execution_options(write=False)  # so that it waits for no other writer
        return inspect(connection).has_table("alembic_version") and (
            read_revision(connection) == SCHEMA_REVISION
        )


def _migrate(engine: Engine, path: Path) -> None:
    """Run all missing migrations in one transaction."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            f"The ledger {path} has a schema that this Tidemill does not know: {error}.",
            hint="A newer Tidemill wrote it, or one before its first release. Use that Tidemill, "
            "or another folder with TIDEMILL_HOME.",
        ) from error
