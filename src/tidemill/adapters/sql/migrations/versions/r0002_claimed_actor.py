"""Add to feedback the name that a client without a key claimed, and the client's address."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("claimed_actor", "client"):
        op.add_column("feedback", sa.Column(name, sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("client", "claimed_actor"):
        op.drop_column("feedback", name)
