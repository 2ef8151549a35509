"""Sorts the reasons that a node program gives when it cannot start: what is wrong, and what an operator does about it.

Read in ant-node 0.23.1 (`src/node.rs`, `src/storage/chunk_store.rs`, `src/payment/wallet.rs`, saorsa-core's
`transport_handle.rs`) and seen from 0.22.0 and 0.23.1; antnode says some of it in the same words.
"""

import re
from enum import StrEnum

from msgspec import Struct


class FailureKind(StrEnum):
    """What keeps a node from starting."""

    PORT = "port"
    STORE_OPEN = "store-open"
    REWARDS_ADDRESS = "rewards-address"
    IDENTITY = "identity"
    LAYOUT = "layout"
    CERTIFICATE = "certificate"
    DISK = "disk"
    PERMISSION = "permission"
    FOLDER = "folder"
    ARGUMENT = "argument"
    PANIC = "panic"


class StartFailure(Struct, frozen=True, kw_only=True):
    """A class of failures: how its texts are told, what they mean, and what helps.

    `meaning` and `remedy` may name {port}, {root}, {key}, {keys}, {node} and {holder}, which is what was found to be in
    the way. `mends_itself` says that another try may succeed without anybody's doing.
    """

    kind: FailureKind
    pattern: re.Pattern[str]
    meaning: str
    remedy: str
    mends_itself: bool = False


FAILURES = (
    StartFailure(
        kind=FailureKind.STORE_OPEN,
        pattern=re.compile(
            r"Another process already has the chunk store|another pointer store already has", re.I
        ),
        meaning="its folder {root} is in use by {holder}",
        remedy="end that process: two nodes cannot share a folder",
        mends_itself=True,
    ),
    StartFailure(
        kind=FailureKind.PORT,
        # The first is said for every cause, be it the port, IPv6 or a permission: who asks has to try the port.
        pattern=re.compile(r"Failed to create transport\b|Address already in use|AddrInUse"),
        meaning="its UDP port {port} cannot be opened: {holder}",
        remedy="end what holds it, or give wnm other ports (port_start)",
        mends_itself=True,
    ),
    StartFailure(
        kind=FailureKind.REWARDS_ADDRESS,
        pattern=re.compile(r"[Rr]ewards address (?:is not configured|format|length)|No rewards address"),
        meaning="the program does not take its rewards address",
        remedy="give a right one: wnm --rewards_address ADDRESS",
    ),
    StartFailure(
        kind=FailureKind.DISK,
        pattern=re.compile(r"No space left on device|os error 28|Disk quota exceeded"),
        meaning="the disk of {root} is full",
        remedy="free space there; if {key} was cut short by that, remove it when the node never ran",
        mends_itself=True,
    ),
    StartFailure(
        kind=FailureKind.IDENTITY,
        pattern=re.compile(
            r"Failed to load node identity|Failed to deserialize identity|Identity error: Invalid"
        ),
        meaning="its key {key} is empty or damaged",
        remedy="put its copy from {keys} in its place, or remove the node, so that another takes its place: "
        "wnm --force_action remove --service_name {node}",
    ),
    StartFailure(
        kind=FailureKind.LAYOUT,
        pattern=re.compile(r"layout schema [0-9]+ is newer|layout marker .{0,300} is unreadable"),
        meaning="its store was written by a newer program than the one it is given",
        remedy="offer that newer program at antnode_path",
    ),
    StartFailure(
        kind=FailureKind.CERTIFICATE,
        pattern=re.compile(r"failed to load WebRTC certificate"),
        meaning="its certificate {root}/webrtc-direct.pem is damaged",
        remedy="delete that file: the node makes another",
    ),
    StartFailure(
        kind=FailureKind.PERMISSION,
        pattern=re.compile(
            r"Permission denied|Read-only file system|Operation not permitted|os error (?:13|30|1)\b"
        ),
        meaning="it may not write in {root}",
        remedy="give that folder to the node's account again, and mount its disk writable",
    ),
    StartFailure(
        kind=FailureKind.FOLDER,
        pattern=re.compile(r"I/O error: No such file or directory|Multiple node identities found"),
        meaning="its folder {root} is not there, or not one node's",
        remedy="look whether its disk is mounted",
    ),
    StartFailure(
        kind=FailureKind.ARGUMENT,
        pattern=re.compile(
            r"error: (?:unexpected argument|invalid value|unrecognized|the following required|a value is required)"
            r"|configuration error: (?!CRITICAL)"
        ),
        meaning="the program does not take its arguments, environment or configuration",
        remedy="mend start_args or environment: wnm --report machine-config shows them",
    ),
    StartFailure(
        kind=FailureKind.PANIC,
        pattern=re.compile(r"panicked at|The application panicked"),
        meaning="the program failed in itself",
        remedy="tell its makers what it said",
        mends_itself=True,
    ),
)


def start_failure(said: str) -> StartFailure | None:
    """The class of what a program said when it ended; None for what is not known."""
    return next((each for each in FAILURES if each.pattern.search(said)), None)
