"""The first tables: machine, node, cycle, operation and sample."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _machine()
    _node()
    _cycle()
    _operation()
    _sample()


def _machine() -> None:
    op.create_table(
        "machine",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("initialised_at", sa.Text(), nullable=False),
        sa.Column("wnm_version", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text()),
        sa.Column("counters", sa.Text()),
        sa.Column("available", sa.Text()),
        sa.Column("add_failures", sa.Integer(), nullable=False),
        sa.Column("add_retry_at", sa.Text()),
        sa.Column("add_last_error", sa.Text()),
        sa.Column("last_cycle_at", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_machine"),
        sa.CheckConstraint("id = 1", name=op.f("ck_machine_only_one")),
    )


def _node() -> None:
    op.create_table(
        "node",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("manager", sa.Text(), nullable=False),
        sa.Column("root_dir", sa.Text(), nullable=False),
        sa.Column("log_dir", sa.Text(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("metrics_port", sa.Integer(), nullable=False),
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("born", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("start_args", sa.Text(), nullable=False),
        sa.Column("no_upnp", sa.Boolean(), nullable=False),
        sa.Column("user", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_since", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("restarted", sa.Boolean(), nullable=False),
        sa.Column("pid", sa.Integer()),
        sa.Column("process_started_at", sa.Text()),
        sa.Column("version", sa.Text()),
        sa.Column("binary_version", sa.Text()),
        sa.Column("binary_stamp", sa.Text()),
        sa.Column("peer_id", sa.Text()),
        sa.Column("mount_point", sa.Text()),
        sa.Column("disk_bytes", sa.Integer()),
        sa.Column("disk_measured_at", sa.Text()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.Column("silent_since", sa.Text()),
        sa.Column("silence_restarts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_node"),
    )


def _cycle() -> None:
    op.create_table(
        "cycle",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("seconds", sa.Float()),
        sa.Column("held", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text()),
        sa.Column("actions", sa.Integer(), nullable=False),
        sa.Column("recording", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_cycle"),
    )
    op.create_index("ix_cycle_started_at", "cycle", ["started_at"])
    op.create_index(
        "ix_cycle_recorded", "cycle", ["actions", "id"], sqlite_where=sa.text("recording IS NOT NULL")
    )


def _operation() -> None:
    op.create_table(
        "operation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
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
    op.create_index("ix_operation_cycle_id", "operation", ["cycle_id"])
    op.create_index("ix_operation_node_id", "operation", ["node_id"])
    op.create_index("ix_operation_kind", "operation", ["kind", "result", "ended_at"])
    op.create_index("ix_operation_open", "operation", ["id"], sqlite_where=sa.text("result IS NULL"))


def _sample() -> None:
    op.create_table(
        "sample",
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("cpu_percent", sa.Float()),
        sa.Column("memory_percent", sa.Float()),
        sa.Column("load1", sa.Float()),
        sa.Column("load5", sa.Float()),
        sa.Column("load15", sa.Float()),
        sa.Column("disk_used_percent", sa.Float()),
        sa.Column("netio_read_bytes_per_second", sa.Float()),
        sa.Column("netio_write_bytes_per_second", sa.Float()),
        sa.Column("hdio_read_bytes_per_second", sa.Float()),
        sa.Column("hdio_write_bytes_per_second", sa.Float()),
        sa.Column("nodes_running", sa.Integer(), nullable=False),
        sa.Column("nodes_total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cycle_id", name="pk_sample"),
        sa.ForeignKeyConstraint(["cycle_id"], ["cycle.id"], name="fk_sample_cycle_id", ondelete="CASCADE"),
    )
    op.create_index("ix_sample_at", "sample", ["at"])
