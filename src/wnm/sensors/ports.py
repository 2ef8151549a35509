"""Finds the ports that some program on this machine holds."""

import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from wnm.formats.proc import local_ports

type PortRange = tuple[int, int]
"""Lowest and highest port, both belonging to it."""

_NETLINK_SOCK_DIAG = 4
_DUMP, _DONE, _ERROR = 0x301, 3, 2  # NLM_F_REQUEST | NLM_F_DUMP, and how a dump ends
_SOCK_DIAG_BY_FAMILY = 20
_LISTENING, _ANY_STATE = 1 << 10, 0xFFFFFFFF
_TABLES = (
    ("tcp", socket.AF_INET, socket.IPPROTO_TCP, _LISTENING),
    ("tcp6", socket.AF_INET6, socket.IPPROTO_TCP, _LISTENING),
    ("udp", socket.AF_INET, socket.IPPROTO_UDP, _ANY_STATE),
    ("udp6", socket.AF_INET6, socket.IPPROTO_UDP, _ANY_STATE),
)


def bound_ports(ranges: Sequence[PortRange]) -> frozenset[int]:
    """Ports in `ranges` that a TCP server listens on or a UDP socket is bound to, at whatever address.

    Connections that have ended and only wait for late packets do not count.
    """
    wanted = {port for low, high in ranges for port in range(low, high + 1)}
    seen = _from_kernel() if sys.platform == "linux" else None
    return frozenset(wanted & seen) if seen is not None else tried_ports(wanted)


def _from_kernel() -> set[int] | None:
    """All such ports; None when the kernel does not tell."""
    found: set[int] = set()
    tables = 0
    for name, family, protocol, states in _TABLES:
        try:
            try:
                found |= _diagnosed(family, protocol, states)
            except OSError:
                # Where the kernel lacks this, its text does, at the cost of every connection that there is.
                text = Path(f"/proc/net/{name}").read_text(encoding="ascii", errors="replace")
                found |= local_ports(text, listening_only=protocol == socket.IPPROTO_TCP)
            tables += 1
        except OSError:
            continue  # without IPv6 two of them are missing
    return found if tables else None


def _diagnosed(family: int, protocol: int, states: int) -> set[int]:
    """Local ports of the sockets in these states, as sock_diag(7) lists them; OSError where it does not."""
    found: set[int] = set()
    # struct inet_diag_req_v2, with an inet_diag_sockid of zeros: any socket.
    request = struct.pack("=BBBxI", family, protocol, 0, states) + bytes(48)
    header = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(header + request)
        while True:
            answer = kernel.recv(65536)
            place = 0
            while place < len(answer):
                length, kind = struct.unpack_from("=IH", answer, place)
                if kind == _DONE:
                    return found
                if kind == _ERROR or length < 22:
                    raise OSError("the kernel does not list its sockets")
                # struct inet_diag_msg: four bytes, then the local port in network order.
                found.add(struct.unpack_from("!H", answer, place + 20)[0])
                place += (length + 3) & ~3


def tried_ports(ports: Iterable[int]) -> frozenset[int]:
    """Those of `ports` that cannot be bound, found by trying."""
    taken = set()
    for port in ports:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as sock:
                try:
                    sock.bind(("", port))
                except (OSError, OverflowError):
                    taken.add(port)
    return frozenset(taken)
