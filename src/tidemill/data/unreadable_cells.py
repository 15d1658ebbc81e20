"""Cells that a database driver refuses to read. They must not hide the other rows of a query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

TIMES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")
"""PostgreSQL has more of these than Python, such as `infinity` and years before Christ."""

AS_TEXT = 0
"""psycopg's format of values that are sent as text."""


def keep_unreadable_cells(connection: Connection) -> None:
    """Let a connection return what it cannot read as it is written, instead of an error.

    A text of SQLite that is no UTF-8 becomes bytes, a time of PostgreSQL outside the calendar a
    text.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.text_factory = _text_or_bytes
        return
    for name in TIMES:
        oid = driver.adapters.types[name].oid
        strict = driver.adapters.get_loader(oid, AS_TEXT)
        driver.adapters.register_loader(oid, _lenient(strict, driver.DataError))


def _text_or_bytes(cell: bytes) -> str | bytes:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell


def _lenient(strict: Any, refusal: type[Exception]) -> type:
    class LenientLoader:
        format = AS_TEXT

        def __init__(self, oid: int, context: Any = None) -> None:
            self._strict = strict(oid, context)

        def load(self, cell: Any) -> Any:
            try:
                return self._strict.load(cell)
            # A loader implements only dates in the ISO style.
            except (refusal, NotImplementedError):
                return bytes(cell).decode()

    return LenientLoader
