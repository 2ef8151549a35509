"""Typed reasons: why an action is done, what keeps one from being done, and what the operator can do about it.

Sentences are made of them by `wnm.core.sentences` alone, and no code reads those.
"""

from datetime import datetime
from enum import StrEnum

from wnm.core.node import NodeId, Status
from wnm.core.values import Moment, Value


class ReasonKind(StrEnum):
    """The kind of a reason for an action, or for the decision of a cycle."""

    LEGACY = "legacy"
    """Written before reasons were values: `text` is the sentence."""
    NOTHING_TO_DO = "nothing-to-do"
    ALL_BLOCKED = "all-blocked"
    REBOOTED = "rebooted"
    BY_HAND = "by-hand"
    FORCED = "forced"
    ADDITION_INTERRUPTED = "addition-interrupted"
    REMOVAL_INTERRUPTED = "removal-interrupted"
    DISABLING_INTERRUPTED = "disabling-interrupted"
    UPGRADE_INTERRUPTED = "upgrade-interrupted"
    AS_DECIDED = "as-decided"
    GATE_FAILED = "gate-failed"
    OVER_CAP = "over-cap"
    READING_HIGH = "reading-high"
    DISK_CRISIS = "disk-crisis"
    FOLDER_GONE = "folder-gone"
    FOLDERS_GONE = "folders-gone"
    STORAGE_ABSENT = "storage-absent"
    STORAGE_EMPTY = "storage-empty"
    STORAGE_MOVED = "storage-moved"
    STORAGE_UNMARKED = "storage-unmarked"
    STORAGE_FOREIGN = "storage-foreign"
    STORAGE_SWAPPED = "storage-swapped"
    STORAGE_STRANGE = "storage-strange"
    STORAGE_INCOMPLETE = "storage-incomplete"
    MARKER_UNSEEN = "marker-unseen"
    NODE_ELSEWHERE = "node-elsewhere"
    OUTDATED = "outdated"
    NODES_OUTDATED = "nodes-outdated"
    VERSION_HALTED = "version-halted"
    ENDED_AFTER_UPGRADE = "ended-after-upgrade"
    SILENT = "silent"
    NODES_SILENT = "nodes-silent"
    SHUNNED = "shunned"
    NODES_SHUNNED = "nodes-shunned"
    STOPPED = "stopped"
    CRASHED = "crashed"
    NODES_CRASHED = "nodes-crashed"
    CAPACITY = "capacity"
    PORT_CHANGED = "port-changed"
    PORT_WITHOUT_NODE = "port-without-node"
    PORT_CLOSED = "port-closed"
    PORT_HALF_OPEN = "port-half-open"


class BlockKind(StrEnum):
    """The kind of an obstacle that keeps something from being done."""

    LEGACY = "legacy"
    """Written before reasons were values: `text` is what is waited for."""
    BACKOFF = "backoff"
    ADD_BACKOFF = "add-backoff"
    THIS_CYCLE = "this-cycle"
    ANOTHER_RULE = "another-rule"
    NEXT_OBSERVATION = "next-observation"
    DELAY = "delay"
    PROCESS_UNSEEN = "process-unseen"
    FOLDER_UNSEEN = "folder-unseen"
    KEY_UNSEEN = "key-unseen"
    GATE_ANSWER = "gate-answer"
    GATE_VERSION = "gate-version"
    GATE_PEERS = "gate-peers"
    GATE_PEER_COUNT = "gate-peer-count"
    GATE_KEY = "gate-key"
    GATE_START = "gate-start"
    GATE_REPLICATION = "gate-replication"
    GATE_ERRORS = "gate-errors"
    CANARY = "canary"
    CANARY_CANDIDATE = "canary-candidate"
    FAILED_VERSION = "failed-version"
    VERSION_HALTED = "version-halted"
    VERSION_UNORDERED = "version-unordered"
    ABOVE_PIN = "above-pin"
    PINNED = "pinned"
    PROGRAM_UNSEEN = "program-unseen"
    PROGRAM_KIND = "program-kind"
    UPGRADE_SPREAD = "upgrade-spread"
    UPGRADE_WINDOW = "upgrade-window"
    OVER_CAP = "over-cap"
    READING_HIGH = "reading-high"
    DISK_HIGH = "disk-high"
    DISK_CRISIS = "disk-crisis"
    CAPACITY = "capacity"
    CAPACITY_DISK = "capacity-disk"
    CAPACITY_PIDS = "capacity-pids"
    CAPACITY_RESERVE = "capacity-reserve"
    NO_SPACE = "no-space"
    NO_PORTS = "no-ports"
    STORAGE_UNSEEN = "storage-unseen"
    DISK_UNSEEN = "disk-unseen"
    STORAGE_ABSENT = "storage-absent"
    STORAGE_EMPTY = "storage-empty"
    STORAGE_MOVED = "storage-moved"
    STORAGE_UNMARKED = "storage-unmarked"
    STORAGE_FOREIGN = "storage-foreign"
    STORAGE_SWAPPED = "storage-swapped"
    STORAGE_STRANGE = "storage-strange"
    STORAGE_INCOMPLETE = "storage-incomplete"
    MARKER_UNSEEN = "marker-unseen"
    NODE_ELSEWHERE = "node-elsewhere"
    PLACE_READ_ONLY = "place-read-only"
    PLACE_NOEXEC = "place-noexec"
    PLACE_UNWRITABLE = "place-unwritable"
    START_SLOT = "start-slot"
    UPGRADE_SLOT = "upgrade-slot"
    REMOVAL_SLOT = "removal-slot"
    SLOT = "slot"
    REMOVAL = "removal"
    REMOVAL_ON_DISK = "removal-on-disk"
    SPACE_NOT_OURS = "space-not-ours"
    NO_CANDIDATE = "no-candidate"
    NOTHING_TO_STOP = "nothing-to-stop"
    LAST_STOP = "last-stop"
    LOAD_LAG = "load-lag"
    SILENCE = "silence"
    SHUN_POLICY = "shun-policy"
    SHUN_REPEATED = "shun-repeated"
    SHUN_BUDGET = "shun-budget"
    SHUN_BUDGET_NEXT = "shun-budget-next"
    NOT_MADE_HERE = "not-made-here"
    KEYS_NOT_KEPT = "keys-not-kept"
    ADDITIONS_FAIL = "additions-fail"
    STARTS_FAIL = "starts-fail"
    NOT_APPLICABLE = "not-applicable"


class TaskKind(StrEnum):
    """The kind of a task that is not done."""

    LEGACY = "legacy"
    ADD = "add"
    ADD_UP_TO = "add-up-to"
    ADD_MORE = "add-more"
    START = "start"
    START_CRASHED = "start-crashed"
    START_STOPPED = "start-stopped"
    STOP = "stop"
    RESTART = "restart"
    RESTART_SILENT = "restart-silent"
    RESTART_MORE = "restart-more"
    UPGRADE = "upgrade"
    UPGRADE_TO = "upgrade-to"
    TAKE_BACK = "take-back"
    ROLL_BACK = "roll-back"
    PASS_GATE = "pass-gate"
    LEAVE_TRANSITION = "leave-transition"
    REMOVE = "remove"
    REMOVE_MORE = "remove-more"
    REMOVE_FROM_DISK = "remove-from-disk"
    HAND_OUT_PROGRAM = "hand-out-program"
    USE_VERSION = "use-version"
    MANAGE = "manage"
    MANAGE_NODES = "manage-nodes"
    REPORT_SHUNNED = "report-shunned"
    RESTART_SHUNNED = "restart-shunned"
    RECYCLE_SHUNNED = "recycle-shunned"
    RULE = "rule"
    FORCED = "forced"


class RemedyKind(StrEnum):
    """The kind of a remedy that only the operator can apply."""

    LEGACY = "legacy"
    FIX_REMOVAL = "fix-removal"
    FIX_START = "fix-start"
    PROVIDE_PROGRAM = "provide-program"
    PROVIDE_PINNED = "provide-pinned"
    PROVIDE_NEWER = "provide-newer"
    FREE_SPACE = "free-space"
    MOUNT_DISK = "mount-disk"
    ACCEPT_DISK = "accept-disk"
    ADOPT = "adopt"
    MEND_PLACE = "mend-place"


class Figure(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A reading against a limit, in the unit of its key (`wnm.core.readings`).

    `value` is None when it was not seen, and `unseen` says why. `path` is the mount point of a disk.
    """

    key: str
    value: float | None = None
    unseen: str | None = None
    limit: float | None = None
    path: str | None = None


class Details(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The details of a reason besides its kind; each kind uses some of them.

    `version` is the one that it is about, `than` another version or kind of program, `minimum` the oldest that the
    network takes. `count` and `limit` are nodes, bytes or events; `recent` is the part of `count` from the last
    hour. `text` comes from outside: an error, a node's last words, a command. `name` is that of a node which may be
    gone.
    """

    reading: Figure | None = None
    version: str | None = None
    than: str | None = None
    minimum: str | None = None
    path: str | None = None
    other_path: str | None = None
    count: int | None = None
    limit: int | None = None
    recent: int | None = None
    text: str | None = None
    name: str | None = None
    rule: str | None = None
    at: Moment | None = None


class Reason(Details, frozen=True, kw_only=True, omit_defaults=True):
    """The reason for an action or for a cycle's decision. `nodes` are those that it is about besides its own."""

    kind: ReasonKind
    nodes: tuple[NodeId, ...] = ()


class Task(Details, frozen=True, kw_only=True, omit_defaults=True):
    """A task that is not done, and its nodes. `reason` is why it would be."""

    kind: TaskKind
    nodes: tuple[NodeId, ...] = ()
    status: Status | None = None
    reason: Reason | None = None


class Remedy(Details, frozen=True, kw_only=True, omit_defaults=True):
    """An operation for the operator. `reason` is why somebody has to act."""

    kind: RemedyKind
    nodes: tuple[NodeId, ...] = ()
    reason: Reason | None = None


class Blocked(Details, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is not done now, and why. `waits_on` are the nodes that it waits for.

    `remedy` is set when only the operator can make it go on.
    """

    kind: BlockKind
    action: Task
    waits_on: tuple[NodeId, ...] = ()
    until: Moment | None = None
    remedy: Remedy | None = None

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """The nodes that it is not done to."""
        return self.action.nodes


def legacy(text: str) -> Reason:
    """A reason of which only the sentence is known."""
    return Reason(kind=ReasonKind.LEGACY, text=text)


def legacy_blocked(what: str, waiting_for: str, until: datetime | None, remedy: str | None) -> Blocked:
    """Return a blocked task of which only the sentences are known."""
    return Blocked(
        kind=BlockKind.LEGACY,
        action=Task(kind=TaskKind.LEGACY, text=what),
        text=waiting_for,
        until=until,
        remedy=None if remedy is None else Remedy(kind=RemedyKind.LEGACY, text=remedy),
    )
