-- The tables of the newest revision. The scripts in migrations/ arrive at the same ones: a test compares them.
-- Behind a column stands what its text or number means, where its type does not say it.

CREATE TABLE machine (
    id INTEGER NOT NULL,
    initialised_at TEXT NOT NULL, -- time
    wnm_version TEXT NOT NULL,
    boot_id TEXT,
    counters TEXT, -- JSON
    available TEXT, -- JSON
    add_failures INTEGER NOT NULL,
    add_retry_at TEXT, -- time
    add_last_error TEXT,
    last_cycle_at TEXT, -- time
    absent_before TEXT, -- JSON
    firewall_note TEXT,
    releases TEXT, -- JSON
    identity TEXT,
    system_id TEXT,
    noticed_system_id TEXT,
    wish_revision INTEGER,
    synced_through INTEGER,
    CONSTRAINT pk_machine PRIMARY KEY (id),
    CONSTRAINT ck_machine_only_one CHECK (id = 1)
);

CREATE TABLE setting (
    name TEXT NOT NULL,
    layer TEXT NOT NULL,
    text TEXT NOT NULL,
    revision INTEGER,
    at TEXT NOT NULL, -- time
    outranks_fleet BOOLEAN NOT NULL,
    CONSTRAINT pk_setting PRIMARY KEY (name, layer)
);

CREATE TABLE node (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    manager TEXT NOT NULL,
    root_dir TEXT NOT NULL,
    log_dir TEXT NOT NULL,
    program TEXT NOT NULL,
    port INTEGER NOT NULL,
    metrics_port INTEGER NOT NULL,
    wallet TEXT NOT NULL,
    born TEXT NOT NULL, -- time
    environment TEXT NOT NULL, -- JSON
    start_args TEXT NOT NULL, -- JSON
    no_upnp BOOLEAN NOT NULL,
    user TEXT,
    status TEXT NOT NULL,
    status_since TEXT NOT NULL, -- time
    because TEXT NOT NULL,
    restarted BOOLEAN NOT NULL,
    pid INTEGER,
    process_started_at TEXT, -- time
    version TEXT,
    binary_version TEXT,
    binary_stamp TEXT,
    peer_id TEXT,
    mount_point TEXT,
    disk_bytes INTEGER,
    disk_measured_at TEXT, -- time
    failures INTEGER NOT NULL,
    retry_at TEXT, -- time
    last_error TEXT,
    silent_since TEXT, -- time
    silence_restarts INTEGER NOT NULL,
    trial TEXT,
    trial_failure TEXT,
    former_version TEXT,
    failed_version TEXT,
    command TEXT, -- JSON
    crashed BOOLEAN DEFAULT '0' NOT NULL,
    flaps INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_node PRIMARY KEY (id)
);

CREATE TABLE cycle (
    id INTEGER NOT NULL,
    started_at TEXT NOT NULL, -- time
    ended_at TEXT, -- time
    rule TEXT NOT NULL,
    because TEXT NOT NULL,
    exit_code INTEGER,
    seconds FLOAT,
    held TEXT NOT NULL, -- JSON
    counts TEXT, -- JSON
    actions INTEGER NOT NULL,
    recording BLOB,
    CONSTRAINT pk_cycle PRIMARY KEY (id)
);
CREATE INDEX ix_cycle_recorded ON cycle (actions, id) WHERE recording IS NOT NULL;
CREATE INDEX ix_cycle_started_at ON cycle (started_at);

CREATE TABLE operation (
    id INTEGER NOT NULL,
    cycle_id INTEGER NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    node_id INTEGER GENERATED ALWAYS AS (CASE subject_kind WHEN 'node' THEN CAST(subject_id AS INTEGER) END),
    kind TEXT NOT NULL,
    action TEXT NOT NULL, -- JSON
    intended_at TEXT NOT NULL, -- time
    ended_at TEXT, -- time
    result TEXT,
    error TEXT,
    note TEXT,
    freed_bytes INTEGER,
    mount_point TEXT,
    CONSTRAINT pk_operation PRIMARY KEY (id),
    CONSTRAINT fk_operation_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycle (id) ON DELETE CASCADE
);
CREATE INDEX ix_operation_cycle_id ON operation (cycle_id);
CREATE INDEX ix_operation_kind ON operation (kind, result, ended_at);
CREATE INDEX ix_operation_node_id ON operation (node_id);
CREATE INDEX ix_operation_open ON operation (id) WHERE result IS NULL;

CREATE TABLE sample (
    cycle_id INTEGER NOT NULL,
    at TEXT NOT NULL, -- time
    cpu_percent FLOAT,
    memory_percent FLOAT,
    load1 FLOAT,
    load5 FLOAT,
    load15 FLOAT,
    disk_used_percent FLOAT,
    netio_read_bytes_per_second FLOAT,
    netio_write_bytes_per_second FLOAT,
    hdio_read_bytes_per_second FLOAT,
    hdio_write_bytes_per_second FLOAT,
    nodes_running INTEGER NOT NULL,
    nodes_total INTEGER NOT NULL,
    CONSTRAINT pk_sample PRIMARY KEY (cycle_id),
    CONSTRAINT fk_sample_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycle (id) ON DELETE CASCADE
);
CREATE INDEX ix_sample_at ON sample (at);

CREATE TABLE state_change (
    id INTEGER NOT NULL,
    cycle_id INTEGER NOT NULL,
    at TEXT NOT NULL, -- time
    node_id INTEGER NOT NULL,
    node_name TEXT NOT NULL,
    was TEXT NOT NULL,
    became TEXT NOT NULL,
    because TEXT NOT NULL,
    CONSTRAINT pk_state_change PRIMARY KEY (id),
    CONSTRAINT fk_state_change_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycle (id) ON DELETE CASCADE
);
CREATE INDEX ix_state_change_at ON state_change (at);
CREATE INDEX ix_state_change_cycle_id ON state_change (cycle_id);
CREATE INDEX ix_state_change_node_id ON state_change (node_id);

CREATE TABLE counter (
    node_id INTEGER NOT NULL,
    attos TEXT NOT NULL,
    boot_id TEXT,
    pid INTEGER,
    uptime_seconds INTEGER,
    CONSTRAINT pk_counter PRIMARY KEY (node_id)
);

CREATE TABLE node_log (
    node_id INTEGER NOT NULL,
    kept TEXT NOT NULL, -- JSON
    CONSTRAINT pk_node_log PRIMARY KEY (node_id)
);

CREATE TABLE earning (
    day TEXT NOT NULL,
    node_name TEXT NOT NULL,
    wallet TEXT NOT NULL,
    node_id INTEGER NOT NULL,
    attos TEXT NOT NULL,
    CONSTRAINT pk_earning PRIMARY KEY (day, node_name, wallet)
);

CREATE TABLE alert (
    id INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    remedy TEXT NOT NULL,
    since TEXT NOT NULL, -- time
    sightings INTEGER NOT NULL,
    started_at TEXT, -- time
    gone_since TEXT, -- time
    ended_at TEXT, -- time
    CONSTRAINT pk_alert PRIMARY KEY (id)
);
CREATE INDEX ix_alert_ended_at ON alert (ended_at);
CREATE UNIQUE INDEX ix_alert_running ON alert ("key", subject) WHERE ended_at IS NULL;

CREATE TABLE alert_message (
    id INTEGER NOT NULL,
    alert_id INTEGER NOT NULL,
    event TEXT NOT NULL,
    channel TEXT NOT NULL,
    message TEXT NOT NULL, -- JSON
    created_at TEXT NOT NULL, -- time
    attempts INTEGER NOT NULL,
    next_try_at TEXT NOT NULL, -- time
    delivered_at TEXT, -- time
    given_up_at TEXT, -- time
    last_error TEXT,
    CONSTRAINT pk_alert_message PRIMARY KEY (id),
    CONSTRAINT fk_alert_message_alert_id FOREIGN KEY(alert_id) REFERENCES alert (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX ix_alert_message_once ON alert_message (alert_id, event, channel);
CREATE INDEX ix_alert_message_waiting ON alert_message (id) WHERE delivered_at IS NULL AND given_up_at IS NULL;

CREATE TABLE disk_level (
    mount_point TEXT NOT NULL,
    at TEXT NOT NULL, -- time
    free_bytes INTEGER NOT NULL,
    CONSTRAINT pk_disk_level PRIMARY KEY (mount_point, at)
);

CREATE TABLE alert_clock (
    id INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    offset_seconds FLOAT NOT NULL,
    CONSTRAINT pk_alert_clock PRIMARY KEY (id)
);

CREATE TABLE reservation (
    owner TEXT NOT NULL,
    cores FLOAT NOT NULL,
    memory_bytes INTEGER NOT NULL,
    disk_bytes TEXT NOT NULL, -- JSON
    until TEXT, -- time
    CONSTRAINT pk_reservation PRIMARY KEY (owner)
);

CREATE TABLE foreign_reading (
    source TEXT NOT NULL,
    "key" TEXT NOT NULL,
    subject TEXT NOT NULL,
    value FLOAT,
    unit TEXT NOT NULL,
    at TEXT NOT NULL, -- time
    owner TEXT,
    interval_seconds FLOAT NOT NULL,
    CONSTRAINT pk_foreign_reading PRIMARY KEY (source, "key", subject)
);

CREATE TABLE place (
    path TEXT NOT NULL,
    folder TEXT,
    file_system TEXT,
    device TEXT,
    failed_at TEXT, -- time
    failure TEXT,
    CONSTRAINT pk_place PRIMARY KEY (path)
);

-- As Alembic writes it, so that Alembic finds its own.
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
