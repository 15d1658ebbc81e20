"""The first tables: snapshots, runs, model versions, verdicts, aliases, events.

A released migration is never edited, so it names its columns itself and does not read `tables.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _table(name: str, *columns: sa.Column) -> None:  # type: ignore[type-arg]
    op.create_table(
        name,
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, unique=True, nullable=False),
        *columns,
    )


def _text(name: str, key: str = "", *, null: bool = False) -> sa.Column:  # type: ignore[type-arg]
    keys = (sa.ForeignKey(key),) if key else ()
    return sa.Column(name, sa.String, *keys, nullable=null)


def _json(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.JSON, nullable=False)


def _whole(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.Integer, nullable=False)


def _at() -> sa.Column:  # type: ignore[type-arg]
    return sa.Column("at", sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    _table(
        "snapshots",
        _text("recipe"),
        _whole("rows"),
        _json("splits"),
        _json("classes"),
        _text("policy"),
        _text("parent", null=True),
        _at(),
    )
    _table(
        "runs",
        _text("recipe"),
        _text("snapshot", "snapshots.id"),
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
    _table(
        "model_versions",
        _text("bundle"),
        _text("run", "runs.id"),
        _text("snapshot", "snapshots.id"),
        _text("recipe"),
        _text("parent", null=True),
        _at(),
    )
    _table(
        "verdicts",
        _text("version", "model_versions.id"),
        _text("champion", null=True),
        sa.Column("passed", sa.Boolean, nullable=False),
        _json("checks"),
        _whole("test_uses"),
        _at(),
        _text("override_reason"),
    )
    op.create_table(
        "aliases",
        sa.Column("name", sa.String, primary_key=True),
        _text("version", "model_versions.id"),
        _text("verdict", "verdicts.id"),
        _at(),
    )
    _table(
        "events",
        _at(),
        _text("kind"),
        _text("actor"),
        _text("subject"),
        _text("reason"),
        _json("detail"),
    )
    op.create_index("events_subject", "events", ["subject"])


def downgrade() -> None:
    for name in ("events", "aliases", "verdicts", "model_versions", "runs", "snapshots"):
        op.drop_table(name)
