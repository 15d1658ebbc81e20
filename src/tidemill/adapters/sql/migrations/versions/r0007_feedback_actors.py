"""Let an index lead to the feedback of one actor."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("feedback_actor", "feedback", ["actor"])


def downgrade() -> None:
    op.drop_index("feedback_actor", "feedback")
