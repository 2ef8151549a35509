"""Storage folders with their markers, the file systems they lie on, and how the last addition there ended."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "place",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text()),
        sa.Column("file_system", sa.Text()),
        sa.Column("device", sa.Text()),
        sa.Column("failed_at", sa.Text()),
        sa.Column("failure", sa.Text()),
        sa.PrimaryKeyConstraint("path", name="pk_place"),
    )
