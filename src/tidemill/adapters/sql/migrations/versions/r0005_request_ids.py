"""Add to predictions the id of their request and its place in the client's trace."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAMES = ("request_id", "traceparent")


def upgrade() -> None:
    for name in NAMES:
        op.add_column("predictions", sa.Column(name, sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    for name in reversed(NAMES):
        op.drop_column("predictions", name)
