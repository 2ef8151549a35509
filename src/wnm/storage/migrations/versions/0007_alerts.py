"""Alerts, the messages about them that wait or were delivered, and what they are told from."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_alerts()
    _add_messages()
    _add_what_they_are_told_from()


def _add_alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Text()),
        sa.Column("gone_since", sa.Text()),
        sa.Column("ended_at", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_index(
        "ix_alert_running", "alert", ["key", "subject"], unique=True, sqlite_where=sa.text("ended_at IS NULL")
    )
    op.create_index("ix_alert_ended_at", "alert", ["ended_at"])


def _add_messages() -> None:
    op.create_table(
        "alert_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Text(), nullable=False),
        sa.Column("delivered_at", sa.Text()),
        sa.Column("given_up_at", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_alert_message"),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name="fk_alert_message_alert_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_alert_message_once", "alert_message", ["alert_id", "event", "channel"], unique=True)
    op.create_index(
        "ix_alert_message_waiting",
        "alert_message",
        ["id"],
        sqlite_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL"),
    )


def _add_what_they_are_told_from() -> None:
    op.create_table(
        "disk_level",
        sa.Column("mount_point", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("free_bytes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mount_point", "at", name="pk_disk_level"),
    )
    op.create_table(
        "alert_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("offset_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_clock"),
    )
