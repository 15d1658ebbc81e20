"""The ledger's tables. `rows.py` converts records and rows.

`n` orders rows by their time of writing; the rest of the product uses `id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

from tidemill.domain.api_key import ApiKey
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import ModelVersion, Run, Snapshot, Verdict

SCHEMA_REVISION = "0007"
"""The migration that this code expects. The server refuses any other."""


class Moment(TypeDecorator[datetime]):
    """An aware UTC time. SQLite stores no zone, so reading adds it."""

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


def _whole(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False)


def _at(name: str = "at", *, null: bool = False) -> Column[Any]:
    return Column(name, Moment, nullable=null)


SNAPSHOTS = _table(
    "snapshots",
    _text("recipe"),
    _whole("rows"),
    _json("splits"),
    _json("classes"),
    _text("policy"),
    _text("parent", null=True),
    _at(),
)
RUNS = _table(
    "runs",
    _text("recipe"),
    _text("snapshot", ForeignKey("snapshots.id")),
    _whole("seed"),
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
Index("model_versions_run", MODEL_VERSIONS.c.run)
VERDICTS = _table(
    "verdicts",
    _text("version", ForeignKey("model_versions.id")),
    _text("champion", null=True),
    Column("passed", Boolean, nullable=False),
    _json("checks"),
    _whole("test_uses"),
    _at(),
    _text("override_reason"),
)
Index("verdicts_version", VERDICTS.c.version)
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
Index("events_kind", EVENTS.c.kind)

PREDICTIONS = _table(
    "predictions",
    _text("server"),
    _whole("sequence"),
    _text("version"),
    _at(),
    _text("kind"),
    _text("example"),
    _text("request_id"),
    _text("traceparent"),
    _json("answers"),
)
Index("predictions_sequence", PREDICTIONS.c.server, PREDICTIONS.c.sequence, unique=True)
Index("predictions_version", PREDICTIONS.c.version, PREDICTIONS.c.kind)
TRAFFIC_OFFSETS = Table(
    "traffic_offsets", METADATA, Column("server", String, primary_key=True), _whole("sequence")
)
PROFILES = Table(
    "profiles",
    METADATA,
    Column("version", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("window", String, primary_key=True),
    Column("bucket", Moment, primary_key=True),
    _whole("n"),
    _json("counts"),
)
"""`window` is the drift verdict that closed a profile, empty while it is open.

It precedes the bucket in the key, so that open profiles are found without reading closed ones.
"""

DRIFT_VERDICTS = _table(
    "drift_verdicts",
    _text("version", ForeignKey("model_versions.id")),
    Column("drifted", Boolean, nullable=False),
    _whole("answers"),
    _whole("reference"),
    _at("since"),
    _at("until"),
    _json("features"),
    _at(),
    Column("threshold", Float, nullable=False),
)
Index("drift_verdicts_version", DRIFT_VERDICTS.c.version)
FEEDBACK = _table(
    "feedback",
    _text("prediction"),
    _text("example"),
    _text("target"),
    _text("item"),
    _text("label"),
    _text("predicted_label"),
    _text("actor"),
    _at(),
    _text("status"),
    _text("reason"),
    _at("settled_at", null=True),
    _text("snapshot"),
    _text("claimed_actor"),
    _text("client"),
)
Index("feedback_status", FEEDBACK.c.status)
Index("feedback_settled", FEEDBACK.c.status, FEEDBACK.c.settled_at)
Index("feedback_example", FEEDBACK.c.example)
Index("feedback_item", FEEDBACK.c.item)
Index("feedback_actor", FEEDBACK.c.actor)
Index("feedback_giver", FEEDBACK.c.example, FEEDBACK.c.actor, FEEDBACK.c.client)
Index("feedback_item_giver", FEEDBACK.c.item, FEEDBACK.c.actor, FEEDBACK.c.client)
CYCLES = _table(
    "cycles",
    _text("recipe"),
    _text("trigger"),
    _text("cause"),
    _text("champion"),
    _at(),
    _text("state"),
    _text("reason"),
    _at("changed_at", null=True),
    _text("snapshot"),
    _json("runs"),
    _text("version"),
    _text("verdict"),
    Column("open", Boolean),
)
"""`open` is true or null, never false.

A unique index allows any number of nulls, so the database itself allows only one open cycle.
"""

Index("cycles_open", CYCLES.c.open, unique=True)
LEASES = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    _text("holder"),
    _whole("token"),
    _at("until"),
)
IMPORT_OFFSETS = Table(
    "import_offsets",
    METADATA,
    Column("name", String, primary_key=True),
    _text("position"),
    _at("caught_up_at", null=True),
)

API_KEYS = _table(
    "api_keys",
    _text("name"),
    _text("digest"),
    _json("scopes"),
    _at(),
    _whole("rate"),
    _at("expires_at", null=True),
    _at("revoked_at", null=True),
)
Index("api_keys_digest", API_KEYS.c.digest, unique=True)

TABLES: Mapping[type, Table] = {
    Snapshot: SNAPSHOTS,
    Run: RUNS,
    ModelVersion: MODEL_VERSIONS,
    Verdict: VERDICTS,
    Feedback: FEEDBACK,
    DriftVerdict: DRIFT_VERDICTS,
    Cycle: CYCLES,
    ApiKey: API_KEYS,
}
