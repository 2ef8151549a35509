"""Makes the first tables.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of workloads, what they hold, events, GPUs and notes."""
    _workloads()
    _events()
    _machines()


def _workloads() -> None:
    op.create_table(
        "workload",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("submitted_at", sa.String(32), nullable=False),
        sa.Column("started_at", sa.String(32)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workload"),
    )
    for column in ("name", "owner", "state", "submitted_at"):
        op.create_index(f"ix_workload_{column}", "workload", [column])
    op.create_table(
        "gpu_holder",
        sa.Column("gpu_uuid", sa.String(80), nullable=False),
        sa.Column("workload_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["workload_id"], ["workload.id"], name="fk_gpu_holder_workload_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gpu_uuid", name="pk_gpu_holder"),
    )
    op.create_index("ix_gpu_holder_workload_id", "gpu_holder", ["workload_id"])
    op.create_table(
        "port_holder",
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("protocol", sa.String(4), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("workload_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["workload_id"], ["workload.id"], name="fk_port_holder_workload_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("machine", "protocol", "port", name="pk_port_holder"),
    )
    op.create_index("ix_port_holder_workload_id", "port_holder", ["workload_id"])


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("subject_kind", sa.String(20), nullable=False),
        sa.Column("subject_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_at", "event", ["at"])
    op.create_index("ix_event_subject", "event", ["subject_kind", "subject_id", "at"])


def _machines() -> None:
    op.create_table(
        "gpu",
        sa.Column("uuid", sa.String(80), nullable=False),
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_gpu"),
    )
    op.create_index("ix_gpu_machine", "gpu", ["machine"])
    op.create_table(
        "xid",
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("pci_bus_id", sa.String(32), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("machine", "pci_bus_id", "code", name="pk_xid"),
    )
    op.create_table(
        "note",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_note"),
    )
