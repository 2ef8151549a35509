"""A node as the ledger knows it, and the words for its states."""

from enum import StrEnum
from typing import NewType

from msgspec import field

from wnm.core.values import Moment, Value

NodeId = NewType("NodeId", int)


class Status(StrEnum):
    """The state in which wnm keeps a node; see "Node states" in the reference."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    UPGRADING = "UPGRADING"
    RESTARTING = "RESTARTING"
    REMOVING = "REMOVING"
    DEAD = "DEAD"
    DISABLED = "DISABLED"


OUTPUT_LOG = "stdout.log"
"""The file that receives what a node's program prints; see `output_log`."""

TRANSITIONS = frozenset({Status.UPGRADING, Status.RESTARTING, Status.REMOVING})


class ProcessState(StrEnum):
    """The state of a node's process as the process manager reports it."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Reachability(StrEnum):
    """The behaviour of a node's metrics port when it was asked."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    TIMES_OUT = "times out"


class Node(Value, frozen=True, kw_only=True):
    """One node: what was decided for it at birth, and what is remembered of it since.

    `restarted` tells a RESTARTING node that ran before from one that was stopped: their delays differ.
    `crashed` is true while a node that ran is down though nobody stopped it, and until it runs again.
    `gate_version` is the version that the node was given and has not passed the gate of, `former_version` the one
    that it can go back to, and `gate_failure` why it has to. `failed_version` is one that it has gone back from.
    `flaps` is how often its process ended after it had run well, since it last stayed up for an hour.
    `command` are the arguments of its program as they were found, for a node that was taken over; it goes on with
    them, and under the unit that was found, as they are.
    """

    id: NodeId
    name: str
    kind: str
    manager: str
    root_dir: str
    log_dir: str
    program: str
    port: int
    metrics_port: int
    wallet: str
    born: Moment
    environment: tuple[tuple[str, str], ...] = ()
    start_args: tuple[str, ...] = ()
    no_upnp: bool = True
    user: str | None = None

    status: Status
    status_since: Moment
    because: str = ""
    restarted: bool = False
    crashed: bool = False
    pid: int | None = None
    process_started_at: Moment | None = None
    version: str | None = None
    binary_version: str | None = None
    binary_stamp: str | None = None
    peer_id: str | None = None
    mount_point: str | None = None
    disk_bytes: int | None = None
    disk_measured_at: Moment | None = None
    failures: int = 0
    retry_at: Moment | None = None
    last_error: str | None = None
    silent_since: Moment | None = None
    silence_restarts: int = 0
    gate_version: str | None = field(default=None, name="trial")
    gate_failure: str | None = field(default=None, name="trial_failure")
    former_version: str | None = None
    failed_version: str | None = None
    command: tuple[str, ...] | None = None
    flaps: int = 0


def output_log(node: Node) -> str:
    """The file that receives what a node's program prints.

    For a node with an account of its own it lies beside its log folder: the service manager opens it as root, and
    in a folder of the node's it could be made to open whatever the node likes.
    """
    return f"{node.log_dir}/{OUTPUT_LOG}" if node.user is None else f"{node.log_dir}.{OUTPUT_LOG}"


def node_name(node_id: int) -> str:
    """The name of a node, its folder and its service: `antnode0001` for 1."""
    return f"antnode{node_id:04d}"


def id_in_name(name: str) -> NodeId | None:
    """The id in a name that `node_name` could have made (3 digits are anm's older form), else None."""
    digits = name.removeprefix("antnode")
    if digits == name or not digits.isascii() or not digits.isdigit() or len(digits) < 3:
        return None
    node_id = int(digits)
    if node_id == 0 or digits not in (f"{node_id:03d}", f"{node_id:04d}"):
        return None
    return NodeId(node_id)
