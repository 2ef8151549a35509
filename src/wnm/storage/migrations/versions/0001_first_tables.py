"""The first tables: machine, node, cycle, operation and sample."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE machine (
    id INTEGER NOT NULL, initialised_at TEXT NOT NULL, wnm_version TEXT NOT NULL, settings TEXT NOT NULL,
    boot_id TEXT, counters TEXT, available TEXT, add_failures INTEGER NOT NULL, add_retry_at TEXT,
    add_last_error TEXT, last_cycle_at TEXT,
    CONSTRAINT pk_machine PRIMARY KEY (id), CONSTRAINT ck_machine_only_one CHECK (id = 1)
);

CREATE TABLE node (
    id INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, manager TEXT NOT NULL,
    root_dir TEXT NOT NULL, log_dir TEXT NOT NULL, program TEXT NOT NULL, port INTEGER NOT NULL,
    metrics_port INTEGER NOT NULL, wallet TEXT NOT NULL, born TEXT NOT NULL, environment TEXT NOT NULL,
    start_args TEXT NOT NULL, no_upnp BOOLEAN NOT NULL, user TEXT, status TEXT NOT NULL,
    status_since TEXT NOT NULL, because TEXT NOT NULL, restarted BOOLEAN NOT NULL, pid INTEGER,
    process_started_at TEXT, version TEXT, binary_version TEXT, binary_stamp TEXT, peer_id TEXT,
    mount_point TEXT, disk_bytes INTEGER, disk_measured_at TEXT, failures INTEGER NOT NULL, retry_at TEXT,
    last_error TEXT, silent_since TEXT, silence_restarts INTEGER NOT NULL,
    CONSTRAINT pk_node PRIMARY KEY (id)
);

CREATE TABLE cycle (
    id INTEGER NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, rule TEXT NOT NULL, because TEXT NOT NULL,
    exit_code INTEGER, seconds FLOAT, held TEXT NOT NULL, counts TEXT, actions INTEGER NOT NULL,
    recording BLOB,
    CONSTRAINT pk_cycle PRIMARY KEY (id)
);

CREATE INDEX ix_cycle_started_at ON cycle (started_at);

CREATE INDEX ix_cycle_recorded ON cycle (actions, id) WHERE recording IS NOT NULL;

CREATE TABLE operation (
    id INTEGER NOT NULL, cycle_id INTEGER NOT NULL, node_id INTEGER NOT NULL, kind TEXT NOT NULL,
    action TEXT NOT NULL, intended_at TEXT NOT NULL, ended_at TEXT, result TEXT, error TEXT, note TEXT,
    freed_bytes INTEGER, mount_point TEXT,
    CONSTRAINT pk_operation PRIMARY KEY (id),
    CONSTRAINT fk_operation_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycle (id) ON DELETE CASCADE
);

CREATE INDEX ix_operation_cycle_id ON operation (cycle_id);

CREATE INDEX ix_operation_node_id ON operation (node_id);

CREATE INDEX ix_operation_kind ON operation (kind, result, ended_at);

CREATE INDEX ix_operation_open ON operation (id) WHERE result IS NULL;

CREATE TABLE sample (
    cycle_id INTEGER NOT NULL, at TEXT NOT NULL, cpu_percent FLOAT, memory_percent FLOAT, load1 FLOAT,
    load5 FLOAT, load15 FLOAT, disk_used_percent FLOAT, netio_read_bytes_per_second FLOAT,
    netio_write_bytes_per_second FLOAT, hdio_read_bytes_per_second FLOAT, hdio_write_bytes_per_second FLOAT,
    nodes_running INTEGER NOT NULL, nodes_total INTEGER NOT NULL,
    CONSTRAINT pk_sample PRIMARY KEY (cycle_id),
    CONSTRAINT fk_sample_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycle (id) ON DELETE CASCADE
);

CREATE INDEX ix_sample_at ON sample (at)
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
