"""Another system's database, whose users say what pebbles are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from tidemill.adapters.user_rows import UserRows
from tidemill.domain.types import Example
from tidemill.testing.tiny_recipe.pebbles import TARGET

FILE = "user_data.sqlite"


def created(folder: Path) -> UserRows:
    """An empty database in this folder."""
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        database.execute("CREATE TABLE user_data (prompt TEXT, label, time TIMESTAMP)")
    return UserRows(f"sqlite:///{folder / FILE}")


def write(folder: Path, rows: Sequence[tuple[object, object, datetime | str | None]]) -> None:
    """Rows of prompt, label and time; a time that is none is written as it is."""
    written = [
        (prompt, label, f"{at:%Y-%m-%d %H:%M:%S.%f}" if isinstance(at, datetime) else at)
        for prompt, label, at in rows
    ]
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        database.executemany("INSERT INTO user_data VALUES (?, ?, ?)", written)


def said(
    examples: Sequence[Example], at: datetime, *, apart: timedelta = timedelta(0)
) -> list[tuple[object, object, datetime]]:
    """What users say of these, rightly, one after the other."""
    return [
        (example.payload.decode(), example.labels[TARGET], at + n * apart)
        for n, example in enumerate(examples)
    ]
