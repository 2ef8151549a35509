"""The schema's revisions, and what a cycle has to know of its tables; `schema.sql` beside it declares them."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

APPLICATION_ID = 0x776E6D31
"""In the header of every database of ours: "wnm1"."""


class Schema(Struct, frozen=True, kw_only=True):
    """The revisions that the tables went through, oldest first, and the folder with the scripts between them."""

    revisions: tuple[str, ...]
    scripts: Path

    @property
    def head(self) -> str:
        return self.revisions[-1]


SCHEMA = Schema(
    revisions=("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009"),
    scripts=Path(__file__).with_name("migrations"),
)
HEAD = SCHEMA.head
TABLES_SQL = Path(__file__).with_name("schema.sql")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLES: Mapping[str, frozenset[str]] = {
    "machine": _names(
        "id initialised_at wnm_version boot_id counters available add_failures add_retry_at "
        "add_last_error last_cycle_at absent_before firewall_note releases identity system_id "
        "noticed_system_id wish_revision synced_through "
    ),
    "node": _names(
        "id name kind manager root_dir log_dir program port metrics_port wallet born environment "
        "start_args no_upnp user status status_since because restarted pid process_started_at version "
        "binary_version binary_stamp peer_id mount_point disk_bytes disk_measured_at failures retry_at "
        "last_error silent_since silence_restarts trial trial_failure former_version failed_version "
        "command crashed "
    ),
    "cycle": _names("id started_at ended_at rule because exit_code seconds held counts actions recording "),
    "operation": _names(
        "id cycle_id subject_kind subject_id kind action intended_at ended_at result error note "
        "freed_bytes mount_point "
    ),
    "sample": _names(
        "cycle_id at cpu_percent memory_percent load1 load5 load15 disk_used_percent "
        "netio_read_bytes_per_second netio_write_bytes_per_second hdio_read_bytes_per_second "
        "hdio_write_bytes_per_second nodes_running nodes_total "
    ),
    "state_change": _names("id cycle_id at node_id node_name was became because "),
    "counter": _names("node_id attos boot_id pid uptime_seconds "),
    "node_log": _names("node_id kept "),
    "earning": _names("day node_name wallet node_id attos "),
    "alert": _names("id key subject severity text remedy since sightings started_at gone_since ended_at "),
    "alert_message": _names(
        "id alert_id event channel message created_at attempts next_try_at delivered_at given_up_at "
        "last_error "
    ),
    "disk_level": _names("mount_point at free_bytes "),
    "alert_clock": _names("id boot_id offset_seconds "),
    "setting": _names("name layer text revision at outranks_fleet "),
    "reservation": _names("owner cores memory_bytes disk_bytes until "),
    "foreign_reading": _names("source key subject value unit at owner interval_seconds "),
}
"""The tables of the newest revision with their columns, generated ones left out."""

PROSE = frozenset(
    {
        "because",
        "binary_stamp",
        "binary_version",
        "boot_id",
        "channel",
        "error",
        "failed_version",
        "firewall_note",
        "former_version",
        "last_error",
        "add_last_error",
        "note",
        "peer_id",
        "remedy",
        "rule",
        "subject",
        "text",
        "trial",
        "trial_failure",
        "version",
        "wnm_version",
    }
)
"""Columns with text for people: characters that UTF-8 cannot hold are written as escapes, never refused."""
