"""Adds the earnings of nodes by day, and the counters that they are computed from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("node_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attos", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text()),
        sa.Column("pid", sa.Integer()),
        sa.Column("uptime_seconds", sa.Integer()),
        sa.PrimaryKeyConstraint("node_id", name="pk_counter"),
    )
    op.create_table(
        "earning",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("node_name", sa.Text(), nullable=False),
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("attos", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "node_name", "wallet", name="pk_earning"),
    )
