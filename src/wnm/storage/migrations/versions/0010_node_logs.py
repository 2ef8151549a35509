"""Adds how far the log of each node has been read, and what it told until there."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "node_log",
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", name="pk_node_log"),
    )
