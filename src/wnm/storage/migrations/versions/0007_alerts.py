"""Alerts, the messages about them that wait or were delivered, and what they are told from."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE alert (
    id INTEGER NOT NULL, "key" TEXT NOT NULL, subject TEXT NOT NULL, severity TEXT NOT NULL,
    text TEXT NOT NULL, remedy TEXT NOT NULL, since TEXT NOT NULL, sightings INTEGER NOT NULL,
    started_at TEXT, gone_since TEXT, ended_at TEXT,
    CONSTRAINT pk_alert PRIMARY KEY (id)
);

CREATE UNIQUE INDEX ix_alert_running ON alert ("key", subject) WHERE ended_at IS NULL;

CREATE INDEX ix_alert_ended_at ON alert (ended_at);

CREATE TABLE alert_message (
    id INTEGER NOT NULL, alert_id INTEGER NOT NULL, event TEXT NOT NULL, channel TEXT NOT NULL,
    message TEXT NOT NULL, created_at TEXT NOT NULL, attempts INTEGER NOT NULL, next_try_at TEXT NOT NULL,
    delivered_at TEXT, given_up_at TEXT, last_error TEXT,
    CONSTRAINT pk_alert_message PRIMARY KEY (id),
    CONSTRAINT fk_alert_message_alert_id FOREIGN KEY(alert_id) REFERENCES alert (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX ix_alert_message_once ON alert_message (alert_id, event, channel);

CREATE INDEX ix_alert_message_waiting ON alert_message (id) WHERE delivered_at IS NULL AND given_up_at IS NULL;

CREATE TABLE disk_level (
    mount_point TEXT NOT NULL, at TEXT NOT NULL, free_bytes INTEGER NOT NULL,
    CONSTRAINT pk_disk_level PRIMARY KEY (mount_point, at)
);

CREATE TABLE alert_clock (
    id INTEGER NOT NULL, boot_id TEXT NOT NULL, offset_seconds FLOAT NOT NULL,
    CONSTRAINT pk_alert_clock PRIMARY KEY (id)
)
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
