"""Let an index lead to the feedback on an item, and to that of one giver on a subject."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "feedback_item": ["item"],
    "feedback_giver": ["example", "actor", "client"],
    "feedback_item_giver": ["item", "actor", "client"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "feedback", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "feedback")
