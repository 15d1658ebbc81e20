"""A database of another system, whose users label pebbles."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from tidemill.adapters.feedback_table import FeedbackTable
from tidemill.data.database import Database
from tidemill.domain.types import Example
from tidemill.loop.feedback_columns import FeedbackColumns
from tidemill.testing.tiny_recipe.pebbles import TARGET

FILE = "feedback.sqlite"


def open_table(folder: Path, columns: FeedbackColumns | None = None) -> FeedbackTable:
    """The table of the database in this folder."""
    database = Database(f"sqlite:///{folder / FILE}", "feedback")
    return FeedbackTable(database, columns or FeedbackColumns())


def create_table(folder: Path) -> FeedbackTable:
    """An empty table under the default names."""
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        database.execute("CREATE TABLE feedback (payload TEXT, label, time TIMESTAMP)")
    return open_table(folder)


def write_rows(folder: Path, rows: Sequence[tuple[object, object, datetime | str | None]]) -> None:
    """Rows of payload, label and time; a time that is none is written as it is."""
    written = [
        (payload, label, f"{at:%Y-%m-%d %H:%M:%S.%f}" if isinstance(at, datetime) else at)
        for payload, label, at in rows
    ]
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        database.executemany("INSERT INTO feedback VALUES (?, ?, ?)", written)


def right_rows(
    examples: Sequence[Example], at: datetime, *, apart: timedelta = timedelta(0)
) -> list[tuple[object, object, datetime]]:
    """Rows with the right labels of these, one after the other."""
    return [
        (example.payload.decode(), example.labels[TARGET], at + n * apart)
        for n, example in enumerate(examples)
    ]
