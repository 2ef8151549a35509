"""Counts how often a node's process ended after it had run well."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("flaps", sa.Integer(), nullable=False, server_default="0"))
