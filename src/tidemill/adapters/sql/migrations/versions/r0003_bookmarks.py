"""How far the rows of databases and the rounds of the schedule have been gone through.

A released migration is never edited, so it names its columns itself and does not read `tables.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_offsets",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("position", sa.String, nullable=False),
        sa.Column("caught_up_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_table("import_offsets")
