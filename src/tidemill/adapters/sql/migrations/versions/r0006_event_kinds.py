"""Let an index lead to the events of one kind."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("events_kind", "events", ["kind"])


def downgrade() -> None:
    op.drop_index("events_kind", "events")
