"""The ledger's tables, and how a record becomes a row and back.

`n` orders rows by when they were written; `id` is what the rest of the product knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

from tidemill.domain.ports import R, Record
from tidemill.domain.types import Check, ModelVersion, Run, Snapshot, Verdict

SCHEMA_REVISION = "0001"
"""The migration that this code is written against. The server refuses any other."""


class Moment(TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=value.tzinfo or UTC) if value else None


METADATA = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    n: Column[Any] = Column("n", Integer, primary_key=True, autoincrement=True)
    id: Column[Any] = Column("id", String, unique=True, nullable=False)
    return Table(name, METADATA, n, id, *columns)


def _text(name: str, *keys: ForeignKey, null: bool = False) -> Column[Any]:
    return Column(name, String, *keys, nullable=null)


def _json(name: str) -> Column[Any]:
    return Column(name, JSON, nullable=False)


def _at() -> Column[Any]:
    return Column("at", Moment, nullable=False)


SNAPSHOTS = _table(
    "snapshots",
    _text("recipe"),
    Column("rows", Integer, nullable=False),
    _json("splits"),
    _json("labels"),
    _text("policy"),
    _text("parent", null=True),
    _at(),
)
RUNS = _table(
    "runs",
    _text("recipe"),
    _text("snapshot", ForeignKey("snapshots.id")),
    Column("seed", Integer, nullable=False),
    _json("config"),
    _json("code"),
    _json("environment"),
    _at(),
    _text("status"),
    _json("metrics"),
    _text("weights"),
    _text("error"),
)
MODEL_VERSIONS = _table(
    "model_versions",
    _text("bundle"),
    _text("run", ForeignKey("runs.id")),
    _text("snapshot", ForeignKey("snapshots.id")),
    _text("recipe"),
    _text("parent", null=True),
    _at(),
)
VERDICTS = _table(
    "verdicts",
    _text("version", ForeignKey("model_versions.id")),
    _text("champion", null=True),
    Column("passed", Boolean, nullable=False),
    _json("checks"),
    Column("anchor_uses", Integer, nullable=False),
    _at(),
    _text("overridden"),
)
ALIASES = Table(
    "aliases",
    METADATA,
    Column("name", String, primary_key=True),
    _text("version", ForeignKey("model_versions.id")),
    _text("verdict", ForeignKey("verdicts.id")),
    _at(),
)
EVENTS = _table(
    "events",
    _at(),
    _text("kind"),
    _text("actor"),
    _text("subject"),
    _text("reason"),
    _json("detail"),
)
Index("events_subject", EVENTS.c.subject)

TABLES: Mapping[type, Table] = {
    Snapshot: SNAPSHOTS,
    Run: RUNS,
    ModelVersion: MODEL_VERSIONS,
    Verdict: VERDICTS,
}


def to_row(record: Record) -> dict[str, Any]:
    """The record's columns."""
    return asdict(record)


def from_row(kind: type[R], row: Mapping[str, Any]) -> R:
    """The record that a row holds."""
    values = {field.name: row[field.name] for field in fields(kind)}
    if kind is Snapshot:
        values["labels"] = {target: tuple(names) for target, names in values["labels"].items()}
    if kind is Verdict:
        values["checks"] = tuple(Check(**check) for check in values["checks"])
    return kind(**values)
