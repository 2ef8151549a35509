"""Finds out why a node did not start: what its program said, sorted, and what the machine shows of the cause."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

import psutil

from wnm.core.errors import NeedsOperator, Transient, WnmError
from wnm.core.node import Node
from wnm.formats.ant_node_files import flock_holders
from wnm.node_kinds.kind import NodeKind
from wnm.node_kinds.start_failures import FailureKind, start_failure

MOST_HOLDERS = 3
LOCK_FILE = "chunks/.lock"


def explained(said: str, node: Node, kind: NodeKind, keys: str) -> WnmError:
    """The error to raise for what a node's program said when it ended: with its cause and a remedy, where known.

    NeedsOperator for what cannot mend itself, Transient else. `keys` is where copies of keys lie.
    """
    failure = start_failure(said)
    if failure is None:
        return Transient(said)
    holder = ""
    if failure.kind is FailureKind.PORT:
        second = "WebRTC" in said
        holder = "its second one, for browsers, is taken" if second else _why_not_opened(node.port)
    elif failure.kind is FailureKind.STORE_OPEN:
        holder = _lock_holders(f"{node.root_dir}/{LOCK_FILE}")
    places = {
        "port": node.port,
        "root": node.root_dir,
        "key": kind.identity_file(node.root_dir),
        "keys": keys,
        "node": node.name,
        "holder": holder,
    }
    meaning, remedy = failure.meaning.format(**places), failure.remedy.format(**places)
    what = f"{node.name} does not start, {meaning} ({said})"
    return Transient(f"{what}: {remedy}") if failure.mends_itself else NeedsOperator(what, remedy=remedy)


def _why_not_opened(port: int) -> str:
    """Try the port: programs hide the system's reason."""
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"{_port_holders(port)} holds it"
            if family == socket.AF_INET6 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                return "this machine has no IPv6; --ipv4-only in start_args does without"
            return error.strerror or str(error)
    return "it is free now, so something held it for a moment"


def _port_holders(port: int) -> str:
    pids: set[int] = set()
    with suppress(psutil.Error, OSError):
        pids = {
            each.pid
            for each in psutil.net_connections(kind="udp")
            if each.laddr and each.laddr.port == port and each.pid is not None
        }
    return _named(sorted(pids)) or "a process of another account"


def _lock_holders(path: str) -> str:
    """The processes that hold a lock on a file, as the kernel lists them: the file itself says nothing."""
    pids: tuple[int, ...] = ()
    with suppress(OSError):
        seen = os.lstat(path)
        locks = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
        pids = flock_holders(locks, (os.major(seen.st_dev), os.minor(seen.st_dev)), seen.st_ino)
    return _named(sorted({pid for pid in pids if pid > 0})) or "another process"


def _named(pids: list[int]) -> str:
    """These processes with the names of their programs: `process 12 (ant-node)`."""
    named = []
    for pid in pids[:MOST_HOLDERS]:
        name = "?"
        with suppress(psutil.Error):
            name = psutil.Process(pid).name()
        named.append(f"process {pid} ({name})")
    return ", ".join(named)
