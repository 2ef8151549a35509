"""Adds the changes of node states that no action made."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "state_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("node_name", sa.Text(), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("became", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_state_change"),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["cycle.id"], name="fk_state_change_cycle_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_state_change_cycle_id", "state_change", ["cycle_id"])
    op.create_index("ix_state_change_node_id", "state_change", ["node_id"])
    op.create_index("ix_state_change_at", "state_change", ["at"])
