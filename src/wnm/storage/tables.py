"""Declares the tables of the newest revision, for making a database, for Alembic and for the reference page."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)


class Moment(Text):
    """An aware time as ISO 8601 text in UTC, of one width so that it sorts."""


class Json(Text):
    """A value as compact JSON text."""


class Prose(Text):
    """Text for people. What UTF-8 cannot hold is written as an escape, since it must never stop a cycle."""


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

Machine = Table(
    "machine",
    metadata,
    CheckConstraint("id = 1", name="only_one"),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("initialised_at", Moment, nullable=False),
    Column("wnm_version", Prose, nullable=False),
    Column("boot_id", Prose),
    Column("counters", Json),
    Column("available", Json),
    Column("add_failures", Integer, nullable=False),
    Column("add_retry_at", Moment),
    Column("add_last_error", Prose),
    Column("last_cycle_at", Moment),
    Column("absent_before", Json),
    Column("firewall_note", Prose),
    Column("releases", Json),
    Column("identity", Text),
    Column("system_id", Text),
    Column("noticed_system_id", Text),
    Column("wish_revision", Integer),
    Column("synced_through", Integer),
)

# What the operator gave lies in the layer `database`, what a fleet wishes in `fleet`.
Setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("layer", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("revision", Integer),
    Column("at", Moment, nullable=False),
    Column("outranks_fleet", Boolean, nullable=False),
)

Node = Table(
    "node",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("manager", Text, nullable=False),
    Column("root_dir", Text, nullable=False),
    Column("log_dir", Text, nullable=False),
    Column("program", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("metrics_port", Integer, nullable=False),
    Column("wallet", Text, nullable=False),
    Column("born", Moment, nullable=False),
    Column("environment", Json, nullable=False),
    Column("start_args", Json, nullable=False),
    Column("no_upnp", Boolean, nullable=False),
    Column("user", Text),
    Column("status", Text, nullable=False),
    Column("status_since", Moment, nullable=False),
    Column("because", Prose, nullable=False),
    Column("restarted", Boolean, nullable=False),
    Column("pid", Integer),
    Column("process_started_at", Moment),
    Column("version", Prose),
    Column("binary_version", Prose),
    Column("binary_stamp", Prose),
    Column("peer_id", Prose),
    Column("mount_point", Text),
    Column("disk_bytes", Integer),
    Column("disk_measured_at", Moment),
    Column("failures", Integer, nullable=False),
    Column("retry_at", Moment),
    Column("last_error", Prose),
    Column("silent_since", Moment),
    Column("silence_restarts", Integer, nullable=False),
    Column("trial", Prose),
    Column("trial_failure", Prose),
    Column("former_version", Prose),
    Column("failed_version", Prose),
    Column("command", Json),
)

Cycle = Table(
    "cycle",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("started_at", Moment, nullable=False, index=True),
    Column("ended_at", Moment),
    Column("rule", Prose, nullable=False),
    Column("because", Prose, nullable=False),
    Column("exit_code", Integer),
    Column("seconds", Float),
    Column("held", Json, nullable=False),
    Column("counts", Json),
    Column("actions", Integer, nullable=False),
    Column("recording", LargeBinary),
)
Index(
    "ix_cycle_recorded",
    Cycle.c.actions,
    Cycle.c.id,
    sqlite_where=Cycle.c.recording.is_not(None),
)

Operation = Table(
    "operation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", ForeignKey("cycle.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column(
        "node_id",
        Integer,
        Computed("CASE subject_kind WHEN 'node' THEN CAST(subject_id AS INTEGER) END"),
        index=True,
    ),
    Column("kind", Text, nullable=False),
    Column("action", Json, nullable=False),
    Column("intended_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("result", Text),
    Column("error", Prose),
    Column("note", Prose),
    Column("freed_bytes", Integer),
    Column("mount_point", Text),
)
Index("ix_operation_kind", Operation.c.kind, Operation.c.result, Operation.c.ended_at)
Index("ix_operation_open", Operation.c.id, sqlite_where=Operation.c.result.is_(None))

Sample = Table(
    "sample",
    metadata,
    Column("cycle_id", ForeignKey("cycle.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("cpu_percent", Float),
    Column("memory_percent", Float),
    Column("load1", Float),
    Column("load5", Float),
    Column("load15", Float),
    Column("disk_used_percent", Float),
    Column("netio_read_bytes_per_second", Float),
    Column("netio_write_bytes_per_second", Float),
    Column("hdio_read_bytes_per_second", Float),
    Column("hdio_write_bytes_per_second", Float),
    Column("nodes_running", Integer, nullable=False),
    Column("nodes_total", Integer, nullable=False),
)

# Changes that nobody made: what wnm did itself is in the operations.
StateChange = Table(
    "state_change",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", ForeignKey("cycle.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Moment, nullable=False, index=True),
    Column("node_id", Integer, nullable=False, index=True),
    Column("node_name", Text, nullable=False),
    Column("was", Text, nullable=False),
    Column("became", Text, nullable=False),
    Column("because", Prose, nullable=False),
)

# Amounts are whole numbers of any size, which SQLite would round: they lie there as text.
Counter = Table(
    "counter",
    metadata,
    Column("node_id", Integer, primary_key=True, autoincrement=False),
    Column("attos", Text, nullable=False),
    Column("boot_id", Prose),
    Column("pid", Integer),
    Column("uptime_seconds", Integer),
)

Earning = Table(
    "earning",
    metadata,
    Column("day", Text, primary_key=True),
    Column("node_name", Text, primary_key=True),
    Column("wallet", Text, primary_key=True),
    Column("node_id", Integer, nullable=False),
    Column("attos", Text, nullable=False),
)

Alert = Table(
    "alert",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("subject", Prose, nullable=False),
    Column("severity", Text, nullable=False),
    Column("text", Prose, nullable=False),
    Column("remedy", Prose, nullable=False),
    Column("since", Moment, nullable=False),
    Column("sightings", Integer, nullable=False),
    Column("started_at", Moment),
    Column("gone_since", Moment),
    Column("ended_at", Moment, index=True),
)
Index("ix_alert_running", Alert.c.key, Alert.c.subject, unique=True, sqlite_where=Alert.c.ended_at.is_(None))

AlertMessage = Table(
    "alert_message",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_id", ForeignKey("alert.id", ondelete="CASCADE"), nullable=False),
    Column("event", Text, nullable=False),
    Column("channel", Prose, nullable=False),
    Column("message", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Moment, nullable=False),
    Column("delivered_at", Moment),
    Column("given_up_at", Moment),
    Column("last_error", Prose),
)
Index(
    "ix_alert_message_once",
    AlertMessage.c.alert_id,
    AlertMessage.c.event,
    AlertMessage.c.channel,
    unique=True,
)
Index(
    "ix_alert_message_waiting",
    AlertMessage.c.id,
    sqlite_where=AlertMessage.c.delivered_at.is_(None) & AlertMessage.c.given_up_at.is_(None),
)

DiskLevel = Table(
    "disk_level",
    metadata,
    Column("mount_point", Text, primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("free_bytes", Integer, nullable=False),
)

# By how much the time of day is ahead of the seconds since the machine started.
AlertClock = Table(
    "alert_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("boot_id", Prose, nullable=False),
    Column("offset_seconds", Float, nullable=False),
)

Reservation = Table(
    "reservation",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("cores", Float, nullable=False),
    Column("memory_bytes", Integer, nullable=False),
    Column("disk_bytes", Json, nullable=False),
    Column("until", Moment),
)

ForeignReading = Table(
    "foreign_reading",
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("subject", Prose, primary_key=True),
    Column("value", Float),
    Column("unit", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("owner", Text),
    Column("interval_seconds", Float, nullable=False),
)
