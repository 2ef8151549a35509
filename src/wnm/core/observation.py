"""Everything one cycle saw and what the ledger remembers: the only input of a decision besides the settings."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import field

from wnm.core.action import NodeAction
from wnm.core.node import Node, NodeId, ProcessState, Reachability
from wnm.core.node_log import Evidence, KeptLog
from wnm.core.places import KnownPlace, Marker, Stray
from wnm.core.release import Release
from wnm.core.values import Moment, Value


class Unseen(Value, frozen=True, kw_only=True):
    """Something that could not be seen, and why. Never the same as 0 or "stopped"."""

    reason: str


class Counters(Value, frozen=True, kw_only=True):
    """The counters of a machine from its start until `taken_at`; None where it does not count.

    CPU seconds are summed over all cores, or over `cpus` where only those may be used; `cpu_busy_seconds` is what was
    neither idle nor waiting for a disk. `quota_seconds` is what the cgroup with the smallest quota has used of its
    `quota_cores`.
    """

    boot_id: str
    taken_at: Moment
    cpu_busy_seconds: float | None = None
    cpu_total_seconds: float | None = None
    netio_read_bytes: int | None = None
    netio_write_bytes: int | None = None
    hdio_read_bytes: int | None = None
    hdio_write_bytes: int | None = None
    cpus: tuple[int, ...] | None = None
    quota_group: str | None = None
    quota_cores: float | None = None
    quota_seconds: float | None = None


class Rates(Value, frozen=True, kw_only=True):
    """Averages over `window_seconds`, which is None when the two readings have no common window."""

    window_seconds: float | None
    cpu_percent: float | Unseen
    netio_read_bytes_per_second: float | Unseen
    netio_write_bytes_per_second: float | Unseen
    hdio_read_bytes_per_second: float | Unseen
    hdio_write_bytes_per_second: float | Unseen


FLOWS = ("netio_read", "netio_write", "hdio_read", "hdio_write")


def rates(before: Counters | None, after: Counters, *, own_cpu_seconds: float = 0.0) -> Rates:
    """Compute the rates between `before` and `after`.

    `own_cpu_seconds` is CPU time between the two that is not to be counted: an instrument should not see
    itself. A single counter that went backwards is Unseen; a restart of the machine or a window that is
    not longer than nothing makes all of them Unseen.
    """
    seconds = 0.0 if before is None else (after.taken_at - before.taken_at).total_seconds()
    unseen = Unseen(reason="the clock was set back since the last reading")
    if before is None:
        unseen = Unseen(reason="no earlier reading")
    elif before.boot_id != after.boot_id:
        unseen = Unseen(reason="the machine was restarted since the last reading")
    flows: dict[str, float | Unseen] = {f"{flow}_bytes_per_second": unseen for flow in FLOWS}
    if before is None or before.boot_id != after.boot_id or seconds <= 0:
        return Rates(window_seconds=None, cpu_percent=unseen, **flows)
    for flow in FLOWS:
        growth = _growth(before, after, f"{flow}_bytes")
        flows[f"{flow}_bytes_per_second"] = growth if isinstance(growth, Unseen) else growth / seconds
    busy, total = _growth(before, after, "cpu_busy_seconds"), _growth(before, after, "cpu_total_seconds")
    cpu = busy if isinstance(busy, Unseen) else total
    if not isinstance(busy, Unseen) and not isinstance(total, Unseen):
        cpu = Unseen(reason="no CPU time was counted since the last reading")
        if total != 0:
            cpu = min(max(100 * (busy - own_cpu_seconds) / total, 0.0), 100.0)
    if before.quota_group == after.quota_group and after.quota_cores and not isinstance(cpu, Unseen):
        used = _growth(before, after, "quota_seconds")
        if not isinstance(used, Unseen):
            # A group that uses up its quota is busy, however idle the machine is.
            share = 100 * (used - own_cpu_seconds) / (seconds * after.quota_cores)
            cpu = max(cpu, min(share, 100.0))
    return Rates(window_seconds=seconds, cpu_percent=cpu, **flows)


def _growth(before: Counters, after: Counters, counter: str) -> float | Unseen:
    was, now = getattr(before, counter), getattr(after, counter)
    if now is None:
        return Unseen(reason="the system does not count it")
    if was is None:
        return Unseen(reason="no earlier reading")
    return float(now - was) if now >= was else Unseen(reason="the counter began again since the last reading")


FRESH_INTERVALS = 3
"""A reading that is not renewed counts for so many of its intervals."""


class Reservation(Value, frozen=True, kw_only=True):
    """A part of this machine that is spoken for; `disk_bytes` is by path. Without `until` it lasts until withdrawn."""

    owner: str
    cores: float = 0.0
    memory_bytes: int = 0
    disk_bytes: Mapping[str, int] = {}
    until: Moment | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


class ForeignReading(Value, frozen=True, kw_only=True):
    """One figure that another program measured, such as a GPU's memory; `value` is None where it saw none.

    `source` names the program, `key` what was measured (in `unit`), `subject` of which thing. `owner` is what takes
    part of the machine, where the reading is about that; `interval` is how often it is renewed.
    """

    source: str
    key: str
    subject: str
    value: float | None
    unit: str
    at: Moment
    interval: timedelta
    owner: str | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is young enough to count."""
        return now - self.at < FRESH_INTERVALS * self.interval


class Load(Value, frozen=True, kw_only=True):
    """Load averages over 1, 5 and 15 minutes."""

    one: float
    five: float
    fifteen: float


class FileSystem(Value, frozen=True, kw_only=True):
    """A mounted file system that holds node data; percent as df counts them (root's reserve left out).

    The inodes are None where the file system makes them as it needs them. `id` and `device` are what the system
    knows it by, None where it does not say: the first moves with its content, the second may change at a reboot.
    """

    mount_point: str
    total_bytes: int
    free_bytes: int
    used_percent: float
    free_inodes: int | None = None
    inodes_used_percent: float | None = None
    id: str | None = None
    device: str | None = None


class Storage(Value, frozen=True, kw_only=True):
    """A folder that holds nodes' root directories. `mount_point` is where its file system is mounted.

    `marker` is None where there is none. `writable` is whether the account that runs wnm may write in it, or in the
    folder that it would be made in. `strays` are the nodes' folders in it that no row names.
    """

    path: str
    present: bool | Unseen
    empty: bool
    mount_point: str | None
    marker: Marker | Unseen | None = None
    read_only: bool = False
    noexec: bool = False
    writable: bool = True
    strays: tuple[Stray, ...] = ()


class Bound(Value, frozen=True, kw_only=True):
    """Something that there is so much of in one place: in the machine, or in the cgroup `where`."""

    where: str
    total: int
    used: int

    @property
    def percent(self) -> float:
        return 100 * self.used / self.total


class Stall(Value, frozen=True, kw_only=True):
    """The share of the last minute in which some, or all, work waited for a resource (`cpu`, `memory`, `io`)."""

    resource: str
    some_percent: float
    full_percent: float | None = None


class MachineReading(Rates, frozen=True, kw_only=True):
    """Readings of the machine; rates are averages over `window_seconds`, the time since the last cycle.

    `memory` and `pids` (processes and threads) are bounds: the machine's first, then each of a cgroup that is smaller.
    `memory_percent` and `memory_total_bytes` are those of the tightest. `usable_cores` of `cores` may be used.
    """

    boot_id: str
    usable_cores: float
    memory_percent: float | Unseen
    memory_total_bytes: int
    load: Load | Unseen
    file_systems: tuple[FileSystem, ...]
    memory: tuple[Bound, ...] = ()
    pids: tuple[Bound, ...] = ()
    stalls: tuple[Stall, ...] = ()
    cores: int | None = None


class ProcessReading(Value, frozen=True, kw_only=True):
    """A node's process. `cpu_percent` is its average since it started, of all cores."""

    state: ProcessState
    pid: int | None = None
    started_at: Moment | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    threads: int | None = None


class PortRule(Value, frozen=True, kw_only=True):
    """A firewall rule that opens a UDP port for everybody and carries a comment of ours.

    `whole` is False when it is missing for one of the address families that the firewall looks after.
    """

    port: int
    comment: str
    whole: bool = True


class FirewallReading(Value, frozen=True, kw_only=True):
    """The rules that carry a comment of ours, and the UDP ports that rules of others open for everybody.

    `active` is False when there is no firewall to set up, or it is switched off; `note` then says so in a line.
    """

    active: bool
    own: tuple[PortRule, ...] = ()
    opened_by_others: frozenset[int] = frozenset()
    note: str | None = None


class ShunRates(Value, frozen=True, kw_only=True):
    """The number of times that peers shunned a node's process in each period; None where its page does not say it."""

    last_ten_minutes: int | None = None
    last_hour: int | None = None
    last_six_hours: int | None = None
    last_day: int | None = None
    last_week: int | None = None


class NodePage(Value, frozen=True, kw_only=True):
    """The values that a node reports; None where its pages lack them. Rewards are this process's, in attos."""

    version: str | None = None
    peer_id: str | None = None
    min_version: str | None = None
    uptime_seconds: int | None = None
    records: int | None = None
    connected_peers: int | None = None
    shunned: int | None = None
    network_size: int | None = None
    rewards_attos: int | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    shun_rates: ShunRates | None = None


class ProgramReading(Value, frozen=True, kw_only=True):
    """A node program on disk. `stamp` changes whenever the file does; `version` is what `--version` says."""

    path: str
    stamp: str
    version: str | Unseen
    kind: str | None = None
    changed_at: Moment | None = None


class NodeReading(Value, frozen=True, kw_only=True):
    """The facts seen of one node in this cycle.

    `reachable` is None when it was not asked, `disk_bytes` when its folder was not measured this time.
    `critical_failure` is what a running node has written of one, searched for while it is in its gate. `has_pages` is
    False for a kind of node that answers nobody: then `page` is what its log tells, and `stored_at` when it last
    said that it stored something. `log` is what its log told so far, `evidence` what that shows of its health.
    """

    process: ProcessReading | Unseen
    reachable: Reachability | None
    page: NodePage | Unseen
    root_dir_present: bool | Unseen
    born: Moment | None = None
    program: ProgramReading | Unseen
    disk_bytes: int | Unseen | None = None
    mount_point: str | None = None
    last_words: str | None = None
    critical_failure: str | None = None
    has_pages: bool = True
    stored_at: Moment | None = None
    log: KeptLog | None = None
    evidence: tuple[Evidence, ...] = ()


class NodeSeen(Value, frozen=True, kw_only=True):
    """A node as remembered (or, after the bookkeeping, as concluded) together with what was seen of it."""

    node: Node
    reading: NodeReading


class Interrupted(Value, frozen=True, kw_only=True):
    """An action that an earlier cycle began and never concluded."""

    operation_id: int
    action: NodeAction


class Claim(Value, frozen=True, kw_only=True):
    """An id that may not be given to a new node, and what claims it."""

    id: NodeId
    by: str


class ShunAct(Value, frozen=True, kw_only=True):
    """When a node was restarted or given up because its peers shunned it."""

    node: NodeId
    at: Moment


class Remembered(Value, frozen=True, kw_only=True):
    """The records of earlier cycles that decisions depend on.

    `identity` is that of the database, None in records from before it had one; `places` are its storage folders.
    """

    last_shed_at: Moment | None = None
    last_freed_bytes: int | None = None
    last_freed_at: Moment | None = None
    last_freed_mount_point: str | None = None
    add_failures: int = 0
    add_retry_at: Moment | None = None
    add_last_error: str | None = None
    releases: tuple[Release, ...] = ()
    shun_acts: tuple[ShunAct, ...] = ()
    identity: str | None = None
    places: tuple[KnownPlace, ...] = ()


class Observation(Value, frozen=True, kw_only=True):
    """One cycle's view. `seed` is random and stands for every choice that must not depend on order.

    `utc_offset` is that of local time now; `machine_seed` is random too, but this machine's for good.
    """

    now: Moment
    seed: int
    rebooted: bool
    machine: MachineReading
    nodes: tuple[NodeSeen, ...]
    storages: tuple[Storage, ...]
    available: ProgramReading | Unseen
    claims: tuple[Claim, ...]
    bound_ports: frozenset[int]
    interrupted: tuple[Interrupted, ...]
    remembered: Remembered
    firewall: FirewallReading | Unseen = FirewallReading(active=False)
    utc_offset_seconds: float = field(default=0.0, name="utc_offset")
    machine_seed: int = 0
    reservations: tuple[Reservation, ...] = ()

    @property
    def utc_offset(self) -> timedelta:
        """The difference between local time and UTC now; positive when local time is ahead."""
        return timedelta(seconds=self.utc_offset_seconds)


class Target(Value, frozen=True, kw_only=True):
    """A node to ask: its id, and where its metrics server listens. `host` is an address or a name."""

    id: int
    host: str
    port: int


class Answer(Value, frozen=True, kw_only=True):
    """The answer of a node's metrics port. The texts are whole pages, None where a page did not come whole.

    ANSWERS: at least one page came; what it says is another question. TIMES_OUT: nothing whole in time.
    REFUSES: the port is closed, or what listens there does not answer as a metrics server does.
    `error` says what went wrong with the pages that are None.
    """

    reachable: Reachability
    metadata: str | None = None
    metrics: str | None = None
    error: str | None = None


class LedgerState(Value, frozen=True, kw_only=True):
    """The records of the last cycle; None where there was no cycle yet.

    `firewall_note` is what the last cycle found to say of the firewall, `logs` are how far nodes' logs were read.
    """

    nodes: tuple[Node, ...]
    interrupted: tuple[Interrupted, ...]
    remembered: Remembered
    boot_id: str | None
    counters: Counters | None
    available: ProgramReading | None
    last_cycle_at: Moment | None
    firewall_note: str | None = None
    machine_seed: int = 0
    reservations: tuple[Reservation, ...] = ()
    foreign_readings: tuple[ForeignReading, ...] = ()
    logs: tuple[KeptLog, ...] = ()


class Identity(Value, frozen=True, kw_only=True):
    """The name that a database gave its machine at --init, and that of the operating system it was made on.

    `system_id` is None until a cycle has noted it, and empty where the system has no such name. `noticed_system_id` is
    the other system that the operator was told of already.
    """

    uuid: str
    system_id: str | None
    noticed_system_id: str | None = None

    def is_copied_to(self, system_id: str) -> bool:
        """Whether the system that wnm runs on now is another one, as after an image was cloned."""
        return bool(self.system_id) and bool(system_id) and self.system_id != system_id
