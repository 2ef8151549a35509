"""A machine's identity, settings as rows with their origin, subjects of operations, and what others hand over."""

import json
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE setting (
    name TEXT NOT NULL, layer TEXT NOT NULL, text TEXT NOT NULL, revision INTEGER, at TEXT NOT NULL,
    outranks_fleet BOOLEAN NOT NULL,
    CONSTRAINT pk_setting PRIMARY KEY (name, layer)
);

CREATE TABLE reservation (
    owner TEXT NOT NULL, cores FLOAT NOT NULL, memory_bytes INTEGER NOT NULL, disk_bytes TEXT NOT NULL,
    until TEXT,
    CONSTRAINT pk_reservation PRIMARY KEY (owner)
);

CREATE TABLE foreign_reading (
    source TEXT NOT NULL, "key" TEXT NOT NULL, subject TEXT NOT NULL, value FLOAT, unit TEXT NOT NULL,
    at TEXT NOT NULL, owner TEXT, interval_seconds FLOAT NOT NULL,
    CONSTRAINT pk_foreign_reading PRIMARY KEY (source, "key", subject)
)
"""
REST = "kind, action, intended_at, ended_at, result, error, note, freed_bytes, mount_point"
# SQLite cannot change a column, so the table is copied. `node_id` stays, for who asks for it.
SUBJECTS = f"""
CREATE TABLE operation_0008 (
    id INTEGER NOT NULL, cycle_id INTEGER NOT NULL, subject_kind TEXT NOT NULL, subject_id TEXT NOT NULL,
    node_id INTEGER GENERATED ALWAYS AS (CASE subject_kind WHEN 'node' THEN CAST(subject_id AS INTEGER) END),
    kind TEXT NOT NULL, action TEXT NOT NULL, intended_at TEXT NOT NULL, ended_at TEXT, result TEXT,
    error TEXT, note TEXT, freed_bytes INTEGER, mount_point TEXT,
    CONSTRAINT pk_operation PRIMARY KEY (id),
    CONSTRAINT fk_operation_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycle (id) ON DELETE CASCADE
);

INSERT INTO operation_0008 (id, cycle_id, subject_kind, subject_id, {REST})
    SELECT id, cycle_id, 'node', node_id, {REST} FROM operation;

DROP TABLE operation;
ALTER TABLE operation_0008 RENAME TO operation;
CREATE INDEX ix_operation_cycle_id ON operation (cycle_id);
CREATE INDEX ix_operation_node_id ON operation (node_id);
CREATE INDEX ix_operation_kind ON operation (kind, result, ended_at);
CREATE INDEX ix_operation_open ON operation (id) WHERE result IS NULL
"""


def upgrade() -> None:
    for statement in (TABLES + ";\n" + SUBJECTS).split(";\n"):
        op.execute(statement)
    op.add_column("node", sa.Column("crashed", sa.Boolean(), nullable=False, server_default="0"))
    machine = op.get_bind().exec_driver_sql("SELECT settings, initialised_at FROM machine").first()
    if machine is not None:
        for name, text in json.loads(machine[0]).items():
            row = (name, str(text), machine[1])
            op.get_bind().exec_driver_sql("INSERT INTO setting VALUES (?, 'database', ?, NULL, ?, 0)", row)
    op.drop_column("machine", "settings")
    for name in ("identity", "system_id", "noticed_system_id"):
        op.add_column("machine", sa.Column(name, sa.Text()))
    for name in ("wish_revision", "synced_through"):
        op.add_column("machine", sa.Column(name, sa.Integer()))
    op.get_bind().exec_driver_sql("UPDATE machine SET identity = ?", (str(uuid4()),))
