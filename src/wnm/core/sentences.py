"""The one renderer of reasons: values in, sentences for people out. No code reads what it makes."""

from collections.abc import Callable, Iterable, Mapping
from shlex import quote
from typing import Any

from wnm.core.node import node_name
from wnm.core.readings import BY_KEY, shown
from wnm.core.reasons import (
    Blocked,
    BlockKind,
    Figure,
    Reason,
    ReasonKind,
    Remedy,
    RemedyKind,
    Task,
    TaskKind,
)

type Names = Mapping[int, str]
"""The names of nodes by id; one that is missing is called as its id says."""

NO_NAMES: Names = {}

_REASONS: dict[ReasonKind, str] = {
    ReasonKind.LEGACY: "{text}",
    ReasonKind.NOTHING_TO_DO: "nothing to do",
    ReasonKind.ALL_BLOCKED: "all that could be done waits for something",
    ReasonKind.REBOOTED: "the machine was restarted since the last cycle",
    ReasonKind.BY_HAND: "asked for by hand",
    ReasonKind.FORCED: "--force_action {text}",
    ReasonKind.ADDITION_INTERRUPTED: "its addition was interrupted before it had a folder",
    ReasonKind.REMOVAL_INTERRUPTED: "its removal was interrupted",
    ReasonKind.DISABLING_INTERRUPTED: "disabling it was interrupted",
    ReasonKind.UPGRADE_INTERRUPTED: "its upgrade to {version} was interrupted before its restart",
    ReasonKind.AS_DECIDED: "{text}",
    ReasonKind.GATE_FAILED: "failed the gate of {version}: {text}",
    ReasonKind.OVER_CAP: "{count} nodes with a cap of {limit}",
    ReasonKind.READING_HIGH: "{is_at}",
    ReasonKind.DISK_CRISIS: "{count} bytes free on {path} (crisis_bytes {limit})",
    ReasonKind.FOLDER_GONE: "its folder {path} is gone",
    ReasonKind.FOLDERS_GONE: "{count} node(s) without their folder",
    ReasonKind.OUTDATED: "runs {version}, available is {than}{left_behind}",
    ReasonKind.NODES_OUTDATED: "{count} node(s) older than {version}",
    ReasonKind.VERSION_HALTED: "{version} is halted: it ended on it{why}",
    ReasonKind.ENDED_AFTER_UPGRADE: "{count} node(s) ended soon after their upgrade",
    ReasonKind.SILENT: "has not answered since {at}",
    ReasonKind.NODES_SILENT: "{count} node(s) do not answer",
    ReasonKind.SHUNNED: "shunned {count} times within a day{lately} (shun_limit {limit})",
    ReasonKind.NODES_SHUNNED: "{nodes} shunned too often",
    ReasonKind.STOPPED: "stopped{colon_text}",
    ReasonKind.CRASHED: "crashed{colon_text}",
    ReasonKind.NODES_CRASHED: "{count} node(s) whose process ended",
    ReasonKind.CAPACITY: "the machine has capacity",
    ReasonKind.PORT_CHANGED: "{name} uses port {count}",
    ReasonKind.PORT_WITHOUT_NODE: "there is no node {name}",
    ReasonKind.PORT_CLOSED: "its rule is missing",
    ReasonKind.PORT_HALF_OPEN: "its rule lacks IPv4 or IPv6",
}

_STORAGE = {
    "absent": "the storage folder {path}, which is not there although {first} should be in it",
    "empty": "the storage folder {path}, which is empty although {first} should be in it",
    "moved": "the storage folder {path}, which lies on {other_path}, not on {than} as before although {first} "
    "should be in it",
    "unmarked": "the storage folder {path}, which lacks the marker that wnm put there: it may be another disk",
    "foreign": "the storage folder {path}, which carries the marker of another database",
    "swapped": "the storage folder {path}, which carries the marker of another storage folder of this database",
    "strange": "the storage folder {path}, in which no node has its own key although {first} should be in it",
    "incomplete": "the storage folder {path}, which lies on another file system than before and lacks the folders "
    "of {nodes}",
}
_OTHERS = {
    "marker-unseen": "the marker in the storage folder {path} to be readable",
    "node-elsewhere": "{first}, whose folder is at {other_path}, not at {path}",
}
_REASONS |= {ReasonKind(key): text for key, text in _OTHERS.items()}
_REASONS |= {ReasonKind(f"storage-{key}"): text for key, text in _STORAGE.items()}

_WAITS: dict[BlockKind, str] = {
    BlockKind.LEGACY: "{text}",
    BlockKind.BACKOFF: "its pause after: {text}",
    BlockKind.ADD_BACKOFF: "the pause after: {text}",
    BlockKind.THIS_CYCLE: "this cycle's action",
    BlockKind.ANOTHER_RULE: "a cycle that {rule} does not take",
    BlockKind.NEXT_OBSERVATION: "the next look at it",
    BlockKind.DELAY: "its delay to run out",
    BlockKind.PROCESS_UNSEEN: "its process to be seen",
    BlockKind.FOLDER_UNSEEN: "its folder to be seen",
    BlockKind.KEY_UNSEEN: "its key to be seen",
    BlockKind.GATE_ANSWER: "it to answer",
    BlockKind.GATE_VERSION: "another word than {than} of its version",
    BlockKind.GATE_PEERS: "it to have peers",
    BlockKind.GATE_PEER_COUNT: "word of its peers",
    BlockKind.GATE_KEY: "its key to be there",
    BlockKind.GATE_START: "it to be fully started",
    BlockKind.GATE_REPLICATION: "it to replicate",
    BlockKind.GATE_ERRORS: "its log to be as before",
    BlockKind.CANARY: "{waits_on} to pass the gate of {version}",
    BlockKind.CANARY_CANDIDATE: "a free upgrade slot, or a node that answers, to go first",
    BlockKind.FAILED_VERSION: "a newer version: it went back from {version}{why}",
    BlockKind.VERSION_HALTED: "a version that works: {version} is halted, {name} failed its gate: {text}",
    BlockKind.VERSION_UNORDERED: "--force_action upgrade --service_name {first}: whether {version} is newer than "
    "{than} cannot be told",
    BlockKind.ABOVE_PIN: "{version} at {path} and --force_action upgrade --service_name {first} --confirm",
    BlockKind.PINNED: "the pin node_version {version}",
    BlockKind.PROGRAM_UNSEEN: "{text}",
    BlockKind.PROGRAM_KIND: "{path} is {text}, this machine runs {than}",
    BlockKind.UPGRADE_SPREAD: "this machine's turn within upgrade_spread",
    BlockKind.UPGRADE_WINDOW: "upgrade_window to open",
    BlockKind.OVER_CAP: "{count} nodes with a cap of {limit}",
    BlockKind.READING_HIGH: "{to_fall}",
    BlockKind.DISK_HIGH: "{is_at}",
    BlockKind.DISK_CRISIS: "{count} bytes free on {path} (crisis_bytes {limit})",
    BlockKind.CAPACITY: "capacity: with one more node {is_at}",
    BlockKind.CAPACITY_DISK: "capacity: {path} would have {count} bytes free, fewer than crisis_bytes",
    BlockKind.CAPACITY_PIDS: "capacity: with one more node {text} would have {count} processes and threads of {limit}",
    BlockKind.CAPACITY_RESERVE: "capacity: {path} would be less than a node away from crisis_bytes",
    BlockKind.NO_SPACE: "free space: every storage folder has less than crisis_bytes {limit} free",
    BlockKind.NO_PORTS: "an id whose ports are free",
    BlockKind.STORAGE_UNSEEN: "the file system of {path} to be seen",
    BlockKind.DISK_UNSEEN: "the file system at {path} to be seen",
    BlockKind.START_SLOT: "a free start slot",
    BlockKind.UPGRADE_SLOT: "a free upgrade slot",
    BlockKind.REMOVAL_SLOT: "a free removal slot",
    BlockKind.SLOT: "a free slot",
    BlockKind.REMOVAL: "{waits_on} to be removed",
    BlockKind.REMOVAL_ON_DISK: "the removal under way there to free its space",
    BlockKind.SPACE_NOT_OURS: "space that nodes do not hold: the last removal freed {count} bytes",
    BlockKind.NO_CANDIDATE: "a node that may be removed",
    BlockKind.NOTHING_TO_STOP: "a running node that may be stopped",
    BlockKind.LAST_STOP: "the last stop to show in the readings",
    BlockKind.LOAD_LAG: "the longer load averages to follow the shortest",
    BlockKind.SILENCE: "it to answer by itself",
    BlockKind.SHUN_POLICY: "the operator: shun_policy is report",
    BlockKind.SHUN_REPEATED: "a day to pass since that was done for it",
    BlockKind.SHUN_BUDGET: "shun_budget: {count} node(s) within a day",
    BlockKind.SHUN_BUDGET_NEXT: "its turn: shun_budget is used up then",
    BlockKind.NOT_MADE_HERE: "the operator: wnm has not made it",
    BlockKind.KEYS_NOT_KEPT: "keep_keys: no key is deleted for this without a copy",
    BlockKind.ADDITIONS_FAIL: "additions to succeed: {text}",
    BlockKind.STARTS_FAIL: "{waits_on} to start: {count} nodes do not, {waits_on} because: {text}",
    BlockKind.NOT_APPLICABLE: "a node that it applies to",
    BlockKind.PLACE_READ_ONLY: "a storage folder that can be written: the file system of {path} is read-only",
    BlockKind.PLACE_NOEXEC: "a storage folder in which programs may run: the file system of {path} is mounted noexec",
    BlockKind.PLACE_UNWRITABLE: "a storage folder that can be written: {path} does not let this account write",
    **{BlockKind(key): text for key, text in _OTHERS.items()},
} | {BlockKind(f"storage-{key}"): text for key, text in _STORAGE.items()}

_TASKS: dict[TaskKind, str] = {
    TaskKind.LEGACY: "{text}",
    TaskKind.ADD: "add a node",
    TaskKind.ADD_UP_TO: "add up to {count} node(s)",
    TaskKind.ADD_MORE: "add {count} more",
    TaskKind.START: "start {first}",
    TaskKind.START_CRASHED: "start {nodes}",
    TaskKind.START_STOPPED: "start {count} stopped node(s)",
    TaskKind.STOP: "stop a node",
    TaskKind.RESTART: "restart {nodes}",
    TaskKind.RESTART_SILENT: "restart {count} silent node(s)",
    TaskKind.RESTART_MORE: "restart {count} more",
    TaskKind.UPGRADE: "upgrade {nodes}{to_version}",
    TaskKind.UPGRADE_TO: "upgrade{to_version}",
    TaskKind.TAKE_BACK: "take {nodes} back to the pin node_version {version}",
    TaskKind.ROLL_BACK: "put {nodes} back on {version}",
    TaskKind.PASS_GATE: "{nodes} is in the health gate of {version}",
    TaskKind.LEAVE_TRANSITION: "{nodes} is {status}",
    TaskKind.REMOVE: "remove {nodes}",
    TaskKind.REMOVE_MORE: "remove {count} more",
    TaskKind.REMOVE_FROM_DISK: "remove a node from {path}",
    TaskKind.HAND_OUT_PROGRAM: "hand out a node program",
    TaskKind.USE_VERSION: "use version {version}",
    TaskKind.MANAGE: "manage this machine",
    TaskKind.MANAGE_NODES: "go on with {nodes}",
    TaskKind.REPORT_SHUNNED: "do something about {nodes}, shunned too often",
    TaskKind.RESTART_SHUNNED: "restart {nodes}, shunned too often",
    TaskKind.RECYCLE_SHUNNED: "recycle {nodes}, shunned too often",
    TaskKind.RULE: "{rule}: {reason}",
    TaskKind.FORCED: "{text}",
}

_REMEDIES: dict[RemedyKind, str] = {
    RemedyKind.LEGACY: "{text}",
    RemedyKind.FIX_REMOVAL: "mend what keeps {nodes} from being removed: {text}",
    RemedyKind.FIX_START: "mend what keeps {count} nodes from starting: {text}",
    RemedyKind.PROVIDE_PROGRAM: "put a working node program at {path} or set antnode_path",
    RemedyKind.PROVIDE_PINNED: "put version {version} at {path}, or change or clear node_version",
    RemedyKind.PROVIDE_NEWER: "put a newer version at {path}, or try {version} again with wnm --force_action upgrade",
    RemedyKind.FREE_SPACE: "free space on {path} by hand: {reason}",
    RemedyKind.MOUNT_DISK: "mount the disk again, or, if its nodes are lost, run wnm --force_action remove --confirm "
    "--service_name {each}",
    RemedyKind.ACCEPT_DISK: "mount its disk there again, or, if what is there is right, run wnm --force_action "
    "accept_disk --storage {quoted} --confirm: nodes whose folders are not there are then removed",
    RemedyKind.MEND_PLACE: "mount {path} so that it can be written and programs may run, or give other folders: "
    "wnm --force_action update_config --node_storage FOLDER",
    RemedyKind.ADOPT: "run wnm --force_action adopt --service_name {each} to go on with it there, or move it back",
}


def sentence(reason: Reason, names: Names = NO_NAMES) -> str:
    """Return the sentence of a reason: `cpu is 83.1 % (limit 80.0 %)`."""
    return _REASONS[reason.kind].format_map(_Words(reason, names))


def what(blocked: Blocked, names: Names = NO_NAMES) -> str:
    """Return the sentence of the task that is not done: `upgrade antnode0002 to antnode0006 to 0.4.18`."""
    return task(blocked.action, names)


def task(action: Task, names: Names = NO_NAMES) -> str:
    """The same of a task."""
    return _TASKS[action.kind].format_map(_Words(action, names))


def waiting_for(blocked: Blocked, names: Names = NO_NAMES) -> str:
    """Return the sentence of what it waits for: `antnode0001 to pass the gate of 0.4.18`."""
    return _WAITS[blocked.kind].format_map(_Words(blocked, names))


def remedy(blocked: Blocked, names: Names = NO_NAMES) -> str | None:
    """Return the sentence of the operator's remedy; None where nobody has to act."""
    found: Remedy | None = blocked.remedy
    return None if found is None else _REMEDIES[found.kind].format_map(_Words(found, names))


def is_at(figure: Figure, verb: str = "is") -> str:
    """A reading against its limit: `cpu is 83.1 % (limit 80.0 %)`."""
    reading = BY_KEY[figure.key]
    name = reading.name if figure.path is None else f"{reading.name} {figure.path}"
    if figure.value is None:
        return f"{name} {'was not' if verb == 'is' else 'to be'} seen ({figure.unseen})"
    value, limit = shown(reading.unit, figure.value), shown(reading.unit, figure.limit or 0)
    return f"{name} {verb} {value} (limit {limit})"


def named(nodes: Iterable[int], names: Names = NO_NAMES) -> str:
    """All their names, neighbouring numbers as a range: `antnode0002, antnode0004 to antnode0009`."""
    ranges: list[list[int]] = []
    for number in sorted(set(nodes)):
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    short = [each if len(each) < 3 else [each[0], each[-1]] for each in ranges]
    between = ((", " if len(each) < 3 else " to ") for each in ranges)
    return ", ".join(
        by.join(called(each, names) for each in ends) for by, ends in zip(between, short, strict=True)
    )


def called(node_id: int, names: Names = NO_NAMES) -> str:
    """The name of a node."""
    return names.get(node_id) or node_name(node_id)


class _Words(dict[str, str]):
    """The words that a template may use, made of a reason when they are asked for."""

    def __init__(self, details: Reason | Task | Remedy | Blocked, names: Names) -> None:
        super().__init__()
        self._of: Any = details
        self._names = names

    def __missing__(self, key: str) -> str:
        make = _MAKERS.get(key)
        try:
            return str(getattr(self._of, key)) if make is None else make(self._of, self._names)
        except (AttributeError, LookupError):
            return "?"  # A file that anybody may have written need not tell all that its kind does.


_MAKERS: dict[str, Callable[[Any, Names], str]] = {
    "nodes": lambda of, names: named(of.nodes, names),
    "first": lambda of, names: called(of.nodes[0], names),
    "each": lambda of, names: ",".join(called(each, names) for each in of.nodes),
    "waits_on": lambda of, names: called(of.waits_on[0], names),
    "is_at": lambda of, names: is_at(of.reading),
    "to_fall": lambda of, names: is_at(of.reading, "to fall: it is"),
    "quoted": lambda of, names: quote(of.path or ""),
    "reason": lambda of, names: sentence(of.reason, names),
    "to_version": lambda of, names: f" to {of.version}" if of.version else "",
    "left_behind": lambda of, names: (
        f", and the network takes nothing below {of.minimum}" if of.minimum else ""
    ),
    "why": lambda of, names: f" ({of.text})" if of.text else "",
    "colon_text": lambda of, names: f": {of.text}" if of.text else "",
    "lately": lambda of, names: "" if of.recent is None else f", {of.recent} of them in the last hour",
}
"""The words that are more than a field's value."""
