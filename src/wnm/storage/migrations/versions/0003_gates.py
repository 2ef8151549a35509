"""Adds the records of versions, and the gate of a version to the nodes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("machine", sa.Column("releases", sa.Text()))
    for name in ("trial", "trial_failure", "former_version", "failed_version"):
        op.add_column("node", sa.Column(name, sa.Text()))
