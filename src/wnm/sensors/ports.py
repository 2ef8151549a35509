"""Ports that some program on this machine holds."""

import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from wnm.formats.proc import local_ports

type PortRange = tuple[int, int]
"""Lowest and highest port, both belonging to it."""

_TABLES = (("tcp", True), ("tcp6", True), ("udp", False), ("udp6", False))


def bound_ports(ranges: Sequence[PortRange]) -> frozenset[int]:
    """Ports in `ranges` that a TCP server listens on or a UDP socket is bound to, at whatever address.

    Connections that have ended and only wait for late packets do not count.
    """
    wanted = {port for low, high in ranges for port in range(low, high + 1)}
    seen = _from_kernel() if sys.platform == "linux" else None
    return frozenset(wanted & seen) if seen is not None else tried_ports(wanted)


def _from_kernel() -> set[int] | None:
    """All such ports; None when the kernel's tables cannot be read."""
    found: set[int] = set()
    tables = 0
    for name, listening_only in _TABLES:
        try:
            text = Path(f"/proc/net/{name}").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue  # without IPv6 two of them are missing
        tables += 1
        found |= local_ports(text, listening_only=listening_only)
    return found if tables else None


def tried_ports(ports: Iterable[int]) -> frozenset[int]:
    """Those of `ports` that cannot be bound, found by trying."""
    return frozenset(port for port in ports if not _is_free(port))


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind(("", port))
            except (OSError, OverflowError):
                return False
    return True
