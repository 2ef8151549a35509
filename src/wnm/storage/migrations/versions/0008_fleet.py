"""A machine's identity, settings as rows with their origin, subjects of operations, and what others hand over."""

import json
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("crashed", sa.Boolean(), nullable=False, server_default="0"))
    _move_settings_into_rows()
    _identify_machine()
    _give_operations_a_subject()
    _add_what_others_hand_over()


def _move_settings_into_rows() -> None:
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer()),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("outranks_fleet", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", "layer", name="pk_setting"),
    )
    machine = op.get_bind().exec_driver_sql("SELECT settings, initialised_at FROM machine").first()
    if machine is not None:
        rows = [(name, str(text), machine[1]) for name, text in json.loads(machine[0]).items()]
        for row in rows:
            op.get_bind().exec_driver_sql("INSERT INTO setting VALUES (?, 'database', ?, NULL, ?, 0)", row)
    op.drop_column("machine", "settings")


def _identify_machine() -> None:
    for name in ("identity", "system_id", "noticed_system_id"):
        op.add_column("machine", sa.Column(name, sa.Text()))
    for name in ("wish_revision", "synced_through"):
        op.add_column("machine", sa.Column(name, sa.Integer()))
    op.get_bind().exec_driver_sql("UPDATE machine SET identity = ?", (str(uuid4()),))


def _give_operations_a_subject() -> None:
    """SQLite cannot change a column, so the table is copied. `node_id` stays, for who asks for it."""
    op.create_table(
        "operation_0008",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column(
            "node_id",
            sa.Integer(),
            sa.Computed("CASE subject_kind WHEN 'node' THEN CAST(subject_id AS INTEGER) END"),
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("intended_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("freed_bytes", sa.Integer()),
        sa.Column("mount_point", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
        sa.ForeignKeyConstraint(["cycle_id"], ["cycle.id"], name="fk_operation_cycle_id", ondelete="CASCADE"),
    )
    rest = "kind, action, intended_at, ended_at, result, error, note, freed_bytes, mount_point"
    op.execute(
        f"INSERT INTO operation_0008 (id, cycle_id, subject_kind, subject_id, {rest}) "
        f"SELECT id, cycle_id, 'node', node_id, {rest} FROM operation"
    )
    op.drop_table("operation")
    op.rename_table("operation_0008", "operation")
    op.create_index("ix_operation_cycle_id", "operation", ["cycle_id"])
    op.create_index("ix_operation_node_id", "operation", ["node_id"])
    op.create_index("ix_operation_kind", "operation", ["kind", "result", "ended_at"])
    op.create_index("ix_operation_open", "operation", ["id"], sqlite_where=sa.text("result IS NULL"))


def _add_what_others_hand_over() -> None:
    op.create_table(
        "reservation",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("cores", sa.Float(), nullable=False),
        sa.Column("memory_bytes", sa.Integer(), nullable=False),
        sa.Column("disk_bytes", sa.Text(), nullable=False),
        sa.Column("until", sa.Text()),
        sa.PrimaryKeyConstraint("owner", name="pk_reservation"),
    )
    op.create_table(
        "foreign_reading",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("interval_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("source", "key", "subject", name="pk_foreign_reading"),
    )
