"""Create every table of the first release.

Never edit a released migration. It names its columns itself and does not read `tables.py`.
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


def _key(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.String, primary_key=True)


def _text(name: str, key: str = "", *, null: bool = False) -> sa.Column:  # type: ignore[type-arg]
    keys = (sa.ForeignKey(key),) if key else ()
    return sa.Column(name, sa.String, *keys, nullable=null)


def _json(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.JSON, nullable=False)


def _whole(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.Integer, nullable=False)


def _at(name: str = "at", *, null: bool = False) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def upgrade() -> None:
    _registry()
    _events()
    _traffic()
    _drift()
    _feedback()
    _loop()


def _registry() -> None:
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
    op.create_index("model_versions_run", "model_versions", ["run"])
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
    op.create_index("verdicts_version", "verdicts", ["version"])
    op.create_table(
        "aliases",
        _key("name"),
        _text("version", "model_versions.id"),
        _text("verdict", "verdicts.id"),
        _at(),
    )


def _events() -> None:
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


def _traffic() -> None:
    _table(
        "predictions",
        _text("server"),
        _whole("sequence"),
        _text("version"),
        _at(),
        _text("kind"),
        _text("example"),
        _json("answers"),
    )
    op.create_index("predictions_sequence", "predictions", ["server", "sequence"], unique=True)
    op.create_index("predictions_version", "predictions", ["version", "kind"])
    op.create_table("traffic_offsets", _key("server"), _whole("sequence"))
    op.create_table(
        "profiles",
        _key("version"),
        _key("kind"),
        _key("window"),
        sa.Column("bucket", sa.DateTime(timezone=True), primary_key=True),
        _whole("n"),
        _json("counts"),
    )


def _drift() -> None:
    _table(
        "drift_verdicts",
        _text("version", "model_versions.id"),
        sa.Column("drifted", sa.Boolean, nullable=False),
        _whole("answers"),
        _whole("reference"),
        _at("since"),
        _at("until"),
        _json("features"),
        _at(),
        sa.Column("threshold", sa.Float, nullable=False),
    )
    op.create_index("drift_verdicts_version", "drift_verdicts", ["version"])


def _feedback() -> None:
    _table(
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
    )
    op.create_index("feedback_status", "feedback", ["status"])
    op.create_index("feedback_settled", "feedback", ["status", "settled_at"])
    op.create_index("feedback_example", "feedback", ["example"])


def _loop() -> None:
    _table(
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
        sa.Column("open", sa.Boolean),
    )
    op.create_index("cycles_open", "cycles", ["open"], unique=True)
    op.create_table("leases", _key("name"), _text("holder"), _whole("token"), _at("until"))
    op.create_table(
        "import_offsets",
        _key("name"),
        _text("position"),
        _at("caught_up_at", null=True),
    )


def downgrade() -> None:
    for name in (
        "import_offsets",
        "leases",
        "cycles",
        "feedback",
        "drift_verdicts",
        "profiles",
        "traffic_offsets",
        "predictions",
        "events",
        "aliases",
        "verdicts",
        "model_versions",
        "runs",
        "snapshots",
    ):
        op.drop_table(name)
