"""Adds what wnm found missing on the machine and made, and the note on its firewall."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("machine", sa.Column("absent_before", sa.Text()))
    op.add_column("machine", sa.Column("firewall_note", sa.Text()))
